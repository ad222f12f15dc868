"""What the tests share: small images, and the real pipeline in a clone."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
DATASETS = os.environ.get("HOURGLASS_MIRROR", "")

needs_mirror = pytest.mark.skipif(not DATASETS, reason="HOURGLASS_MIRROR does not name a folder with the real data")


@dataclass(frozen=True)
class Project:
    """A checkout of the project with a git history and a DVC cache of its own."""

    folder: Path

    def run(self, *command: str, mirror: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in it, with this interpreter's tools first on the PATH and no mirror unless given."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "HOURGLASS_MIRROR": mirror}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    def ok(self, *command: str, mirror: str = "") -> str:
        """Run a command that must succeed, and give what it printed."""
        done = self.run(*command, mirror=mirror)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def repro(self, target: str) -> set[str]:
        """Run `dvc repro`, and give the stages that ran."""
        lines = self.ok("dvc", "repro", target).splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage")}

    def commit(self, message: str) -> None:
        """Commit all changes."""
        self.ok("git", "add", "--all")
        self.ok("git", "commit", "--quiet", "--message", message)

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace the one place where `old` stands in a file."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {text.count(old)} of {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def clone(folder: Path) -> Project:
    """Copy what is or could be committed here, but for dvc.lock, into a repository of its own.

    DVC reads and writes all that dvc.lock knows of the other groups at every stage, a second each.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if name != "dvc.lock" and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    project = Project(folder)
    project.ok("git", "init", "--quiet")
    project.ok("git", "config", "user.name", "Test")
    project.ok("git", "config", "user.email", "test@localhost")
    project.commit("The project")
    return project


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """Give a fresh clone: code and metrics, no data."""
    folder = tmp_path / "project"
    folder.mkdir()
    return clone(folder)


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a clone in which the quickstart was run from nothing. Tests must not change it."""
    project = clone(tmp_path_factory.mktemp("quickstart"))
    project.repro("report@quickstart")
    project.commit("The quickstart's results")
    return project


@pytest.fixture
def project(quickstart: Project, tmp_path: Path) -> Project:
    """Give a copy, to be changed at will, of a clone in which the quickstart was run."""
    return Project(Path(shutil.copytree(quickstart.folder, tmp_path / "project", symlinks=True)))


@pytest.fixture
def images() -> NDArray[np.float32]:
    """Give 40 smooth colour images of an odd size, (40, 3, 9, 11) in [0, 1]."""
    generator = np.random.default_rng(0)
    rows, columns = np.linspace(0, 3, 9)[:, None], np.linspace(0, 3, 11)
    phase = generator.uniform(0, 6, (40, 3, 1, 1))
    waves = np.sin(rows * generator.uniform(0.5, 2, (40, 1, 1, 1)) + columns + phase)
    return (0.5 + 0.45 * waves).astype(np.float32)
