"""A finished training is never lost: not when DVC is killed right after it, and not when a disk is full."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from .conftest import Project, copy_of
from .test_checkpoints import checkpoints, results

EVALUATE = "evaluate@tested"
TRAIN = "train@tested"
MODEL = {
    "group": "quickstart",
    "dataset": "digits",
    "family": "dense",
    "network": {"hidden": [64], "latent_dim": 8},
    "training": {"epochs": 2, "batch_size": 256, "learning_rate": 0.01, "save_every": 1, "seeds": [3, 4]},
}
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")  # whose mounts end with the command


def can_mount() -> bool:
    """Return whether this machine lets a process mount a file system that it alone sees."""
    try:
        mounted = subprocess.run(
            [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return mounted.returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="this machine allows no mount in a namespace of its own")


@pytest.fixture(scope="module")
def untrained(quickstart: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with a model of two seeds that is saved after every step, and not trained yet."""
    project = copy_of(quickstart, tmp_path_factory.mktemp("untrained") / "project")
    project.change("models.tested", MODEL)
    project.change("train.checkpoint_seconds", 0)
    project.ok("python", "-m", "stages.check")
    project.repro("check")
    return project


@pytest.fixture(scope="module")
def expected(untrained: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return what an undisturbed training ends with."""
    project = copy_of(untrained, tmp_path_factory.mktemp("undisturbed") / "project")
    project.ok("python", "-m", "stages.train", "tested")
    return results(project)


@pytest.fixture
def tested(untrained: Project, tmp_path: Path) -> Project:
    """Return a copy of that project, to be changed at will."""
    return copy_of(untrained, tmp_path / "project")


def steps(project: Project) -> dict[str, int]:
    """Return the checkpoints and when each was written: no training takes a step and leaves them as they were."""
    return {path.name: path.stat().st_mtime_ns for path in checkpoints(project)}


def on_a_small_disk(project: Project, folder: str, size: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command while a folder of the project is an empty disk of so many bytes."""
    (project.folder / folder).mkdir(parents=True, exist_ok=True)
    script = f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(folder)} && exec {command}"
    return project.run(*NAMESPACE, "sh", "-c", script)


def kill_dvc_after_the_stage(project: Project) -> None:
    """Kill `dvc repro` with SIGKILL when its stage has ended, before it has done anything with the model."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    dvc = psutil.Popen(
        ["dvc", "repro", TRAIN], cwd=project.folder, env=os.environ | {"PATH": path}, stdout=subprocess.DEVNULL
    )
    model = project.folder / "data/trained/tested"
    while not model.exists():
        assert dvc.poll() is None, "dvc ended without a model"
        time.sleep(0.001)
    dvc.suspend()  # while the stage finishes
    (stage,) = dvc.children()
    while stage.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    dvc.kill()
    assert dvc.wait() == -signal.SIGKILL


def ends_without_a_step(project: Project, expected: dict[str, bytes]) -> None:
    """Ask `dvc repro` for the model: it must come out of the checkpoint that is there."""
    before = steps(project)
    assert before
    assert TRAIN in project.repro(TRAIN)  # DVC has not seen the model, and runs the stage
    assert steps(project) == before
    assert results(project) == expected
    project.repro(EVALUATE)
    assert not steps(project)  # DVC has stored the model
    assert project.repro(EVALUATE) == set()
    assert results(project) == expected


def test_dvc_killed_in_the_moment_after_the_stage(tested: Project, expected: dict[str, bytes]) -> None:
    kill_dvc_after_the_stage(tested)
    assert results(tested) == expected
    ends_without_a_step(tested, expected)


@needs_mount
def test_the_disk_of_the_cache_is_full(tested: Project, expected: dict[str, bytes]) -> None:
    done = on_a_small_disk(tested, ".dvc/cache", "40k", f"dvc repro --single-item {TRAIN}")
    assert "No space left on device" in done.stderr
    ends_without_a_step(tested, expected)


@needs_mount
def test_the_disk_of_the_models_is_full(tested: Project, expected: dict[str, bytes]) -> None:
    done = on_a_small_disk(tested, "data/trained", "8k", f"dvc repro --single-item {TRAIN}")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "No space left on device" in line
    assert "data/trained/" in line
    assert "the training is kept in data/checkpoints/tested" in line
    assert not (tested.folder / "data/trained/tested").exists()
    ends_without_a_step(tested, expected)
