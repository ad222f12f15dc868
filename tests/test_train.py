"""The stage `train`: several seeds, what it says about speed, and one line when the machine cannot do what was asked."""

import hashlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hourglass.config.entries import Model
from hourglass.console.errors import UserError
from hourglass.data.sums import read_sums
from hourglass.inference.device import choose_precision
from hourglass.inference.store import Preparation, describe, load_model
from hourglass.training.recipe import Recipe
from hourglass.training.speed import parameter_count
from stages import train

from .conftest import ROOT, Project
from .shards import save_split

CPU = torch.device("cpu")
TRAIN = (sys.executable, "-m", "stages.train", "digits-dense")
RECIPE: dict[str, Any] = {"epochs": 2, "batch_size": 64, "learning_rate": 0.001}


def weights_of(project: Project, model: str = "digits-dense") -> bytes:
    return (project.folder / f"data/trained/{model}/model.safetensors").read_bytes()


def timing_of(project: Project) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project.folder / "data/timing/digits-dense.json").read_text(encoding="utf-8"))
    return content


def test_several_seeds_are_trained_as_each_alone(project: Project) -> None:
    train = (sys.executable, "-m", "stages.train", "faces-dense")
    project.repro("evaluate@faces-dense")
    folder = project.folder / "data/trained/faces-dense"
    several = [
        (folder / name).read_bytes() for name in ("model.safetensors", "seed-1.safetensors", "seed-2.safetensors")
    ]
    scores = pd.read_csv(project.folder / "data/evaluated/faces-dense/seeds.csv")
    assert scores["seed"].tolist() == [0, 1, 2]
    singles = []
    for seed in (0, 1, 2):
        project.change("models.faces-dense.training.seeds", [seed])
        project.ok(*train)
        project.ok(sys.executable, "-m", "stages.evaluate", "faces-dense")
        assert weights_of(project, "faces-dense") == several[seed]
        singles.append(
            json.loads((project.folder / "metrics/test/faces-dense.json").read_text(encoding="utf-8"))["mse"]
        )
        assert not (project.folder / "data/evaluated/faces-dense/seeds.csv").exists()
    assert len(set(singles)) == 3
    assert statistics.stdev(singles) == pytest.approx(scores["mse"].std(), rel=1e-2)
    np.testing.assert_allclose(scores["mse"], singles, rtol=1e-3)


def test_config_says_how_the_training_ended(quickstart: Project) -> None:
    for model in ("digits-dense", "digits-vae", "digits-pca"):
        config = json.loads((quickstart.folder / f"data/trained/{model}/config.json").read_text(encoding="utf-8"))
        history = pd.read_csv(quickstart.folder / f"metrics/history/{model}.csv")
        assert config["training"]["epochs"] == len(history)
        assert config["training"]["best_epoch"] == history["epoch"].iloc[int(history["val_loss"].to_numpy().argmin())]
        kept = history["val_loss"].min() if model == "digits-vae" else history["val_loss"].iloc[-1]  # one has patience
        assert config["training"]["val_loss"] == pytest.approx(kept, rel=1e-3)


def test_config_says_what_the_model_was_made_from(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 8, 8), dtype=np.uint8)
    digests = []
    for case, (shards, val) in enumerate([(1, images[5:]), (3, images[5:]), (3, images[4:6])]):
        folder = tmp_path / str(case)
        folders = [save_split(folder, name, part, shards) for name, part in (("train", images[:5]), ("val", val))]
        sums = [digest for path in folders for digest in read_sums(path, "").values()]
        preparation = Preparation(color="gray", orientation="exif", resample="lanczos", resize="pad", size=(8, 8))
        model = Model(group="cells", dataset="cells", family="pca", network={}, training={})
        config = describe(model, {"latent_dim": 2}, (1, 8, 8), sums, preparation)
        assert config["preparation"] == preparation
        assert config["image_shape"] == (1, 8, 8)
        files = sorted((folder / "train").glob("*.npy")) + sorted((folder / "val").glob("*.npy"))
        hashes = "".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
        assert config["dataset_sha256"] == hashlib.sha256(hashes.encode()).hexdigest()
        digests.append(config["dataset_sha256"])
    assert len(set(digests)) == 3


def test_config_has_the_preparation_of_the_data_set(quickstart: Project) -> None:
    for model in ("digits-dense", "digits-pca"):
        config = json.loads((quickstart.folder / f"data/trained/{model}/config.json").read_text(encoding="utf-8"))
        prepared = quickstart.folder / "data/prepared/digits/preparation.json"
        assert config["preparation"] == json.loads(prepared.read_text(encoding="utf-8"))


def test_a_missing_preparation_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = {"group": "cells", "dataset": "cells", "family": "pca", "network": {"latent_dim": 2}, "training": {}}
    Path("params.yaml").write_text(json.dumps({"models": {"cells-pca": model}, "train": {}}), encoding="utf-8")
    for split in ("train", "val"):
        save_split(Path("data/prepared/cells"), split, np.zeros((2, 1, 8, 8), np.uint8))
    with pytest.raises(
        UserError, match=r"^expected .*cells/preparation.json, found none: make heal && dvc repro prepare@cells$"
    ):
        train.main("cells-pca")


