"""The library installs and imports on its own, and all that the project imports is declared."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import grimp
import numpy as np
import pytest
from PIL import Image

import hourglass
from hourglass.data.prepared import open_split

from .conftest import ROOT, Project

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
REMOTES = {"s3", "ssh", "webdav", "gs", "azure"}  # plugins that DVC imports; their pins: tests/test_sharing.py
# Run, or imported by name: by `hourglass.codec.onnx_check`, pandas and torch; from one, `download` takes images.
BY_NAME = {"dvc", "onnx", "onnxruntime", "onnxscript", "scikit-image", "tabulate"}
LIBRARY = ("codec", "coding", "commands", "networks", "__main__")  # what a trained model is used by
OPTIONAL = {"dvc", "pyarrow"}  # what of it says, where it is missing, what to install
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
        names = {normalized(name) for name in of_module.get(top, [top])}  # hyperqueue is not for all machines
        # A namespace, such as ruamel, is filled by several packages: the module's full name tells them apart.
        found |= names if len(names) == 1 else {name for name in names if name == normalized(module)}
    return found


def reached() -> set[str]:
    """Return the top-level names of what the library imports, directly or not, without any pipeline."""
    graph = grimp.build_graph("hourglass", include_external_packages=True, cache_dir=None)
    ours = {module for module in graph.modules if module.startswith(tuple(f"hourglass.{name}" for name in LIBRARY))}
    return {name for module in ours for name in graph.find_upstream_modules(module) if "hourglass" not in name}


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    imported = [packages for extra, packages in EXTRAS.items() if extra not in REMOTES]
    declared = required([*PYPROJECT["project"]["dependencies"], *chain(*imported)])
    assert distributions("hourglass", "stages") | BY_NAME == declared
    assert distributions("tests") <= declared | required(PYPROJECT["dependency-groups"]["dev"])


def test_what_only_the_pipeline_imports_is_in_its_extra() -> None:
    of_module = packages_distributions()
    names = reached() - set(sys.stdlib_module_names) - OPTIONAL
    assert {normalized(name) for module in names for name in of_module[module]} == required(
        PYPROJECT["project"]["dependencies"]
    )
    assert required(EXTRAS["pipeline"]) >= OPTIONAL


def test_the_lock_pins_what_is_declared_and_names_no_place() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normalized(line.partition("==")[0]) for line in lines}
    groups = PYPROJECT["dependency-groups"]
    extras = list(chain(*(packages for extra, packages in EXTRAS.items() if extra not in REMOTES)))
    assert required(PYPROJECT["project"]["dependencies"] + extras + groups["dev"] + groups["setup"]) <= pinned
    line_of = re.compile(r"[a-z0-9-]+==[\w.]+( ; [\w.]+ == .*)?")
    assert all(line_of.fullmatch(line) for line in lines), (
        "a name, a version, perhaps for which machines; no URL, no option"
    )


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
    print(f"{built.name}: {built.stat().st_size:,} bytes")
    return built


def test_the_wheel_holds_the_library_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"hourglass"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "hourglass").rglob("*.py")}
    page = {
        str(path.relative_to(ROOT)) for path in (ROOT / "hourglass" / "page").glob("*/*.*") if path.suffix != ".pyc"
    }
    assert page
    assert set(names) == modules | page | {"hourglass/py.typed"}


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


USE = """
import sys, time
start = time.perf_counter()
import hourglass
assert time.perf_counter() - start < 0.3
import numpy as np
codec = hourglass.load("model")
images = np.load("images.npy")
latents = codec.transform(images)
data = codec.compress(images[0])
assert codec.decompress(data).shape == images[0].shape
assert codec.score(images)["psnr_db"].mean() > 10
assert not {"dvc", "matplotlib", "ruamel", "stages"} & set(sys.modules)
np.savez("got.npz", latents=latents, decoded=codec.inverse_transform(latents), coded=np.frombuffer(data, np.uint8))
"""
COMMANDS = ("compress model photos -o compressed", "decompress model compressed -o decompressed")


def installed(wheel: Path, folder: Path, version: str) -> Path:
    """Make an environment with the wheel and without its extras; return where its commands are.

    Skips the test if that is another Python than this one, and it or its wheels are not on this machine: torch alone
    may be gigabytes.
    """
    uv, here = Path(sys.executable).with_name("uv"), version == "this"
    # As the Makefile does: uv has a variable of its own for the folder that has torch's CPU build.
    environment = {"UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "")} | os.environ

    def run(*arguments: str | Path) -> str:
        done = subprocess.run([uv, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode and not here:
            pytest.skip(f"no Python {version} on this machine, or not its wheels")
        assert done.returncode == 0, done.stderr
        return done.stdout

    python = folder / "bin/python"
    run("venv", "--no-python-downloads", "--python", sys.executable if here else version, folder)
    pins = ("--constraint", ROOT / "requirements.txt")  # none newer, which no test has seen
    run("pip", "install", "--python", python, *pins, *(() if here else ("--offline",)), wheel)
    listed = run("pip", "list", "--python", python)
    assert not re.search(r"^(dvc|matplotlib|onnx|pyarrow|requests|ruamel)", listed, re.MULTILINE)
    return python.parent


@pytest.mark.parametrize("version", ["this", "3.12", "3.13"])
def test_a_model_s_folder_is_enough_where_hourglass_alone_is_installed(
    version: str, wheel: Path, quickstart: Project, tmp_path: Path
) -> None:
    """The files are the same, byte for byte, and the latents as near as `Codec.transform` says."""
    commands = installed(wheel, tmp_path / "venv", version)
    model = shutil.copytree(quickstart.folder / "data/models/digits-dense", tmp_path / "model")
    images = np.array(open_split(quickstart.folder / "data/prepared/digits/test", "again"))[:, 0]
    np.save(tmp_path / "images.npy", images)
    subprocess.run([commands / "python", "-P", "-c", USE], cwd=tmp_path, env={}, check=True)
    got, codec = np.load(tmp_path / "got.npz"), hourglass.load(model)
    assert got["coded"].tobytes() == codec.compress(images[0])
    latents = codec.transform(images)
    np.testing.assert_allclose(got["latents"], latents, rtol=0, atol=1e-4 * float(np.ptp(latents)))
    assert np.abs(got["decoded"].astype(int) - codec.inverse_transform(latents)).max() <= 1
    (tmp_path / "photos").mkdir()
    Image.fromarray(images[0]).save(tmp_path / "photos/0.png")
    for line in COMMANDS:
        subprocess.run([commands / "hourglass", *line.split()], cwd=tmp_path, env={}, check=True)
    assert (np.array(Image.open(tmp_path / "decompressed/0.png")) == codec.decompress(got["coded"].tobytes())).all()
