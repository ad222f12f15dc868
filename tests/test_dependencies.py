"""dvc.yaml declares what the code reads and nothing else, and imports only ever point down."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from dvc.repo import Repo

from .conftest import ROOT, Project
from .params import DATASETS, DOWNLOADS, GROUPS, MODELS

GRAPH = grimp.build_graph("stages", "hourglass", cache_dir=None)
UNDECLARED = ("hourglass.console", "hourglass.config")  # which say themselves why they can change no result
FAMILIES, READERS = "hourglass.networks", "hourglass.data.readers"


def path_of(module: str) -> Path:
    """Return the file of a module, relative to the checkout; that of a package is its __init__.py."""
    path = Path(*module.split("."))
    return path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")


def script_of(stage: str) -> str:
    """Return the name of the script that a stage runs."""
    return "gather" if stage.startswith("groups/dvc.yaml:") else stage.partition("@")[0]


def found_by_name(stage: str) -> set[str]:
    """Return the modules that a stage imports by a name: in params.yaml, or in a folder."""
    script, _, name = stage.partition("@")
    if script == "prepare":
        return {f"{READERS}.{DATASETS[name]['format']}"}
    if script in ("train", "evaluate"):
        return {f"{FAMILIES}.{MODELS[name]['family']}"}
    if script == "plot":
        return GRAPH.find_children("hourglass.figures")
    return set()


def imported(stage: str) -> set[Path]:
    """Return the files that a stage imports, directly or not, and that can change its result."""
    modules = {f"stages.{script_of(stage)}"} | found_by_name(stage)
    modules |= {upstream for module in modules for upstream in GRAPH.find_upstream_modules(module)}
    if stage != "check":
        modules = {module for module in modules if not module.startswith(UNDECLARED)}
    return {path for path in map(path_of, modules) if path.name != "__init__.py"}


@pytest.fixture(scope="module")
def pipeline(cloned: Project) -> dict[str, set[Path]]:
    """Return the dependencies that every stage declares, relative to the checkout."""
    with Repo(str(cloned.folder)) as repo:
        return {
            stage.name if Path(stage.path) == cloned.folder / "dvc.yaml" else f"groups/dvc.yaml:{stage.name}": {
                Path(dep.fs_path).relative_to(cloned.folder)
                for dep in stage.deps
                if Path(dep.fs_path).is_relative_to(cloned.folder)
            }
            for stage in repo.index.stages
        }


def code(declared: set[Path]) -> Iterator[Path]:
    """Yield the dependencies that are code."""
    return (path for path in declared if path.parts[0] in ("hourglass", "stages"))


def test_every_entry_of_params_has_its_stages(pipeline: dict[str, set[Path]]) -> None:
    expected = (
        {"check"}
        | {f"download@{name}" for name in DOWNLOADS}
        | {f"{stage}@{name}" for stage in ("prepare", "codecs") for name in DATASETS}
    )
    expected |= {f"{stage}@{name}" for stage in ("train", "evaluate", "plot") for name in MODELS}
    expected |= {f"{stage}{name}" for stage in ("groups/dvc.yaml:", "report@") for name in GROUPS}
    assert pipeline.keys() == expected


def test_every_imported_module_is_a_declared_dependency(pipeline: dict[str, set[Path]]) -> None:
    undeclared = {
        f"{stage} imports {file}"
        for stage, declared in pipeline.items()
        for file in imported(stage)
        if declared.isdisjoint({file, *file.parents})
    }
    assert undeclared == set()


def test_every_declared_dependency_is_imported(pipeline: dict[str, set[Path]]) -> None:
    # The stages of one script share a list: what one family needs (layers) is declared for all (PCA has none).
    used: dict[str, set[Path]] = {}
    for stage in pipeline:
        used.setdefault(script_of(stage), set()).update(imported(stage))
    unused = {
        f"{stage} declares {path}, which no {script_of(stage)} imports"
        for stage, declared in pipeline.items()
        for path in code(declared)
        if not any(file.is_relative_to(path) for file in used[script_of(stage)])
    }
    assert unused == set()


def test_a_stage_declares_the_one_family_or_reader_that_it_names(pipeline: dict[str, set[Path]]) -> None:
    named = {path_of(module) for package in (FAMILIES, READERS) for module in GRAPH.find_children(package)}
    for stage, declared in pipeline.items():
        own = {path_of(module) for module in found_by_name(stage)}
        assert declared & named == own & named, stage


def test_packages_hold_no_code_of_their_own() -> None:
    # Python reads an __init__.py with every module beside it, so one with code in it would have to be declared.
    for package in ("stages", "hourglass"):
        for path in (ROOT / package).rglob("__init__.py"):
            docstring, *code = ast.parse(path.read_text(encoding="utf-8")).body
            assert isinstance(docstring, ast.Expr), path
            assert not code or path in (ROOT / "stages/__init__.py", ROOT / "hourglass/__init__.py"), path
    # The first is about signals alone, which change no result; the second imports what others ask it for.
    assert GRAPH.find_modules_directly_imported_by("stages") == {"hourglass.console.signals"}


def test_no_module_imports_a_family_or_a_reader() -> None:
    # They are found by name, so that an edit of one reruns the models or data sets that name it, and no others.
    for package in (FAMILIES, READERS):
        for module in GRAPH.find_children(package) - {"hourglass.networks.base"}:
            assert GRAPH.find_modules_that_directly_import(module) == set(), module


def test_imports_point_down() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_only_stages_know_paths_and_none_knows_another() -> None:
    scripts = {module for module in GRAPH.find_children("stages") if path_of(module).name != "__init__.py"}
    for script in scripts - {"stages.paths"}:
        assert GRAPH.find_modules_that_directly_import(script) == set(), script
    for module in GRAPH.find_modules_that_directly_import("stages.paths"):
        assert module.startswith("stages.")


def test_stage_scripts_are_thin() -> None:
    for path in (ROOT / "stages").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 120, path


def test_stages_without_networks_do_not_import_torch() -> None:
    imports = "; ".join(
        f"import stages.{script}; print('{script}', 'torch' in sys.modules)"
        for script in ("download", "prepare", "codecs", "gather", "report", "plot")
    )
    figures = "list(stages.plot.drawings()); print('figures', 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {imports}; {figures}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "True" not in done.stdout, done.stdout