def test_weights_are_kept_after_every_few_epochs(project: Project) -> None:
    folder = project.folder / "data/trained/digits-dense"
    project.change("models.digits-dense.training", RECIPE | {"epochs": 5, "save_every": 2})
    project.ok(*TRAIN)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert kept.keys() == {"config.json", "model.safetensors", "epoch-000002.safetensors", "epoch-000004.safetensors"}
    for epochs in (2, 4):
        project.change("models.digits-dense.training.epochs", epochs)
        project.ok(*TRAIN)
        assert weights_of(project) == kept[f"epoch-{epochs:06}.safetensors"]


def test_an_augmented_training_gives_other_weights(project: Project) -> None:
    weights = []
    for augment in ({}, {"augment": {"shift": 1}}):
        project.change("models.digits-dense.training", RECIPE | augment)
        project.ok(*TRAIN)
        weights.append(weights_of(project))
    assert weights[0] != weights[1]


def test_parts_of_images_are_not_augmented(project: Project) -> None:
    project.change("models.photos-tiles.training.augment", {"flip": True})
    done = project.run(sys.executable, "-m", "stages.train", "photos-tiles")
    assert done.returncode == 1
    assert "training.augment: changes whole images, and this network trains on parts of them" in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_says_how_fast_it_was(project: Project) -> None:
    project.ok(*TRAIN)
    timing = timing_of(project)
    network, _ = load_model(project.folder / "data/trained/digits-dense", CPU)
    weights = 2 * (64 * 256 + 256 * 64 + 64 * 8)
    assert timing["parameters"] == weights + 256 + 64 + 8 + 64 + 256 + 64 == parameter_count(network)
    assert timing["images_per_s"] == pytest.approx(1438 / timing["s_per_epoch"], rel=1e-3)
    assert 50 < timing["peak_memory_mib"] < 5000
    assert timing["share_of_time_waiting_for_data"] == 0
    assert timing["data"] == "resident"
    assert str(timing["device"]).startswith(("CPU, ", "NVIDIA"))


def test_streaming_from_the_params_gives_the_same_model(project: Project) -> None:
    resident = weights_of(project)
    project.change("train.data", "streaming")
    project.ok(*TRAIN)
    assert weights_of(project) == resident
    timing = timing_of(project)
    assert timing["data"] == "streaming"
    assert 0 < timing["share_of_time_waiting_for_data"] < 1


def test_a_loss_that_explodes_is_one_line(project: Project) -> None:
    project.change("train.checkpoint_seconds", 0)
    project.change("models.digits-dense.network.hidden", [64, 64, 64])  # whose product overflows, as no rate alone may
    recipe = RECIPE | {"epochs": 9, "learning_rate": 1e12, "optimizer": {"name": "adadelta"}}
    project.change("models.digits-dense.training", recipe)
    done = project.run(*TRAIN)
    assert done.returncode == 1
    assert "error: expected" in done.stderr
    assert "epoch 1, step" in done.stderr
    assert "lower `learning_rate`, raise `batch_size`, or set `clip_norm`" in done.stderr
    assert "Traceback" not in done.stderr


def limited(project: Project) -> subprocess.CompletedProcess[str]:
    """Train with 12 GiB of address space and without a GPU."""
    return project.run("bash", "-c", f"ulimit -v {12 << 20}; CUDA_VISIBLE_DEVICES= exec {' '.join(TRAIN)}")


def test_memory_that_runs_out_names_the_batch_size(project: Project) -> None:
    project.change("models.digits-dense.network.hidden", [1_000_000])
    project.change("models.digits-dense.training", RECIPE | {"batch_size": 1438})
    done = limited(project)
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "expected a batch of 1438 and the training images to fit into the memory of CPU" in line
    assert "lower `batch_size`" in line


def test_a_network_that_is_too_large_is_refused_in_one_line(project: Project) -> None:
    project.change("models.digits-dense.network.hidden", [1_000_000, 1_000_000])
    done = limited(project)
    assert done.returncode == 1
    assert "error: expected the network to fit into the memory of CPU" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recipe_refuses_a_seed_twice() -> None:
    with pytest.raises(ValueError, match=r"seeds: expected different numbers, got \[1, 1\]"):
        Recipe(**RECIPE, seeds=(1, 1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this is about machines without a GPU")
def test_precision_falls_back_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_precision("auto", CPU) == "float32"
    assert choose_precision("float32", CPU) == "float32"
    assert capsys.readouterr().err == ""
    for wanted in ("bfloat16", "tf32"):
        assert choose_precision(wanted, CPU) == "float32"
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"warning: expected hardware with {wanted}, got CPU")


def test_without_a_compiler_it_goes_on_with_one_line(tmp_path: Path) -> None:
    # In a process of its own: torch remembers the compiler that it has found.
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import torch; from hourglass.inference.device import can_compile; print(can_compile(torch.device('cpu')))",
        ],
        cwd=ROOT,
        env=os.environ | {"CXX": "/nonexistent/c++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert line.startswith("warning: expected torch.compile to work, got: ")
    assert "compiler" in line.lower()
    assert line.endswith(": continuing without")
