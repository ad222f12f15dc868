"""What the tests share: small images, and the real pipeline in a clone with a params.yaml of the tests' own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray
from ruamel.yaml import YAML

from .params import params, to_yaml

ROOT = Path(__file__).parents[1]
DATASETS = os.environ.get("HOURGLASS_MIRROR", "")
LEFT_OUT = ("dvc.lock", "groups/dvc.lock", "groups/dvc.yaml", "metrics", "params.yaml")

# Files of more than a minute, and before all others, so that no process is left with one when the rest has ended. The
# first makes the quickstart, for which all but the next two would have to wait.
LONG = (
    "pipeline onnx trainer merging tools checkpoints altered reruns contributing history train packaging heal prepare"
)
FIRST = [f"test_{name}.py" for name in LONG.split()]

needs_mirror = pytest.mark.skipif(not DATASETS, reason="HOURGLASS_MIRROR does not name a folder with the real data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def environment(mirror: str = "") -> dict[str, str]:
    """Return the variables of a command that runs with this interpreter's tools first on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOURGLASS_MIRROR": mirror}


@dataclass(frozen=True)
class Project:
    """A checkout of the project with a git history and a DVC cache of its own."""

    folder: Path

    def run(self, *command: str, mirror: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in it, with this interpreter's tools first on the PATH and no mirror unless given."""
        return subprocess.run(
            command, cwd=self.folder, env=environment(mirror), capture_output=True, text=True, timeout=600, check=False
        )

    def ok(self, *command: str, mirror: str = "") -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self.run(*command, mirror=mirror)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def repro(self, *targets: str) -> set[str]:
        """Run `dvc repro`, and return the stages that ran."""
        lines = self.ok("dvc", "repro", *targets).splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage")}

    def stale(self) -> set[str]:
        """Return the stages whose own dependencies have changed: with what follows them, those that `dvc repro` runs."""
        return set(json.loads(self.ok("dvc", "status", "--json")))

    def commit(self, message: str) -> None:
        """Commit all changes."""
        self.ok("git", "add", "--all")
        self.ok("git", "commit", "--quiet", "--message", message)

    def params(self) -> dict[str, Any]:
        """Return params.yaml."""
        values: dict[str, Any] = YAML(typ="safe", pure=True).load(self.folder / "params.yaml")
        return values

    def set_params(self, values: dict[str, Any]) -> None:
        """Write all of params.yaml."""
        (self.folder / "params.yaml").write_text(to_yaml(values), encoding="utf-8")

    def change(self, path: str, value: object) -> None:
        """Set one value of params.yaml, such as `models.digits-dense.training.epochs`."""
        values = self.params()
        *parents, key = path.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        section[key] = value
        self.set_params(values)

    def remove(self, path: str) -> None:
        """Remove one key of params.yaml."""
        values = self.params()
        *parents, key = path.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        del section[key]
        self.set_params(values)

    def append(self, file: str, text: str) -> None:
        """Append a line to a file."""
        with (self.folder / file).open("a", encoding="utf-8") as opened:
            opened.write(f"{text}\n")

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace the one place where `old` stands in a file of code; for params.yaml there is `change`."""
        assert file != "params.yaml"
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {text.count(old)} of {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def clone(folder: Path) -> Project:
    """Copy the code that is or could be committed here into a repository of its own, with the tests' params.yaml.

    What belongs to the params.yaml of this checkout stays behind: dvc.lock, metrics and the stages of its groups.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not any(Path(name).is_relative_to(path) for path in LEFT_OUT):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    project = Project(folder)
    project.set_params(params())
    project.ok("python", "-m", "stages.check")  # writes groups/dvc.yaml
    project.ok("git", "init", "--quiet")
    project.ok("git", "config", "user.name", "Test")
    project.ok("git", "config", "user.email", "test@localhost")
    project.commit("The project")
    return project


def copy_of(project: Project, folder: Path) -> Project:
    """Copy a project with its git history, its data and its DVC cache."""
    return Project(Path(shutil.copytree(project.folder, folder, symlinks=True)))


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Project]) -> Project:
    """Make a project in a new folder, or return the one that another process of the same tests has made."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.with_suffix(".made").exists():
            shutil.rmtree(folder, ignore_errors=True)  # half made, where it failed
            make(folder)
            folder.with_suffix(".made").touch()
    return Project(folder)


@pytest.fixture(scope="session")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone in which nothing was run. Tests must not change it."""
    return once(tmp_path_factory, "cloned", clone)


