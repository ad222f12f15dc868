"""The real pipeline, in a clone: what runs, what does not run again, and what stays whole when it is stopped."""

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from dvc.repo import Repo
from numpy.typing import NDArray
from PIL import Image

from stages.common.config import load
from stages.common.files import read_csv
from stages.metrics.ssim import ssim
from stages.models.base.autoencoder import Generative, scale
from stages.models.base.store import load_model

from .conftest import DATASETS, Project, needs_mirror

QUICKSTART = (  # in the order of the report: by data set, PCA first
    *("digits-pca", "digits-conv", "digits-dense", "digits-vae"),
    "photos-tiles",
)
DENSE_DIGITS = "training: {epochs: 40, batch_size: 64, learning_rate: 5e-3, one_cycle: {warmup: 0.3}}"


def stages_of(*models: str) -> set[str]:
    """Name the stages of models that have to run when one's training changes, and the report's."""
    return {f"{stage}@{model}" for stage in ("train", "evaluate", "plot") for model in models} | {"report@quickstart"}


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_quickstart_makes_everything_that_it_promises(quickstart: Project) -> None:
    for model in QUICKSTART:
        dataset = model.partition("-")[0]
        metrics = json.loads((quickstart.folder / f"metrics/quickstart/{model}.json").read_text(encoding="utf-8"))
        assert sorted(metrics) == list(metrics)
        single = {key for key in metrics if not key.endswith(("_mean", "_std")) and key != "seeds"}
        assert single == {"mse", "mae", "psnr_db", "ssim", "latent_dim", "bytes_per_image", "compression_ratio"}
        evaluated = quickstart.folder / f"data/evaluated/quickstart/{model}"
        test = np.load(quickstart.folder / f"data/prepared/{dataset}/test.npy")
        reconstructions, latents = np.load(evaluated / "reconstructions.npy"), np.load(evaluated / "latents.npy")
        assert (reconstructions.dtype, reconstructions.shape) == (np.uint8, test.shape)
        assert (latents.dtype, latents.shape) == (np.float32, (len(test), metrics["latent_dim"]))
        # What is stored is what was scored, but for the rounding to bytes.
        error = np.square((test.astype(float) - reconstructions) / 255).mean()
        assert error == pytest.approx(metrics["mse"], rel=0.01)
        labels = read_csv(evaluated / "labels.csv")
        listed = read_csv(quickstart.folder / f"data/prepared/{dataset}/labels.csv")
        assert [row | {"split": "test"} for row in labels] == [row for row in listed if row["split"] == "test"]
        expected = {"reconstructions", "latents"}
        expected |= set() if model.endswith("pca") else {"training"}
        expected |= {"whole"} if dataset == "photos" else set()
        expected |= {"samples", "variations", "interpolation"} if model == "digits-vae" else set()
        drawn = {path.stem: path for path in (quickstart.folder / f"plots/quickstart/{model}").iterdir()}
        assert drawn.keys() == expected
        for picture in drawn.values():
            assert np.asarray(Image.open(picture)).std() > 10  # not blank
    report = (quickstart.folder / "metrics/reports/quickstart.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[1] for line in report.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row in QUICKSTART] == list(QUICKSTART)
    for path in quickstart.folder.glob("plots/quickstart/*/*.png"):
        assert f"](../../{path.relative_to(quickstart.folder)})" in report


def test_what_a_generative_model_makes_up_is_on_disk(quickstart: Project) -> None:
    evaluated = quickstart.folder / "data/evaluated/quickstart/digits-vae"
    samples, variations, interpolation = (
        np.load(evaluated / f"{kind}.npy") for kind in ("samples", "variations", "interpolation")
    )
    assert (samples.shape, variations.shape, interpolation.shape) == ((10, 1, 8, 8), (8, 11, 1, 8, 8), (11, 1, 8, 8))
    described = json.loads((evaluated / "variations.json").read_text(encoding="utf-8"))
    assert described["values"] == pytest.approx(np.linspace(-3, 3, 11), abs=1e-6)
    assert described["values"][5] == 0
    order, kl = described["dimensions"], described["kl_nats"]
    assert sorted(kl, reverse=True) == kl
    assert sorted(order) == list(range(8))
    model, _ = load_model(quickstart.folder / "data/models/digits-vae", torch.device("cpu"))
    images = scale(torch.from_numpy(np.load(quickstart.folder / "data/prepared/digits/test.npy")))

    def decode(latents: torch.Tensor) -> NDArray[np.uint8]:
        decoded: NDArray[np.uint8] = model.decode(latents).mul(255).round().byte().numpy()
        return decoded

    with torch.no_grad():
        assert isinstance(model, Generative)
        assert kl == pytest.approx(model.divergences(images).mean(0)[order].tolist(), rel=1e-3)
        assert np.array_equal(samples, decode(torch.randn(10, 8, generator=torch.Generator().manual_seed(0))))
        for row, dimension in zip(variations, order, strict=True):
            latents = torch.zeros(11, 8)
            latents[:, dimension] = torch.tensor(described["values"])
            assert np.abs(row.astype(int) - decode(latents)).max() <= 1
        latents = model.encode(images)
        ends = latents[[0, int((latents - latents[0]).norm(dim=1).argmax())]]
        assert np.array_equal(interpolation[[0, -1]], decode(ends))


def test_validation_scores_are_of_the_validation_split(quickstart: Project) -> None:
    metrics = json.loads((quickstart.folder / "metrics/validation/digits-dense.json").read_text(encoding="utf-8"))
    assert metrics.keys() == {"val_mse", "val_mae", "val_psnr_db", "val_ssim"}
    model, _ = load_model(quickstart.folder / "data/models/digits-dense", torch.device("cpu"))
    images = scale(torch.from_numpy(np.load(quickstart.folder / "data/prepared/digits/val.npy")))
    with torch.no_grad():
        reconstructions = model(images)
    assert metrics["val_mse"] == pytest.approx(torch.nn.functional.mse_loss(reconstructions, images).item(), rel=1e-4)
    assert metrics["val_ssim"] == pytest.approx(ssim(images.numpy(), reconstructions.numpy()).mean(), rel=1e-4)


def test_a_second_repro_runs_nothing(quickstart: Project) -> None:
    assert quickstart.repro("report@quickstart") == set()
    assert quickstart.ok("git", "status", "--porcelain") == ""


def test_one_learning_rate_reruns_one_model_and_shows_in_the_metrics(project: Project, tmp_path: Path) -> None:
    project.replace("params.yaml", DENSE_DIGITS, DENSE_DIGITS.replace("5e-3", "4e-3"))
    assert project.repro("report@quickstart") == stages_of("digits-dense")
    project.commit("Learn faster")
    changed = json.loads(project.ok("dvc", "metrics", "diff", "HEAD~1", "--json"))
    assert sorted(changed) == ["metrics/quickstart/digits-dense.json", "metrics/validation/digits-dense.json"]
    assert changed["metrics/quickstart/digits-dense.json"]["mse"]["diff"] != 0

    # A colleague who cloned, and has no data at all, sees the same.
    project.ok("git", "clone", "--quiet", str(project.folder), str(tmp_path / "colleague"))
    colleague = Project(tmp_path / "colleague")
    assert json.loads(colleague.ok("dvc", "metrics", "diff", "HEAD~1", "--json")) == changed
    assert "learning_rate" in colleague.ok("dvc", "params", "diff", "HEAD~1")

    # Going back takes everything from the run cache, but for the report, whose page in git DVC does not cache.
    project.replace("params.yaml", DENSE_DIGITS.replace("5e-3", "4e-3"), DENSE_DIGITS)
    assert project.repro("report@quickstart") == {"report@quickstart"}
    project.ok(
        "git",
        "diff",
        "--exit-code",
        "HEAD~1",
        "--",
        *("metrics/quickstart", "metrics/validation", "metrics/reports", "dvc.lock"),
    )


def test_an_edit_of_one_family_reruns_its_models_alone(project: Project) -> None:
    with (project.folder / "stages/models/pca.py").open("a", encoding="utf-8") as file:
        file.write("\n# An edit that changes no result.\n")
    # The results are the same bits, so what comes after has nothing to do.
    assert project.repro("report@quickstart") == {"train@digits-pca", "evaluate@digits-pca"}


@pytest.mark.parametrize("model", ["digits-dense", "digits-vae", "photos-tiles"])
def test_training_and_evaluation_twice_give_the_same_bits(project: Project, model: str) -> None:
    folders = [project.folder / "data", project.folder / "metrics/quickstart", project.folder / "metrics/reports"]
    before = [bytes_of(folder) for folder in folders]
    assert f"models/{model}/model.safetensors" in before[0]
    for stage in ("train", "evaluate", "plot"):
        project.ok("python", "-m", f"stages.{stage}", model)
    assert [bytes_of(folder) for folder in folders] == before
    assert project.repro("report@quickstart") == set()


def test_a_model_is_added_in_five_lines(project: Project) -> None:
    model = """models:
  digits-added:
    group: quickstart
    dataset: digits
    family: dense
    network: {hidden: [16], latent_dim: 2}
    training: {epochs: 2, batch_size: 64, learning_rate: 1e-2}
"""
    project.replace("params.yaml", "\nmodels:\n", f"\n{model}\n")
    assert project.repro("report@quickstart") == stages_of("digits-added")
    assert "| digits-added | 2 |" in (project.folder / "metrics/reports/quickstart.md").read_text(encoding="utf-8")


def test_a_model_that_was_removed_leaves_nothing_behind(project: Project) -> None:
    text = (project.folder / "params.yaml").read_text(encoding="utf-8")
    start, end = text.index("  photos-tiles:\n"), text.index("  faces-pca:\n")
    (project.folder / "params.yaml").write_text(text[:start] + text[end:], encoding="utf-8")
    done = project.run("python", "-m", "stages.report", "quickstart")
    assert done.returncode == 1
    assert "metrics/quickstart/photos-tiles.json: expected a model of group quickstart in params.yaml" in done.stderr
    notes = project.folder / "metrics/quickstart/photos-tiles notes.md"
    notes.write_text("mine", encoding="utf-8")
    checkpoint = project.folder / "data/checkpoints/photos-tiles/key/000001-000000001-hash.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    project.ok("python", "-m", "stages.prune")
    assert notes.read_text(encoding="utf-8") == "mine"  # not the pipeline's to remove
    assert not checkpoint.exists()
    notes.unlink()
    assert project.repro("report@quickstart") == {"report@quickstart"}
    assert "photos-tiles" not in (project.folder / "metrics/reports/quickstart.md").read_text(encoding="utf-8")
    assert "photos-tiles" not in (project.folder / "dvc.lock").read_text(encoding="utf-8")
    assert [path for path in project.folder.rglob("*photos-tiles*") if ".dvc/" not in str(path)] == []
    assert project.ok("python", "-m", "stages.prune") == ""


def test_a_grid_of_values_is_a_queue_of_experiments(project: Project) -> None:
    """The commands of README.md, on a small model: choose by validation, and then look at the test split."""
    test_split = project.folder / "metrics/quickstart/digits-dense.json"
    before = test_split.read_bytes()
    grid = ["models.digits-dense.training.learning_rate=5e-3,5e-4", "models.digits-dense.network.latent_dim=4,12"]
    flags = [part for values in grid for part in ("-S", values)]
    project.ok("dvc", "exp", "run", "--queue", *flags, "train@digits-dense")
    project.ok("dvc", "exp", "run", "--run-all")
    table = project.ok(
        *("dvc", "exp", "show", "--csv", "--sort-order", "desc"),
        *("--sort-by", "metrics/validation/digits-dense.json:val_ssim"),
    )
    rows = [row for row in csv.DictReader(io.StringIO(table)) if row["Experiment"]]
    chosen = [(row["models.digits-dense.training.learning_rate"], row["models.digits-dense.network.latent_dim"])
              for row in rows]  # fmt: skip
    assert len(set(chosen)) == 4
    assert chosen[0] == ("0.005", "12")
    assert project.ok("git", "status", "--porcelain") == ""  # nothing is decided until someone applies one
    assert test_split.read_bytes() == before  # no test image was looked at
    # Written into params.yaml, the training comes from the cache. (`dvc exp apply` wants all data of all models there.)
    project.replace("params.yaml", "hidden: [256, 64], latent_dim: 8}", "hidden: [256, 64], latent_dim: 12}")
    assert project.repro("report@quickstart") == {"evaluate@digits-dense", "plot@digits-dense", "report@quickstart"}
    assert json.loads(test_split.read_bytes())["latent_dim"] == 12


WATCHED = """
import sys, runpy
opened = open({log!r}, "w")
def note(event, args):
    if event == "open" and isinstance(args[0], str):
        print(args[0], file=opened, flush=True)
sys.addaudithook(note)
sys.argv = ["stage", {name!r}]
runpy.run_module("stages.{stage}", run_name="__main__", alter_sys=False)
"""


@pytest.mark.parametrize(
    "stage", [f"{stage}@digits-dense" for stage in ("train", "evaluate", "plot")]
    + ["evaluate@digits-vae", "plot@digits-vae", "train@photos-tiles", "download@photos", "prepare@photos", "report@quickstart"]
)  # fmt: skip
def test_a_stage_opens_nothing_that_it_does_not_declare(project: Project, tmp_path: Path, stage: str) -> None:
    script, _, name = stage.partition("@")
    log = tmp_path / "opened"
    project.ok("python", "-c", WATCHED.format(log=str(log), stage=script, name=name))
    with Repo(str(project.folder)) as repo:
        (declared,) = (found for found in repo.index.stages if found.name == stage)
        allowed = {entry.def_path for entry in (*declared.deps, *declared.outs)}
    assert allowed
    opened = {Path(line) for line in log.read_text(encoding="utf-8").splitlines()}
    inside = {path.resolve().relative_to(project.folder) if path.is_absolute() else path for path in opened
              if not path.is_absolute() or path.is_relative_to(project.folder)}  # fmt: skip
    read = {path for path in inside if path.parts and path.parts[0] in ("data", "metrics", "plots")}
    assert read
    for path in read:
        # Half-written outputs, and the timing and checkpoints that are no outputs on purpose.
        plain = re.sub(r"/\.+|\.replaced|\.partial", lambda found: "/" * found[0].startswith("/"), str(path))
        if not plain.startswith(("metrics/timing/", "data/checkpoints/")):
            assert any(Path(plain).is_relative_to(entry) for entry in allowed), f"{stage} opened {path}"


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_leaves_what_was_there(project: Project, sent: signal.Signals, status: int) -> None:
    project.replace("params.yaml", DENSE_DIGITS, DENSE_DIGITS.replace("epochs: 40", "epochs: 999999"))
    folders = [project.folder / "data", project.folder / "metrics"]
    before = [bytes_of(folder) for folder in folders]
    command = [
        sys.executable,
        "-c",
        "import stages.train as t, stages.common.command as c; print('ready', flush=True); c.run(t.main)",
    ]
    with subprocess.Popen(
        [*command, "digits-dense"], cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == "ready\n"
        time.sleep(2)  # into the epochs
        training.send_signal(sent)
        _, errors = training.communicate(timeout=60)
    assert training.returncode == status
    assert "the next run goes on from there" in errors
    assert "Traceback" not in errors
    shutil.rmtree(project.folder / "data/checkpoints")
    assert [bytes_of(folder) for folder in folders] == before


def test_a_training_that_diverges_is_one_line_and_no_model(project: Project) -> None:
    project.replace("params.yaml", DENSE_DIGITS, DENSE_DIGITS.replace("5e-3", "1e30"))
    done = project.run("dvc", "repro", "train@digits-dense")
    assert done.returncode != 0
    assert "error: expected a finite loss, got" in done.stderr
    assert "lower `learning_rate`" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (project.folder / "data/models/digits-dense").exists()


def test_nothing_prepared_says_what_to_run(fresh: Project) -> None:
    for stage, name, advice in (
        ("prepare", "digits", "found none: see datasets.digits.source, or dvc repro download@digits"),
        (
            "train",
            "digits-dense",
            "expected data/prepared/digits/train.npy, found none: dvc repro --force prepare@digits",
        ),
        ("evaluate", "digits-dense", "found none: dvc repro train@digits-dense"),
        ("plot", "digits-dense", "found none: dvc repro evaluate@digits-dense"),
    ):
        done = fresh.run("python", "-m", f"stages.{stage}", name)
        assert done.returncode == 1, stage
        assert done.stderr.startswith("error: "), done.stderr
        assert done.stderr.endswith(f"{advice}\n"), done.stderr


@pytest.mark.parametrize(("stage", "limit"), [("train", 20000), ("evaluate", 5000)])
def test_a_disk_that_is_full_is_one_line(project: Project, stage: str, limit: int) -> None:
    before = bytes_of(project.folder / "data")
    # A limit on the size of files, which the system reports as it does a full disk: in the middle of a write.
    script = (
        "import errno, os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        f"import stages.common.command as c, stages.{stage} as s; sys.argv = ['{stage}', 'digits-dense']; c.run(s.main)"
    )
    done = project.run("python", "-c", script)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert bytes_of(project.folder / "data") == before


REAL = {  # images in train, val and test
    "mnist": (54000, 6000, 10000),
    "fashion-mnist": (56000, 7000, 7000),
    "olivetti": (320, 40, 40),
    "frey": (1572, 197, 196),
    "common-images": (82, 9, 5),
    "london-faces": (163, 21, 20),
}


@needs_mirror
@pytest.mark.parametrize("dataset", REAL)
def test_real_upstream_files_become_prepared_data_sets(fresh: Project, dataset: str) -> None:
    for stage in ("download", "prepare"):
        fresh.ok("python", "-m", f"stages.{stage}", dataset, mirror=DATASETS)
    prepared = fresh.folder / "data/prepared" / dataset
    settings = load(fresh.folder / "params.yaml").dataset(dataset)
    arrays = {split: np.load(prepared / f"{split}.npy", mmap_mode="r") for split in ("train", "val", "test")}
    assert tuple(map(len, arrays.values())) == REAL[dataset]
    assert {array.shape[1:] for array in arrays.values()} == {settings.image_shape}
    meta = json.loads((prepared / "meta.json").read_text(encoding="utf-8"))
    assert (meta["licence"], meta["citation"]) == (settings.licence, settings.citation)
    assert len(meta["classes"]) == {"frey": 0, "common-images": 0, "olivetti": 40, "london-faces": 2}.get(dataset, 10)
    if dataset in ("olivetti", "frey", "london-faces"):
        # Upright: a mean face looks like its mirror image from side to side, and not from top to bottom.
        mean = np.mean([image.mean(axis=0) for image in arrays["train"][:100]], axis=0)
        assert np.abs(mean - mean[:, ::-1]).mean() < np.abs(mean - mean[::-1]).mean() / 2
