"""A run that is killed goes on where it was, and ends with the same bits as one that was left alone."""

import json
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hourglass.console.command import deferred_signals
from hourglass.files import sha256
from hourglass.networks.base.families import build
from hourglass.training.checkpoints import Checkpoints, run_key
from hourglass.training.distributed import ProcessGroup
from hourglass.training.recipe import Recipe, Settings
from hourglass.training.run import Run, train

from .conftest import Project, copy_of
from .test_pipeline import bytes_of

MODEL = {
    "group": "quickstart",
    "dataset": "digits",
    "family": "conv",
    "network": {
        "encoder": [{"filters": 4, "norm": True, "pool": 2}, {"filters": 4, "stride": 2}],
        "latent_dim": 8,
        "decoder": [
            {"filters": 4, "transposed": True, "stride": 2, "norm": True},
            {"filters": 4, "upsample": 2},
        ],
    },
    "training": {
        "epochs": 12,
        "batch_size": 160,
        "learning_rate": 0.03,
        "schedule": {"name": "plateau", "patience": 1},
        "augment": {"flip": True, "shift": 1},
        "patience": 6,
        "save_every": 2,
        "seeds": [3, 4],
    },
}
TRAIN = (sys.executable, "-m", "stages.train", "tested")


def with_model(project: Project, seeds: Sequence[int] = (3, 4)) -> Project:
    """Add a model of two seeds, with all that a checkpoint may have to hold, saved after every step."""
    project.change("models.tested", MODEL)
    project.change("models.tested.training.seeds", list(seeds))
    project.change("train.checkpoint_seconds", 0)
    return project