@pytest.fixture(scope="session")
def quickstart(cloned: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone in which the quickstart was run from nothing. Tests must not change it."""

    def make(folder: Path) -> Project:
        project = copy_of(cloned, folder)
        project.repro("report@quickstart")
        project.commit("The quickstart's results")
        return project

    return once(tmp_path_factory, "quickstart", make)


@pytest.fixture(scope="session")
def everything(quickstart: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone in which all of its params.yaml was run. Tests must not change it."""

    def make(folder: Path) -> Project:
        project = copy_of(quickstart, folder)
        project.repro()
        project.commit("The results of all groups")
        return project

    return once(tmp_path_factory, "everything", make)


@pytest.fixture
def tiny(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Project:
    """Return a project, to be changed at will, of one stage, which is as good as ours where DVC alone is looked at."""

    def make(folder: Path) -> Project:
        folder.mkdir()
        project = Project(folder)
        for command in (
            "init --quiet --initial-branch main",
            "config user.name Tiny",
            "config user.email tiny@localhost",
        ):
            project.ok("git", *command.split())
        project.ok("dvc", "init", "--quiet")
        (folder / "source").write_text("first\n", encoding="utf-8")
        (folder / "dvc.yaml").write_text(
            "stages:\n  work:\n    cmd: mkdir results && cp source results/copy && echo more > results/more\n"
            "    deps:\n      - source\n    outs:\n      - results\n",
            encoding="utf-8",
        )
        project.repro()
        project.commit("First results")
        return project

    return copy_of(once(tmp_path_factory, "tiny", make), tmp_path / "tiny")


@pytest.fixture
def fresh(cloned: Project, tmp_path: Path) -> Project:
    """Return a clone, to be changed at will, in which nothing was run."""
    return copy_of(cloned, tmp_path / "project")


@pytest.fixture
def project(quickstart: Project, tmp_path: Path) -> Project:
    """Return a copy, to be changed at will, of a clone in which the quickstart was run."""
    return copy_of(quickstart, tmp_path / "project")


@contextmanager
def two_hosts() -> Iterator[tuple[list[str], str]]:
    """Yield two network namespaces that reach each other at 10.77.0.1 and 10.77.0.2, or none, and why there are none."""
    names = [f"hourglass-{os.getpid()}-{number}" for number in (1, 2)]
    ends = [f"hg{os.getpid() % 10**6}{end}" for end in "ab"]
    commands = [f"ip netns add {name}" for name in names]
    commands.append(f"ip link add {ends[0]} type veth peer name {ends[1]}")
    for number, (name, end) in enumerate(zip(names, ends, strict=True), 1):
        commands += [
            f"ip link set {end} netns {name}",
            f"ip -n {name} link set {end} name eth0",
            f"ip -n {name} addr add 10.77.0.{number}/24 dev eth0",
            f"ip -n {name} link set eth0 up",
            f"ip -n {name} link set lo up",
        ]
    if not shutil.which("ip"):
        yield [], "ip is not installed"
        return
    try:
        for command in commands:
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            if done.returncode:
                yield [], f"{command}: {done.stderr.strip()}"
                return
        yield names, ""
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Give the names of two network namespaces that reach each other at 10.77.0.1 and 10.77.0.2."""
    with two_hosts() as (names, reason):
        if reason:
            pytest.skip(f"network namespaces are not allowed here: {reason}")
        yield names


@pytest.fixture
def images() -> NDArray[np.float32]:
    """Return 40 smooth color images of an odd size, (40, 3, 9, 11) in [0, 1]."""
    generator = np.random.default_rng(0)
    rows, columns = np.linspace(0, 3, 9)[:, None], np.linspace(0, 3, 11)
    phase = generator.uniform(0, 6, (40, 3, 1, 1))
    waves = np.sin(rows * generator.uniform(0.5, 2, (40, 1, 1, 1)) + columns + phase)
    return (0.5 + 0.45 * waves).astype(np.float32)
