"""The stage `train`: several seeds, what it says about speed, and one line when the machine cannot do what was asked."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stages.common import config
from stages.models.base.device import choose_precision
from stages.models.base.families import build
from stages.models.base.store import load_model
from stages.training.speed import flops_per_image, parameter_count

from .conftest import ROOT, Project

CPU = torch.device("cpu")
DENSE = "training: {epochs: 40, batch_size: 64, learning_rate: 5e-3, one_cycle: {warmup: 0.3}}"


def metrics_of(project: Project, model: str) -> dict[str, float]:
    content: dict[str, float] = json.loads((project.folder / f"metrics/{model}.json").read_text(encoding="utf-8"))
    return content


def test_several_seeds_give_mean_and_deviation_beside_the_first(project: Project) -> None:
    project.replace("params.yaml", "{epochs: 200, batch_size: 16", "{epochs: 30, batch_size: 16")
    project.repro("report@faces")
    several = metrics_of(project, "faces/faces-dense")
    assert several["seeds"] == 3
    report = (project.folder / "metrics/reports/faces.md").read_text(encoding="utf-8")
    assert "standard deviation over 3 seeds" in report
    single = []
    for seed in (0, 1, 2):
        project.replace(
            "params.yaml",
            "patience: 30, seeds: [0, 1, 2]" if seed == 0 else f"patience: 30, seeds: [{seed - 1}]",
            f"patience: 30, seeds: [{seed}]",
        )
        project.ok("dvc", "repro", "evaluate@faces-dense")
        single.append(metrics_of(project, "faces/faces-dense"))
        assert "mse_mean" not in single[-1]
    assert several["mse"] == single[0]["mse"]
    for metric in ("mse", "ssim"):
        values = [run[metric] for run in single]
        assert len(set(values)) == 3
        assert several[f"{metric}_mean"] == pytest.approx(statistics.mean(values), rel=1e-5)
        assert several[f"{metric}_std"] == pytest.approx(statistics.stdev(values), rel=1e-3)
    assert f"({several['mse_mean']:.5f} ± {several['mse_std']:.5f})" in report


def test_weights_are_kept_after_every_few_epochs(project: Project) -> None:
    folder = project.folder / "data/models/digits-dense"
    project.replace("params.yaml", DENSE, "training: {epochs: 5, batch_size: 64, learning_rate: 1e-3, save_every: 2}")
    project.ok(sys.executable, "-m", "stages.train", "digits-dense")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert kept.keys() == {"config.json", "model.safetensors", "epoch-000002.safetensors", "epoch-000004.safetensors"}
    for epochs in (2, 4):
        project.replace(
            "params.yaml", f"epochs: {5 if epochs == 2 else 2}, batch_size: 64, learning_rate: 1e-3",
            f"epochs: {epochs}, batch_size: 64, learning_rate: 1e-3",
        )  # fmt: skip
        project.ok(sys.executable, "-m", "stages.train", "digits-dense")
        assert (folder / "model.safetensors").read_bytes() == kept[f"epoch-{epochs:06}.safetensors"]


def test_an_augmented_training_gives_other_weights(project: Project) -> None:
    weights = project.folder / "data/models/digits-dense/model.safetensors"
    recipe = "training: {epochs: 2, batch_size: 64, learning_rate: 1e-3}"
    project.replace("params.yaml", DENSE, recipe)
    plain = []
    for replaced, by in ((recipe, recipe), (recipe, recipe.replace("1e-3}", "1e-3, augment: {shift: 1}}"))):
        project.replace("params.yaml", replaced, by)
        project.ok(sys.executable, "-m", "stages.train", "digits-dense")
        plain.append(weights.read_bytes())
    assert plain[0] != plain[1]


def test_it_says_how_fast_it_was(quickstart: Project) -> None:
    timing = json.loads((quickstart.folder / "metrics/timing/digits-dense.json").read_text(encoding="utf-8"))
    model, _ = load_model(quickstart.folder / "data/models/digits-dense", CPU)
    weights = 2 * (64 * 256 + 256 * 64 + 64 * 8)
    assert timing["flops_per_image"] == 2 * weights
    assert timing["parameters"] == weights + 256 + 64 + 8 + 64 + 256 + 64 == parameter_count(model)
    assert timing["images_per_s"] == pytest.approx(1437 / timing["s_per_epoch"], rel=1e-3)
    assert 50 < timing["peak_memory_mib"] < 5000
    assert timing["share_of_time_waiting_for_data"] == 0
    assert timing["data"] == "resident"
    assert timing["device"].startswith(("CPU", "NVIDIA"))


def test_streaming_from_the_params_gives_the_same_model(project: Project) -> None:
    weights = project.folder / "data/models/digits-dense/model.safetensors"
    resident = weights.read_bytes()
    project.replace("params.yaml", "  data: auto", "  data: streaming")
    project.ok(sys.executable, "-m", "stages.train", "digits-dense")
    assert weights.read_bytes() == resident
    timing = json.loads((project.folder / "metrics/timing/digits-dense.json").read_text(encoding="utf-8"))
    assert timing["data"] == "streaming"
    assert 0 < timing["share_of_time_waiting_for_data"] < 1


def test_flops_are_those_that_torch_counts() -> None:
    network = {"encoder": [{"filters": 5, "stride": 2}], "decoder": [{"filters": 4, "upsample": 2}]}
    products = 4 * 4 * 5 * 9 + 8 * 8 * 4 * 5 * 9 + 8 * 8 * 1 * 4 * 9
    assert flops_per_image(build("conv", (1, 8, 8), network)) == 2 * products
    settings = config.load(ROOT / "params.yaml")
    for name, model in settings.models.items():
        channels, height, width = settings.datasets[model.dataset].image_shape or (1, 64, 64)
        built = build(model.family, (channels, height, width), asdict(model.network), 0)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            built(torch.zeros(1, channels, height, width))
        assert flops_per_image(built) == counter.get_total_flops() > 0, name


@pytest.mark.parametrize(
    ("model", "old", "new"),
    [
        ("digits-pca", "", ""),
        ("digits-dense", "epochs: 40, batch_size: 64, learning_rate: 5e-3", "epochs: 1, batch_size: 64, learning_rate: 5e-3"),
        ("digits-conv", "epochs: 20, batch_size: 64", "optimizer: adadelta, epochs: 1, batch_size: 64"),
        ("digits-vae", "epochs: 40, batch_size: 64, learning_rate: 3e-3", "epochs: 1, clip_norm: 1, batch_size: 64, learning_rate: 3e-3"),
    ],
)  # fmt: skip
def test_training_starts_without_the_compiler_of_torch(project: Project, model: str, old: str, new: str) -> None:
    """It takes more than a second to load; `sys.modules` shows whether it was."""
    if old:
        project.replace("params.yaml", old, new)
    script = f"import sys, stages.train; stages.train.main('{model}'); print('torch._dynamo' in sys.modules)"
    assert project.ok(sys.executable, "-c", script).splitlines()[-1] == "False"


def test_a_loss_that_explodes_is_one_line(project: Project) -> None:
    project.replace("params.yaml", "checkpoint_seconds: 60", "checkpoint_seconds: 0")
    project.replace(
        "params.yaml", DENSE, "training: {epochs: 9, batch_size: 64, learning_rate: 1e38, optimizer: adadelta}"
    )
    done = project.run(sys.executable, "-m", "stages.train", "digits-dense")
    assert done.returncode == 1
    assert "error: expected" in done.stderr
    assert "epoch 1, step" in done.stderr
    assert "lower `learning_rate`, raise `batch_size`, or set `clip_norm`" in done.stderr
    assert "Traceback" not in done.stderr


def test_memory_that_runs_out_names_the_batch_size(project: Project) -> None:
    project.replace("params.yaml", "hidden: [256, 64], latent_dim: 8}", "hidden: [3000000], latent_dim: 8}")
    project.replace("params.yaml", DENSE, "training: {epochs: 1, batch_size: 1437, learning_rate: 1e-3}")
    done = project.run(
        "bash", "-c", f"ulimit -v {12 << 20}; CUDA_VISIBLE_DEVICES= exec {sys.executable} -m stages.train digits-dense"
    )
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "expected a batch of 1437 and the training images to fit into the memory of CPU" in line
    assert "lower `batch_size`" in line


def test_a_network_that_is_too_large_is_refused_in_one_line(project: Project) -> None:
    project.replace("params.yaml", "hidden: [256, 64], latent_dim: 8}", "hidden: [1000000000], latent_dim: 8}")
    done = project.run(
        "bash", "-c", f"ulimit -v {12 << 20}; CUDA_VISIBLE_DEVICES= exec {sys.executable} -m stages.train digits-dense"
    )
    assert done.returncode == 1
    assert "error: expected the network to fit into the memory of CPU" in done.stderr
    assert "Traceback" not in done.stderr


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
            "import torch; from stages.models.base.device import can_compile; print(can_compile(torch.device('cpu')))",
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
    assert line.endswith(": it goes on without")
