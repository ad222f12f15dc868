"""The library installs and imports on its own, and all that the project imports is declared."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from .conftest import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BY_NAME = {"dvc", "tabulate"}  # run, or imported by pandas, by name
OURS = {"hourglass", "stages", "tests"}
PEERS = {"keras", "lightning", "tensorflow"}  # in the benchmarks' own environment


def normalized(name: str) -> str:
    """Return the name of a package as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(requirements: list[str]) -> set[str]:
    """Return the names of the packages in a list of requirements."""
    return {normalized(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}


def imported(folder: str) -> Iterator[str]:
    """Yield the top-level names that the code in a folder imports, or would import for type checks."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def distributions(*folders: str) -> set[str]:
    """Return the packages that the code in some folders imports, but for Python's own and ours."""
    found = set()
    of_module = packages_distributions()
    for module in {module for folder in folders for module in imported(folder)}:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top in OURS | PEERS:
            continue
        names = {normalized(name) for name in of_module[top]}
        # A namespace, such as ruamel, is filled by several packages: the module's full name tells them apart.
        found |= names if len(names) == 1 else {name for name in names if name == normalized(module)}
    return found


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    declared = required(PYPROJECT["project"]["dependencies"])
    assert distributions("hourglass", "stages") | BY_NAME == declared
    assert distributions("tests") <= declared | required(PYPROJECT["dependency-groups"]["dev"])


def test_the_lock_pins_what_is_declared_and_names_no_place() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normalized(line.partition("==")[0]) for line in lines}
    groups = PYPROJECT["dependency-groups"]
    assert required(PYPROJECT["project"]["dependencies"] + groups["dev"] + groups["setup"]) <= pinned
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines), "a name and a version, no URL, no option"


def test_yaml_is_read_by_the_parser_in_python() -> None:
    """Where ruamel.yaml.clib is there, DVC refuses YAML that it writes itself, and some commits of this project."""
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8").lower()
    assert "clib" not in locked
    assert "ruamel-yaml-clib" not in {normalized(name) for names in packages_distributions().values() for name in names}
    import ruamel.yaml

    assert not ruamel.yaml.__with_libyaml__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that pip builds from a copy of the checkout."""
    source = tmp_path_factory.mktemp("source")
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy2(ROOT / name, source / name)
    for name in ("hourglass", "stages", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", source / "dist"], cwd=source, check=True)
    (built,) = (source / "dist").iterdir()
    return built


def test_the_wheel_holds_the_library_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"hourglass"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "hourglass").rglob("*.py")}
    assert set(names) == modules | {"hourglass/py.typed"}


def test_the_library_imports_outside_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    code = (
        "import importlib, pkgutil, sys, hourglass\n"
        f"assert hourglass.__file__.startswith({str(wheel)!r}), hourglass.__file__\n"
        "for module in pkgutil.walk_packages(hourglass.__path__, 'hourglass.'): importlib.import_module(module.name)\n"
        "assert 'dvc' not in sys.modules and 'stages' not in sys.modules\n"
        "from hourglass.networks.base.families import build, families\n"
        "assert 'pca' in families()\n"
        "build('dense', (1, 8, 8), {'latent_dim': 4})\n"
    )
    # Python imports from a wheel as from any zip file; -P leaves the folder that it runs in out of the path.
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(wheel)}, check=True)
