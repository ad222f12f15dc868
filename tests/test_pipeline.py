"""The real pipeline, in a clone: what runs, what does not run again, and what stays whole when it is stopped."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from dvc.repo import Repo
from numpy.typing import NDArray
from PIL import Image

from hourglass.data.prepared import open_split
from hourglass.inference.store import load_model
from hourglass.metrics.quality import METRICS
from hourglass.metrics.similarity import ssim
from hourglass.networks.base.autoencoder import Generative, scale

from .conftest import DATASETS, ROOT, Project, copy_of, needs_mirror
from .params import QUICKSTART
from .shards import load_split

TRACKED = [name for name, metric in METRICS.items() if metric.tracked]
LEARNING_RATE = "models.digits-dense.training.learning_rate"


def stages_of(model: str) -> set[str]:
    """Name the stages that have to run when a model's network or recipe changes."""
    stages = {f"{stage}@{model}" for stage in ("train", "evaluate", "plot")}
    return {"check", *stages, "groups/dvc.yaml:quickstart", "report@quickstart"}


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of JSON."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV of text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder, but those that say which process is at work."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "locks"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_quickstart_makes_everything_that_it_promises(quickstart: Project) -> None:
    for model in QUICKSTART:
        dataset = model.partition("-")[0]
        metrics, val = (read_json(quickstart.folder / f"metrics/{split}/{model}.json") for split in ("test", "val"))
        assert list(metrics) == list(val) == sorted([*TRACKED, "split_id"])
        for value in (*metrics.values(), *val.values()):
            assert value == float(f"{value:.4g}") or isinstance(value, int)  # so that another CPU gives the same text
        evaluated = quickstart.folder / f"data/evaluated/{model}"
        about = read_json(evaluated / "about.json")
        assert about["dataset"] == dataset
        test = load_split(quickstart.folder / f"data/prepared/{dataset}", "test")
        reconstructions, latents = np.load(evaluated / "reconstructions.npy"), np.load(evaluated / "latents.npy")
        assert (reconstructions.dtype, reconstructions.shape) == (np.uint8, test.shape)
        assert (latents.dtype, latents.shape) == (np.float32, (len(test), about["latent_dim"]))
        # What is stored is what was scored, but for the rounding to bytes.
        error = np.square((test.astype(float) - reconstructions) / 255).mean()
        assert error == pytest.approx(metrics["mse"], rel=0.01)
        scores = pd.read_csv(evaluated / "scores.csv")
        assert len(scores) == len(test)
        assert scores["ssim"].mean() == pytest.approx(metrics["ssim"], rel=1e-3)
        listed = read_table(quickstart.folder / f"data/prepared/{dataset}/labels.csv")
        of_test = listed[listed["split"] == "test"][["index", "label", "source"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(read_table(evaluated / "labels.csv"), of_test)
        epochs = 1 if model.endswith("pca") else quickstart.params()["models"][model]["training"]["epochs"]
        assert len(pd.read_csv(quickstart.folder / f"metrics/history/{model}.csv")) == epochs


def test_the_quickstart_draws_every_picture_and_the_report_shows_it(quickstart: Project) -> None:
    for model in QUICKSTART:
        expected = {"reconstructions", "worst", "latents"}
        expected |= set() if model.endswith("pca") else {"training"}
        expected |= {"whole"} if model.startswith("photos") else set()
        expected |= {"samples", "variations", "interpolation"} if model == "digits-vae" else set()
        drawn = {path.stem: path for path in (quickstart.folder / f"plots/{model}").iterdir()}
        assert drawn.keys() == expected
        for picture in drawn.values():
            assert np.asarray(Image.open(picture)).std() > 10  # not blank
    report = (quickstart.folder / "metrics/reports/quickstart.md").read_text(encoding="utf-8")
    rows = [line.split("|")[2].strip() for line in report.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row in QUICKSTART] == list(QUICKSTART)
    for path in quickstart.folder.glob("plots/*/*.png"):
        assert f"](../../{path.relative_to(quickstart.folder)})" in report
    page = (quickstart.folder / "reports/quickstart.html").read_text(encoding="utf-8")
    assert all(f"<code>{model}</code>" in page for model in QUICKSTART)


def test_what_a_generative_model_makes_up_is_on_disk(quickstart: Project) -> None:
    evaluated = quickstart.folder / "data/evaluated/digits-vae"
    samples, variations, interpolation = (
        np.load(evaluated / f"{kind}.npy") for kind in ("samples", "variations", "interpolation")
    )
    assert (samples.shape, variations.shape, interpolation.shape) == ((10, 1, 8, 8), (8, 11, 1, 8, 8), (11, 1, 8, 8))
    described = read_json(evaluated / "variations.json")
    assert described["values"] == pytest.approx(np.linspace(-3, 3, 11), abs=1e-6)
    assert described["values"][5] == 0
    order, kl = described["dimensions"], described["kl_nats"]
    assert sorted(kl, reverse=True) == kl
    assert sorted(order) == list(range(8))
    model, _ = load_model(quickstart.folder / "data/trained/digits-vae", torch.device("cpu"))
    images = scale(torch.from_numpy(load_split(quickstart.folder / "data/prepared/digits", "test")))

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
    metrics = read_json(quickstart.folder / "metrics/val/digits-dense.json")
    model, _ = load_model(quickstart.folder / "data/trained/digits-dense", torch.device("cpu"))
    images = scale(torch.from_numpy(load_split(quickstart.folder / "data/prepared/digits", "val")))
    with torch.no_grad():
        reconstructions = model(images)
    assert metrics["mse"] == pytest.approx(torch.nn.functional.mse_loss(reconstructions, images).item(), rel=1e-3)
    assert metrics["ssim"] == pytest.approx(ssim(images.numpy(), reconstructions.numpy()).mean(), rel=1e-3)


def test_a_report_finds_the_commit_that_recorded_its_scores(quickstart: Project) -> None:
    facts = json.loads((quickstart.folder / "data/groups/quickstart/facts.json").read_text(encoding="utf-8"))
    for of_model in facts.values():
        command = of_model["config"]["commit"]
        first, *_ = quickstart.ok(*shlex.split(command)).splitlines()
        assert first.endswith("The quickstart's results")


def test_a_second_repro_runs_nothing(project: Project) -> None:
    assert project.repro("report@quickstart") == set()
    assert project.ok("git", "status", "--porcelain") == ""


def test_metrics_say_when_the_images_are_others(project: Project) -> None:
    project.change("datasets.digits.seed", 1)
    project.repro("evaluate@digits-pca")
    changed = json.loads(project.ok("dvc", "metrics", "diff", "--json"))
    assert sorted(changed) == ["metrics/test/digits-pca.json", "metrics/val/digits-pca.json"]
    for of_split in changed.values():
        assert of_split["split_id"]["diff"] != 0
    assert "split_id" in project.ok("dvc", "metrics", "diff")
    # Another model of the same images has the same number.
    before = {model: read_json(project.folder / f"metrics/test/{model}.json")["split_id"] for model in QUICKSTART}
    assert before["digits-dense"] == before["digits-vae"] != before["digits-pca"]


def test_one_learning_rate_reruns_one_model_and_shows_in_the_metrics(project: Project, tmp_path: Path) -> None:
    before = project.params()["models"]["digits-dense"]["training"]["learning_rate"]
    project.change(LEARNING_RATE, 0.8 * before)
    assert project.repro("report@quickstart") == stages_of("digits-dense")
    project.commit("Learn slower")
    changed = json.loads(project.ok("dvc", "metrics", "diff", "HEAD~1", "--json"))
    assert sorted(changed) == ["metrics/test/digits-dense.json", "metrics/val/digits-dense.json"]
    assert changed["metrics/test/digits-dense.json"]["mse"]["diff"] != 0

    # A colleague who cloned, and has no data at all, sees the same.
    project.ok("git", "clone", "--quiet", str(project.folder), str(tmp_path / "colleague"))
    colleague = Project(tmp_path / "colleague")
    assert json.loads(colleague.ok("dvc", "metrics", "diff", "HEAD~1", "--json")) == changed
    assert "learning_rate" in colleague.ok("dvc", "params", "diff", "HEAD~1")

    # Going back takes everything from the run cache, but for the report, whose page in git DVC does not cache.
    project.change(LEARNING_RATE, before)
    assert project.repro("report@quickstart") == {"report@quickstart"}
    project.ok("git", "diff", "--exit-code", "HEAD~1", "--", "metrics", "dvc.lock", "groups", "params.yaml")


@pytest.mark.parametrize("model", ["digits-dense", "digits-vae", "photos-tiles"])
def test_training_and_evaluation_twice_give_the_same_bits(project: Project, model: str) -> None:
    folders = [project.folder / "data", project.folder / "metrics", project.folder / "plots" / model]
    (project.folder / f"data/timing/{model}.json").unlink()
    before = [bytes_of(folder) for folder in folders]
    assert f"models/{model}/model.safetensors" in before[0]
    for stage in ("train", "evaluate", "plot"):
        project.ok("python", "-m", f"stages.{stage}", model)
    (project.folder / f"data/timing/{model}.json").unlink()  # which differs from run to run
    assert [bytes_of(folder) for folder in folders] == before
    assert project.repro("report@quickstart") == set()


def test_a_model_is_added_in_a_few_lines(project: Project) -> None:
    model = {
        "group": "quickstart",
        "dataset": "digits",
        "family": "dense",
        "network": {"latent_dim": 2},
        "training": {"epochs": 2, "batch_size": 64, "learning_rate": 0.01},
    }
    project.change("models.digits-added", model)
    assert "digits-added" in project.ok("python", "-m", "stages.check")
    assert project.repro("report@quickstart") == stages_of("digits-added")
    report = (project.folder / "metrics/reports/quickstart.md").read_text(encoding="utf-8")
    assert re.search(r"\| digits +\| digits-added +\| +2 \|", report)


WATCHED = """
import sys, runpy
opened = open({log!r}, "w")
def note(event, args):
    if event == "open" and isinstance(args[0], str):
        print(args[0], file=opened, flush=True)
sys.addaudithook(note)
sys.argv = ["stage", *{arguments!r}]
runpy.run_module({module!r}, run_name="__main__", alter_sys=False)
"""


@pytest.fixture(scope="module")
def rerun(everything: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy of the clone in which everything was run, for stages to write the same outputs again."""
    return copy_of(everything, tmp_path_factory.mktemp("rerun") / "project")


@pytest.mark.parametrize(
    "name",
    [
        *("check", "download@photos", "prepare@photos", "codecs@photos"),
        *("train@photos-tiles", "train@digits-dense", "train@faces-dense"),
        *("evaluate@digits-dense", "evaluate@digits-vae", "evaluate@faces-dense"),
        *("plot@digits-dense", "plot@digits-vae", "gather@faces", "report@quickstart"),
    ],
)
def test_a_stage_opens_nothing_that_it_does_not_declare(rerun: Project, tmp_path: Path, name: str) -> None:
    with Repo(str(rerun.folder)) as repo:
        (stage,) = (stage for stage in repo.index.stages if stage.name == name.removeprefix("gather@"))
        declared = {Path(entry.fs_path).relative_to(rerun.folder) for entry in (*stage.deps, *stage.outs)}
        _, _, module, *arguments = shlex.split(stage.cmd.replace("$DVC_STAGE", stage.addressing))
    log = tmp_path / "opened"
    rerun.ok("python", "-c", WATCHED.format(log=str(log), module=module, arguments=arguments))
    opened = {(rerun.folder / line).resolve() for line in log.read_text(encoding="utf-8").splitlines()}
    inside = {path.relative_to(rerun.folder) for path in opened if path.is_relative_to(rerun.folder)}
    files = {path for path in inside if path.parts and path.parts[0] in ("data", "metrics", "plots")}
    assert files
    for path in files:
        # Half-written outputs, and the timing, checkpoints, cache and locks that are no outputs on purpose.
        plain = re.sub(r"/\.+|\.replaced|\.partial", lambda found: "/" * found[0].startswith("/"), str(path))
        if not plain.startswith(("data/timing/", "data/checkpoints/", "data/decoded/", "data/locks/")):
            assert any(Path(plain).is_relative_to(entry) for entry in declared), f"{name} opened {path}"


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_leaves_what_was_there(project: Project, sent: signal.Signals, status: int) -> None:
    project.change("models.digits-dense.training.epochs", 999999)
    project.change("train.checkpoint_seconds", 1)
    folders = [project.folder / "data", project.folder / "metrics"]
    before = [bytes_of(folder) for folder in folders]
    command = [
        sys.executable,
        "-c",
        "import stages.train as t, hourglass.console.command as c; print('ready', flush=True); c.run(t.main)",
    ]
    with subprocess.Popen(
        [*command, "digits-dense"], cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == "ready\n"
        while not list((project.folder / "data/checkpoints/digits-dense").glob("*/*.pt")):  # until epochs have passed
            time.sleep(0.05)
        training.send_signal(sent)
        _, errors = training.communicate(timeout=60)
    assert training.returncode == status
    assert "the next run continues there" in errors
    assert "Traceback" not in errors
    shutil.rmtree(project.folder / "data/checkpoints")
    assert [bytes_of(folder) for folder in folders] == before


def test_a_training_that_diverges_is_one_line_and_no_model(project: Project) -> None:
    project.change(LEARNING_RATE, 1e12)
    project.change("models.digits-dense.network.hidden", [64, 64, 64])
    done = project.run("dvc", "repro", "train@digits-dense")
    assert done.returncode != 0
    assert "error: expected a finite loss, got" in done.stderr
    assert "lower `learning_rate`" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (project.folder / "data/trained/digits-dense").exists()


def test_nothing_prepared_says_what_to_run(fresh: Project) -> None:
    for stage, name, advice in (
        ("prepare", "digits", "found none: see datasets.digits.source, or dvc repro download@digits"),
        (
            "train",
            "digits-dense",
            "expected data/prepared/digits/train/SHA256SUMS, found none: make heal && dvc repro prepare@digits",
        ),
        (
            "codecs",
            "digits",
            "expected data/prepared/digits/test/SHA256SUMS, found none: make heal && dvc repro prepare@digits",
        ),
        ("evaluate", "digits-dense", "found none: make heal && dvc repro train@digits-dense"),
        ("plot", "digits-dense", "found none: make heal && dvc repro evaluate@digits-dense"),
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
        f"import hourglass.console.command as c, stages.{stage} as s; sys.argv = ['{stage}', 'digits-dense']; c.run(s.main)"
    )
    done = project.run("python", "-c", script)
    assert done.returncode == 1
    *warnings, line = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(warning.startswith("warning: expected to write a checkpoint to ") for warning in warnings)
    assert "the training is kept" not in line
    assert bytes_of(project.folder / "data") == before


REAL = {  # images in train, val and test, and how far rounding in each class, or by person, may take them
    "mnist": (54000, 6000, 10000, 10),
    "fashion-mnist": (56000, 7000, 7000, 0),
    "olivetti": (320, 40, 40, 0),
    "frey": (1572, 197, 196, 0),
    "common-images": (82, 9, 5, 0),
    "london-faces": (163, 20, 20, 2),
}


@needs_mirror
@pytest.mark.parametrize("dataset", REAL)
def test_real_upstream_files_become_prepared_data_sets(fresh: Project, dataset: str) -> None:
    shutil.copy2(ROOT / "params.yaml", fresh.folder)
    entry = fresh.params()["datasets"][dataset]
    for stage in ("download", "prepare"):
        fresh.ok("python", "-m", f"stages.{stage}", dataset, mirror=DATASETS)
    prepared = fresh.folder / "data/prepared" / dataset
    arrays = {split: open_split(prepared / split) for split in ("train", "val", "test")}
    *expected, slack = REAL[dataset]
    assert list(map(len, arrays.values())) == pytest.approx(expected, abs=slack)
    channels = 3 if entry.get("color") == "rgb" else 1
    assert {array.shape[1:] for array in arrays.values()} == {(channels, *entry["size"])}
    meta = read_json(prepared / "meta.json")
    assert (meta["license"], meta["citation"]) == (entry["license"], entry["citation"])
    assert len(meta["classes"]) == {"frey": 0, "common-images": 0, "olivetti": 40, "london-faces": 2}.get(dataset, 10)
    if dataset in ("olivetti", "frey", "london-faces"):
        # Upright: a mean face looks like its mirror image from side to side, and not from top to bottom.
        mean = np.mean([image.mean(axis=0) for image in arrays["train"][:100]], axis=0)
        assert np.abs(mean - mean[:, ::-1]).mean() < np.abs(mean - mean[::-1]).mean() / 2