@pytest.fixture(scope="module")
def trained_once(quickstart: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone in which the model was trained to the end, and its checkpoints are kept. Tests must not change it."""
    project = with_model(copy_of(quickstart, tmp_path_factory.mktemp("trained") / "project"))
    project.ok(*TRAIN)
    return project


@pytest.fixture
def trained(trained_once: Project, tmp_path: Path) -> Project:
    """Return a copy of that clone, to be changed at will."""
    return copy_of(trained_once, tmp_path / "project")


def results(project: Project) -> dict[str, bytes]:
    """Read the weights and the history."""
    history = project.folder / "metrics/history/tested.csv"
    return bytes_of(project.folder / "data/trained/tested") | {"history": history.read_bytes()}


def checkpoints(project: Project) -> list[Path]:
    return sorted((project.folder / "data/checkpoints").rglob("*.pt"))


def run_for(project: Project, seconds: float, how: signal.Signals, times: int = 1) -> tuple[int, str]:
    """Start the stage, give it so many seconds of training, send it a signal so many times; give status and output."""
    process = subprocess.Popen(TRAIN, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    before = {path.name for path in checkpoints(project)}
    while process.poll() is None and {path.name for path in checkpoints(project)} == before:
        time.sleep(0.01)
    time.sleep(seconds)
    for _ in range(times):
        process.send_signal(how)
        time.sleep(0.002)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_killed_ten_times_and_the_same_bits(project: Project) -> None:
    with_model(project)
    uninterrupted = Project(project.folder)
    uninterrupted.ok(*TRAIN)
    expected = results(project)
    for path in ("data/trained/tested", "data/checkpoints/tested"):
        shutil.rmtree(project.folder / path)
    generator = random.Random(0)  # noqa: S311
    killed = 0
    while killed < 10:
        status, output = run_for(project, generator.uniform(0, 0.4), signal.SIGKILL)
        if status == 0:
            assert killed, output  # it was done before the tenth: take it from the start once more
            assert results(project) == expected
            shutil.rmtree(project.folder / "data/checkpoints/tested")
            continue
        assert status == -signal.SIGKILL
        killed += 1
        assert checkpoints(project)
    assert "continues from epoch" in project.ok(*TRAIN)
    assert results(project) == expected
    kept = {path.parent for path in checkpoints(project)}  # of each seed: DVC does not have the model yet
    assert len(kept) == 2
    assert all((folder / "finished").exists() for folder in kept)


@pytest.mark.parametrize(
    ("how", "times", "status"),
    [(signal.SIGINT, 1, 130), (signal.SIGTERM, 1, 143), (signal.SIGTERM, 3, 143)],  # a scheduler's, and torchrun's
)
def test_told_to_stop_it_saves_and_says_so(project: Project, how: signal.Signals, times: int, status: int) -> None:
    with_model(project).change("train.checkpoint_seconds", 0.2)
    returned, output = run_for(project, 0.05, how, times)
    assert returned == status, output
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if "stopped" in line]
    assert line.startswith("tested, seed 3: stopped, saved at epoch ")
    assert line.endswith("; the next run continues there")
    where = line.partition("saved at ")[2].partition(";")[0]
    assert f"continues from {where}" in project.ok(*TRAIN)


def test_a_signal_that_comes_too_late_to_be_asked_for_is_not_lost() -> None:
    noted = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored

    def block() -> None:
        with deferred_signals() as received:
            signal.raise_signal(signal.SIGINT)
            noted.append(received())

    try:
        with pytest.raises(KeyboardInterrupt):
            block()
    finally:
        signal.signal(signal.SIGINT, before)
    assert noted == [signal.SIGINT]


def test_another_learning_rate_does_not_inherit_weights(project: Project) -> None:
    with_model(project, seeds=[3])
    run_for(project, 0.1, signal.SIGKILL)
    assert checkpoints(project)
    project.change("models.tested.training.learning_rate", 0.02)
    assert "continues from" not in project.ok(*TRAIN)


def test_the_key_is_of_parameters_and_code() -> None:
    assert run_key({"a": 1, "b": 2}) == run_key({"b": 2, "a": 1})
    assert run_key({"a": 1}) != run_key({"a": 2})


def test_edited_code_does_not_inherit_weights(project: Project) -> None:
    with_model(project, seeds=[3])
    run_for(project, 0.1, signal.SIGKILL)
    with (project.folder / "hourglass/networks/conv.py").open("a", encoding="utf-8") as file:
        file.write("# Edited.\n")
    assert "continues from" not in project.ok(*TRAIN)


@pytest.mark.parametrize("edit", ["checkpoint_seconds", "data", "console"])
def test_what_changes_no_bit_does_not_start_anew(project: Project, edit: str) -> None:
    with_model(project, seeds=[3])
    run_for(project, 0.1, signal.SIGKILL)
    if edit == "console":
        with (project.folder / "hourglass/console/progress.py").open("a", encoding="utf-8") as file:
            file.write("# Edited.\n")
    else:
        project.change(f"train.{edit}", 30 if edit == "checkpoint_seconds" else "streaming")
    assert "continues from" in project.ok(*TRAIN)


LAPPED = {"tile": [4, 4], "tile_latent_dim": 4, "hidden": [9], "residual": 1, "linear": "pca", "overlap": True}
RECIPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # family, network, changes of the recipe
    "muon": ("dense", {"latent_dim": 3, "hidden": [11]}, {"optimizer": {"name": "muon"}}),
    "linear path": ("dense", {"latent_dim": 3, "hidden": [11], "linear": "pca", "train_linear": True}, {}),
    "linear path and snapshots": ("dense", {"latent_dim": 3, "hidden": [11], "linear": "pca"}, {"save_every": 1}),
    "overlap and crops": ("tiles", LAPPED, {"augment": {"crop": 4, "flip": True, "transpose": True}}),
    "gaussian vae": ("vae", {"latent_dim": 3, "hidden": [11], "likelihood": "gaussian", "linear": "pca"}, {}),
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_state_before_the_last_leads_to_the_same_bits(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family, network, changes = RECIPES[name]
    recipe = Recipe(**{"epochs": 1, "batch_size": 8, "learning_rate": 0.01, "patience": 1} | changes)
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 9, 8), dtype=np.uint8)

    def run() -> Run:
        (done,), _ = train(
            "tested",
            lambda seed: build(family, (1, 9, 8), network, seed),
            (images[:30], images[30:]),
            recipe,
            Settings(checkpoint_seconds=0),
            tmp_path,
            {},
            torch.device("cpu"),
            ProcessGroup(),
        )
        return done

    whole = run()
    history = list(whole.history)
    assert run().history == history  # had been trained to the end
    assert [path.name[:12] for path in tmp_path.rglob("epoch-*")] == [f"epoch-{epoch:06}" for epoch in whole.snapshots]
    (*_, last) = sorted(tmp_path.rglob("*.pt"))
    for path in (last, *tmp_path.rglob("epoch-*")):  # as before the end of the epoch
        path.unlink()
    capsys.readouterr()
    again = run()
    assert "tested: continues from epoch 1, step 4" in capsys.readouterr().out  # epoch 0 and all steps are behind it
    assert again.history == history
    assert list(again.snapshots) == list(range(1, 2 if recipe.save_every else 1))
    assert again.kept_epoch == whole.kept_epoch
    weights = again.network.state_dict()
    assert all(torch.equal(weights[key], tensor) for key, tensor in whole.network.state_dict().items())


def save_three(folder: Path) -> Checkpoints:
    kept = Checkpoints(folder / "model" / "key", seconds=60)
    for step in (1, 2, 3):
        assert kept.save(1, step, {"history": [], "step": step, "weights": torch.full((1000,), float(step))})
    return kept


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    kept = save_three(tmp_path)
    assert [path.name[:16] for path in sorted(kept.folder.iterdir())] == ["000001-000000002", "000001-000000003"]
    newest = kept.load()
    assert newest is not None
    assert newest[1]["step"] == 3


def test_a_corrupt_one_is_refused_in_one_line_and_the_one_before_it_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = save_three(tmp_path)
    newest = max(kept.folder.iterdir())
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    before = kept.load()
    assert before is not None
    assert before[1]["step"] == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"warning: {newest}: expected a whole checkpoint, got a damaged one: it is removed"
    assert kept.save(
        1, 1, {"history": [], "step": 1}
    )  # the run starts anew, behind where it was, and what it saves stays
    assert len(list(kept.folder.iterdir())) == 2


def test_a_full_disk_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = save_three(tmp_path)
    before = bytes_of(kept.folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))  # files end here, as on a disk that is full
    try:
        saved = kept.save(1, 4, {"weights": torch.zeros(1 << 20)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not saved
    assert bytes_of(kept.folder) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: expected to write a checkpoint to {kept.folder}, got: ")
    assert line.endswith("; the one before it stays")


class Touch:
    """Pickled, it makes a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_runs_no_code_and_is_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = save_three(tmp_path)
    assert kept.save(2, 1, {"history": [], "hostile": Touch(tmp_path / "ran")})
    newest = max(kept.folder.iterdir())
    before = kept.load()
    assert before is not None
    assert before[1]["step"] == 3
    assert not (tmp_path / "ran").exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"warning: {newest}: expected a whole checkpoint, got a damaged one: it is removed"


def change_state(path: Path, changes: dict[str, object]) -> None:
    """Write a checkpoint again with other values at places such as "history", under the name that it would have."""
    state = torch.load(path, weights_only=True)
    for place, value in changes.items():
        *keys, last = (int(key) if key.isdecimal() else key for key in place.split("."))
        part = state
        for key in keys:
            part = part[key]
        part[last] = value
    torch.save(state, path)
    path.rename(path.with_name(f"{path.stem.rpartition('-')[0]}-{sha256(path)}.pt"))


CHANGES: dict[str, dict[str, object]] = {
    "another network's": {"network": {"weight": torch.zeros(3)}},
    "no optimizer's": {"optimizer": {}},
    "a mean without a shape": {"optimizer.state.0.exp_avg": torch.zeros(())},
    "a learning rate that is none": {"optimizer.param_groups.0.lr": None},
    "a history without losses": {"history": [{"epoch": 1}]},
    "no history": {"history": {}},
    "a step of text": {"step": "1"},
    "seconds of text": {"seconds": "1"},
    "best weights of another shape": {"best_weights": {"weight": torch.zeros(3)}},
    "a rate of the schedule that is none": {"schedule.min_lrs": [None]},
    "weights that are no tensors": {"network": {}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_of_something_else_is_removed_in_one_line(trained: Project, change: str) -> None:
    expected = results(trained)
    folder = checkpoints(trained)[0].parent
    change_state(max(folder.glob("*.pt")), CHANGES[change])
    done = trained.run(*TRAIN)
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "expected the state" in line]
    start = r"warning: data/checkpoints/tested/.*\.pt: expected the state of this training, got another: "
    assert re.match(start + r".*: it is removed$", line)
    assert results(trained) == expected


def test_a_finished_training_writes_its_model_again(trained: Project) -> None:
    expected = results(trained)
    shutil.rmtree(trained.folder / "data/trained/tested")  # as DVC does before it runs a stage
    output = trained.ok(*TRAIN)
    assert output.count("had been trained to the end") == 2  # seeds
    assert results(trained) == expected


def test_evaluation_ends_what_is_kept_of_a_finished_training(trained: Project) -> None:
    trained.ok(sys.executable, "-m", "stages.evaluate", "tested")
    assert not checkpoints(trained)
    trained.change("models.tested.training.learning_rate", 0.02)
    run_for(trained, 0.1, signal.SIGKILL)
    unfinished = checkpoints(trained)
    assert unfinished
    trained.ok(sys.executable, "-m", "stages.evaluate", "tested")  # of the model before
    assert checkpoints(trained) == unfinished


def test_another_number_of_threads_does_not_inherit_weights(project: Project) -> None:
    with_model(project, seeds=[3]).change("train.checkpoint_seconds", 60)
    project.ok("env", "OMP_NUM_THREADS=1", *TRAIN)
    config = json.loads((project.folder / "data/trained/tested/config.json").read_text(encoding="utf-8"))
    assert config["computed"]["device"] == "CPU, 1 threads"
    output = project.ok("env", "OMP_NUM_THREADS=2", *TRAIN)
    assert "tested: starts anew: " in output
    assert "trained to the end" not in output


@pytest.mark.parametrize("damage", ["flipped", "removed"])
def test_a_snapshot_that_was_lost_is_made_again(trained: Project, damage: str) -> None:
    expected = results(trained)
    snapshot = min((trained.folder / "data/checkpoints/tested").rglob("epoch-000002-*.safetensors"))
    if damage == "removed":
        snapshot.unlink()
    else:
        content = bytearray(snapshot.read_bytes())
        content[-1] ^= 1
        snapshot.write_bytes(content)
    done = trained.run(*TRAIN)
    assert done.returncode == 0
    assert "expected a whole snapshot of epoch 2 beside it, got none: it is removed" in done.stderr
    assert results(trained) == expected


def test_one_is_due_when_the_last_is_old_enough(tmp_path: Path) -> None:
    assert not Checkpoints(tmp_path, seconds=60).is_due()
    assert Checkpoints(tmp_path, seconds=0).is_due()
