"""Small real projects of shell commands, which the scheduler of this checkout runs."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dvc.utils.serialize import dumps_yaml, load_yaml

from stages.scheduler.plan import Plan, make_plan

from .conftest import ROOT, Project, environment

PARALLEL = ("python", "-m", "stages.parallel")
OPTIONS = {"force": False, "pull": False, "allow_missing": False}


class Small(Project):
    """A project of a few stages, which runs the code of this checkout."""

    def write(self, stages: Mapping[str, Mapping[str, object]], file: str = "dvc.yaml") -> None:
        """Write a dvc.yaml of these stages."""
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(dumps_yaml({"stages": stages}), encoding="utf-8")

    def parallel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the scheduler."""
        return self.run(*PARALLEL, *arguments)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[psutil.Popen]:
        """Start the scheduler, and kill it in the end if it is still there."""
        with psutil.Popen(
            [*PARALLEL, *arguments],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def wait_for(self, *files: str) -> None:
        """Wait until stages have written all these files."""
        end = time.monotonic() + 60
        while not all((self.folder / file).exists() for file in files):
            assert time.monotonic() < end, files
            time.sleep(0.02)

    def locked(self, file: str = "dvc.lock") -> list[str]:
        """Return the stages that a lock file has, in its order."""
        path = self.folder / file
        return list((load_yaml(str(path)) or {}).get("stages", {})) if path.exists() else []  # {} while it is written

    def rwlock(self) -> object:
        """Return what DVC takes for busy."""
        content: dict[str, object] = json.loads((self.folder / ".dvc/tmp/rwlock").read_text(encoding="utf-8"))
        return {key: value for key, value in content.items() if value}


@pytest.fixture(name="small")
def small_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """Return a project without stages."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SHELL", "/bin/sh")
    return made(tmp_path / "small")


def made(folder: Path) -> Small:
    """Make an empty project."""
    project = Small(folder)
    folder.mkdir()
    project.ok("git", "init", "--quiet")
    project.ok("git", "config", "user.name", "Test")
    project.ok("git", "config", "user.email", "test@localhost")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    autostage = true\n    analytics = false\n", encoding="utf-8")
    (folder / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n", encoding="utf-8")
    (folder / ".gitignore").write_text("/data\n/*.out\n", encoding="utf-8")
    return project


def stage(cmd: str, out: str, *deps: str) -> dict[str, object]:
    """Return a stage that logs that it ran."""
    return {"cmd": f'echo "$DVC_STAGE" >> data/log; {cmd}', "outs": [out], "deps": ["seed", *deps]}


def log(project: Project) -> list[str]:
    """Return which stages ran, in order of their starts."""
    path = project.folder / "data/log"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def begin(project: Small, stages: Mapping[str, Mapping[str, object]]) -> None:
    """Write the stages and what they depend on, and commit."""
    (project.folder / "seed").write_text("seed\n", encoding="utf-8")
    (project.folder / "data").mkdir(exist_ok=True)
    project.write(stages)
    project.commit("The stages")


def plan_of(project: Project, *targets: str) -> Plan:
    """Make a plan in a project's folder."""
    before = Path.cwd()
    os.chdir(project.folder)
    try:
        return make_plan(targets, OPTIONS)
    finally:
        os.chdir(before)
