"""dvc.yaml declares what the code reads, dvc.lock is of the code beside it, and imports only ever point down."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
import ruamel.yaml
from dvc.repo import Repo
from ruamel.yaml import YAML

from stages.common.config import load
from stages.common.recipes import NETWORKS
from stages.common.schema import FORMATS

from .conftest import ROOT

GRAPH = grimp.build_graph("stages", cache_dir=None)
SCRIPTS = ("download", "prepare", "train", "evaluate", "plot", "report")


def path_of(module: str) -> Path:
    """Give the file of a module; that of a package is its __init__.py."""
    path = ROOT / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported(*modules: str) -> set[str]:
    """Give the modules and all that they import, directly or not."""
    upstream = (GRAPH.find_upstream_modules(module) for module in modules)
    return set(modules).union(*upstream)


@pytest.fixture(scope="module")
def pipeline() -> dict[str, set[str]]:
    """Give the declared dependencies of every stage, relative to the project's folder."""
    with Repo(str(ROOT)) as repo:
        return {stage.name: {dep.def_path for dep in stage.deps} for stage in repo.index.stages}


def dynamic_imports(stage: str) -> list[str]:
    """Give the one module that a stage imports by a name in params.yaml."""
    script, _, name = stage.partition("@")
    settings = load(ROOT / "params.yaml")
    if script == "prepare":
        return [f"stages.datasets.{settings.dataset(name).format}"]
    if script in ("train", "evaluate"):
        return [f"stages.models.{settings.model(name).family}"]
    return []


def test_every_entry_of_params_has_its_stages(pipeline: dict[str, set[str]]) -> None:
    settings = load(ROOT / "params.yaml")
    expected = {f"download@{name}" for name in settings.downloads} | {f"prepare@{name}" for name in settings.datasets}
    expected |= {f"{stage}@{name}" for stage in ("train", "evaluate", "plot") for name in settings.models}
    expected |= {f"report@{name}" for name in settings.groups}
    assert pipeline.keys() == expected


def test_every_imported_module_is_a_declared_dependency(pipeline: dict[str, set[str]]) -> None:
    read_by_kind: dict[str, set[Path]] = {}
    for stage, declared in pipeline.items():
        kind = stage.partition("@")[0]
        needed = imported(f"stages.{kind}", *dynamic_imports(stage))
        files = {path_of(module).relative_to(ROOT) for module in needed}
        read_by_kind[kind] = read_by_kind.get(kind, set()) | files
        for file in files:
            if file.name != "__init__.py":
                assert {str(file), *map(str, file.parents)} & declared, (
                    f"{stage} imports {file}, which it does not declare"
                )
    # The stages of one kind share a list: what one family needs (layers) is declared for all (PCA has none).
    for stage, declared in pipeline.items():
        kind = stage.partition("@")[0]
        for path in declared:
            if path.startswith("stages/"):
                assert any(file.is_relative_to(path) for file in read_by_kind[kind]), (
                    f"{stage} declares {path}, which no {kind} imports"
                )


def test_yaml_is_read_by_the_parser_in_c() -> None:
    """DVC reads params.yaml eight times for every stage that has params."""
    assert ruamel.yaml.__with_libyaml__


def test_packages_hold_no_code_of_their_own() -> None:
    # Python reads an __init__.py with every module beside it, so one with code in it would have to be declared.
    for path in (ROOT / "stages").rglob("__init__.py"):
        (docstring,) = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(docstring, ast.Expr), path


def test_no_module_imports_a_family_or_a_reader() -> None:
    # They are found by name, so that an edit of one reruns the models or data sets that name it, and no others.
    named = {f"stages.models.{family}" for family in NETWORKS}
    named |= {f"stages.datasets.{name}" for name in FORMATS}
    for module in named:
        assert GRAPH.find_modules_that_directly_import(module) == set(), module


def test_imports_point_down() -> None:
    scripts = {f"stages.{script}" for script in SCRIPTS}
    for script in scripts:
        assert GRAPH.find_modules_that_directly_import(script) == set()
    # Only stage scripts know where things lie.
    assert GRAPH.find_modules_that_directly_import("stages.common.paths") == scripts | {"stages.prune"}
    # Only stage scripts know params.yaml.
    assert GRAPH.find_modules_that_directly_import("stages.common.config") == scripts | {"stages.prune"}
    assert GRAPH.find_modules_that_directly_import("stages.common.schema") <= scripts | {"stages.common.config"}
    for pure in ("stages.datasets.splits", "stages.metrics.quality", "stages.metrics.size"):
        assert GRAPH.find_modules_directly_imported_by(pure) <= {"stages.common.errors"}


@pytest.mark.parametrize("script", ["download", "prepare", "plot", "report"])
def test_stages_without_networks_do_not_import_torch(script: str) -> None:
    code = f"import sys, stages.{script}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_lock_has_no_orphans_and_misses_nothing(pipeline: dict[str, set[str]]) -> None:
    lock = YAML(typ="safe").load(ROOT / "dvc.lock")
    assert lock["stages"].keys() == pipeline.keys()


def test_metrics_have_no_orphans() -> None:
    settings = load(ROOT / "params.yaml")
    expected = {f"{model.group}/{name}" for name, model in settings.models.items()}
    for suffix in (".json", ".history.csv"):
        found = {
            str(path.relative_to(ROOT / "metrics")).removesuffix(suffix)
            for path in (ROOT / "metrics").glob(f"*/*{suffix}")
            if path.parent.name not in ("timing", "validation", "reports")
        }
        assert found == expected
    for folder in ("timing", "validation"):
        assert {path.stem for path in (ROOT / "metrics" / folder).iterdir()} == set(settings.models)
    assert {path.stem for path in (ROOT / "metrics/reports").iterdir()} == set(settings.groups)


def test_the_lock_is_of_the_code_params_and_metrics_beside_it() -> None:
    """What git holds must be as it was when `dvc repro` wrote dvc.lock; the data may be absent."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    stale = [
        f"{stage}: {path} ({state})"
        for stage, changes in json.loads(done.stdout).items()
        for change in changes
        if isinstance(change, dict)
        for paths in change.values()
        for path, state in paths.items()
        if not path.startswith(("data/", "plots/"))
    ]
    assert stale == [], "run `dvc repro` and commit dvc.lock and metrics/"
