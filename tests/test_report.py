"""What `evaluate` and `plot` left of a group's models becomes one page and one picture."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from hourglass.config.keywords import section
from hourglass.config.reference import explanations
from hourglass.console.errors import UserError
from hourglass.data.sums import write_sums
from hourglass.files import write_json
from hourglass.groups.choice import choose
from hourglass.groups.model import read_evaluated, spread_of_seeds
from hourglass.metrics.group import Published, published
from hourglass.metrics.quality import METRICS
from hourglass.metrics.results import Coded, Facts, Spread, Statistics, Versus
from hourglass.metrics.table import Result, against_markdown, to_markdown
from stages import gather, report

from .shards import save_split

PARAMS = """
groups:
  cells:
    title: Cells under a microscope
    published:
      cells-dense:
        source: their paper
        mse: 0.75
        psnr_db: 23.3
    notes:
      cells-pca: Solved, so that no seed
        changes it.
      atoms-dense: 'Worse: of so few numbers: yes.'
  empty:
    title: Nothing yet
"""
TEST = {"mae": 0.25, "mse": 0.5, "psnr_db": 3.0, "ssim": 0.125}


@pytest.fixture
def our_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out metrics that others have added: they are columns too."""
    for name in METRICS.keys() - {"mse", "mae", "psnr_db", "ssim"}:
        monkeypatch.delitem(METRICS, name)


IMAGES = 4
META = {
    "title": "Cells",
    "license": "none",
    "citation": "nobody",
    "counts": {"train": 9, "val": 4, "test": IMAGES},
    "split": "random",
    "groups": None,
    "classes": [],
    "shape": [1, 2, 3],
    "preparation": {"size": [2, 3]},
    "copies": 0,
}
CURVE = pd.DataFrame({"codec": "model", "bits": [6, 8], "bytes": [4.0, 16], "psnr_db": [2.0, 2.9], "ssim": 0.1})
CODECS = pd.DataFrame(
    {"codec": ["JPEG", "JPEG", "PNG"], "quality": [1, 50, 100], "bytes": [10.0, 40, 90], "psnr_db": [1.0, 9, 88]}
)


def leave(name: str, family: str, latent_dim: int, test: dict[str, float], dataset: str = "cells") -> None:
    """Write what `evaluate` and `plot` leave of a model, and what `prepare` and `codecs` leave of its data set."""
    folder = Path(f"data/evaluated/{name}")
    about = {"dataset": dataset, "family": family, "latent_dim": latent_dim, "tile": None, "left_out": {}}
    about |= {"bits": 8, "bytes_per_image": 4 * latent_dim, "compression_ratio": 16 / latent_dim, "parameters": 7}
    write_json(folder / "about.json", about)
    spread = {key: Statistics(value, 0.1, value - 0.1, value + 0.1, value - 1) for key, value in test.items()}
    spreads = {key: asdict(value) for key, value in spread.items()}
    write_json(folder / "summary.json", {"test": spreads, "val": spreads, "classes": {}})
    write_json(folder / "worth.json", {"left_out": {"knn_accuracy": "no labels"}})
    write_json(folder / "config.json", {"network": {"latent_dim": latent_dim}})
    scores = pd.DataFrame({"index": range(IMAGES), "psnr_db": np.linspace(-1, 1, IMAGES) + test["psnr_db"]})
    scores.to_csv(folder / "scores.csv", index=False)
    CURVE.to_csv(folder / "curve.csv", index=False)
    sources = pd.DataFrame({"index": range(IMAGES), "label": "", "source": [f"{row}.png" for row in range(IMAGES)]})
    sources.to_csv(folder / "labels.csv", index=False)
    points = pd.DataFrame({"index": range(IMAGES), "pca_1": 0.5, "pca_2": np.arange(4) / 2})
    points.to_csv(folder / "projection.csv", index=False)
    images = np.arange(IMAGES * 6, dtype=np.uint8).reshape(IMAGES, 1, 2, 3)
    np.save(folder / "reconstructions.npy", images)
    write_sums(folder)
    prepared = Path(f"data/prepared/{dataset}")
    if not prepared.exists():
        save_split(prepared, "test", images)
    write_json(prepared / "meta.json", META | {"split_note": f"of {dataset}, by image"})
    Image.fromarray(images[0, 0]).save(prepared / "preview.png")
    Path(f"data/codecs/{dataset}").mkdir(parents=True, exist_ok=True)
    CODECS.to_csv(f"data/codecs/{dataset}/curves.csv", index=False)
    write_sums(Path(f"data/codecs/{dataset}"))
    Path("metrics/history").mkdir(parents=True, exist_ok=True)
    Path(f"metrics/history/{name}.csv").write_text("epoch,train_loss,val_loss\n1,2,3\n", encoding="utf-8")
    write_json(Path(f"metrics/test/{name}.json"), test)
    Path(f"plots/{name}").mkdir(parents=True)
    for picture in ("another", "latents", "reconstructions"):
        Path(f"plots/{name}/{picture}.png").touch()


def leave_twin(name: str, psnr: NDArray[np.float64]) -> None:
    """Write what `evaluate` leaves of a model's twin."""
    folder = Path(f"data/evaluated/{name}")
    pd.DataFrame({"index": range(len(psnr)), "psnr_db": psnr}).to_csv(folder / "pca_scores.csv", index=False)
    shutil.copyfile(folder / "reconstructions.npy", folder / "pca_reconstructions.npy")
    twin = CURVE.assign(codec="pca", psnr_db=[1.0, 2.6])
    pd.concat([CURVE, twin]).to_csv(folder / "curve.csv", index=False)
    write_sums(folder)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder where one group was evaluated and drawn."""
    monkeypatch.chdir(tmp_path)
    models = {
        name: {"group": "cells", "dataset": "cells", "family": "dense", "network": {}, "training": {"epochs": 3}}
        for name in MODELS
    }
    Path("params.yaml").write_text(PARAMS + json.dumps({"models": models})[1:-1] + "\n", encoding="utf-8")
    leave("cells-dense", "dense", 4, TEST)
    leave("cells-large", "dense", 8, TEST | {"mse": 0.0625})
    leave("cells-pca", "pca", 4, TEST | {"mse": 0.25})
    leave("atoms-dense", "dense", 2, {"mae": 0.5, "mse": 0.5, "psnr_db": 3.0}, dataset="atoms")
    about = json.loads(Path("data/evaluated/atoms-dense/about.json").read_text(encoding="utf-8"))
    left_out = {"ssim": "too small", "pca": "too few images"}
    write_json(Path("data/evaluated/atoms-dense/about.json"), about | {"left_out": left_out})
    seeds = pd.DataFrame(
        {"seed": [0, 7, 8], "mae": [0.25] * 3, "mse": [0.5, 0.7, 0.9], "psnr_db": [3.0, 2, 1], "ssim": 0.125}
    )
    seeds.to_csv("data/evaluated/cells-large/seeds.csv", index=False)
    write_sums(Path("data/evaluated/cells-large"))
    leave_twin("cells-dense", np.linspace(-1, 1, IMAGES) + TEST["psnr_db"] - np.array([1.8, 2.0, 2.0, 2.2]))
    return tmp_path


def facts(
    latent_dim: int,
    compression_ratio: float,
    test: dict[str, float],
    dataset: str = "cells",
    seeds: Spread | None = None,
) -> Facts:
    """Return what is known of a model with these means."""
    return Facts(
        dataset=dataset,
        family="dense",
        latent_dim=latent_dim,
        bytes_per_image=16,
        compression_ratio=compression_ratio,
        bits=8,
        tile=None,
        left_out={},
        parameters=7,
        split="by image",
        images=7,
        test={key: Statistics(value, 0.1, value, value, value) for key, value in test.items()},
        val={},
        classes={},
        versus_pca=Versus(24.56, 4.06, 3.98, 4.14),
        coded=Coded(123456.7, 28.52),
        same_bytes={"AVIF": 31.2, "JPEG": 30.1, "WebP": 30.9},
        seeds=seeds,
        worth={},
        likelihood=None,
        config={},
        pictures=[],
    )


MODELS = ["cells-large", "cells-pca", "cells-dense", "atoms-dense"]


def rows(page: str) -> list[list[str]]:
    """Return the cells of the table in a page, its heading first."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


@pytest.mark.usefixtures("our_metrics")
def test_the_report_of_a_group() -> None:
    gather.main("cells", MODELS)
    report.main("cells")
    page = Path("metrics/reports/cells.md").read_text(encoding="utf-8")
    assert page.startswith("# Cells under a microscope\n")
    heading, *table = rows(page.partition("## Scores")[2])
    assert heading == ["data set", "model", "latent", "ratio", "MSE", "PSNR (dB)", "SSIM"]
    assert [row[1] for row in table] == ["atoms-dense", "cells-pca", "cells-dense", "published", "cells-large"]
    atoms, _, dense, published, large = table
    assert atoms == ["atoms", "atoms-dense", "2", "8.0", "0.50000", "3.00", "-"]
    assert dense == ["cells", "cells-dense", "4", "4.0", "0.50000", "3.00", "0.1250"]
    assert published == ["cells", "published", "4", "-", "0.75", "23.3", "-"]
    assert large[4:] == ["0.70000 ± .20000", "2.00 ± 1.00", "0.1250 ± .0000"]
    answers, _, page = page.partition("## Scores")
    answers, _, compared = answers.partition("## Against PCA and image codecs")
    files = "Its files, 16 bytes an image, have 2.9 dB; at as many bytes JPEG 3.7 dB: JPEG is better. "
    few = "Of 4 test images: a small sample."
    assert [line for line in answers.splitlines() if line.startswith("- ")] == [
        f"- atoms, 2 numbers: `atoms-dense`, 3.0 dB; no comparison with PCA: too few images. {files}{few}",
        f"- cells, 4 numbers: PCA, `cells-pca`, 3.0 dB; no network is better on the validation images. {files}{few}",
        f"- cells, 8 numbers: `cells-large`, 3.0 dB; no comparison with PCA: not computed. {files}{few}",
    ]
    heading, *table = rows(compared)
    assert heading == ["model", "PSNR", "PCA", "above PCA", "bytes", "file", "JPEG"]
    assert table[2] == ["cells-dense", "3.00", "1.00", "+2.00 [1.72, 2.28]", "16.0", "2.90", "3.71"]
    assert table[1] == ["cells-pca", "3.00", "-", "-", "16.0", "2.90", "3.71"]
    notes = [line for line in page.splitlines() if line.startswith("- ")]
    assert notes == [
        "- atoms: split of atoms, by image.",
        "- cells: split of cells, by image.",
        "- atoms-dense: no SSIM: too small.",
        "- atoms-dense: Worse: of so few numbers: yes.",
        "- cells-pca: Solved, so that no seed changes it.",
        "- cells-dense: published MSE 0.75, PSNR (dB) 23.3: their paper.",
        "- cells-large: mean ± standard deviation over 3 seeds; metrics/test/ and the pictures are of the first.",
    ]


def test_a_model_is_compared_with_its_twin_image_by_image() -> None:
    gather.main("cells", MODELS)
    found = json.loads(Path("data/groups/cells/facts.json").read_text(encoding="utf-8"))
    versus = {name: facts["versus_pca"] for name, facts in found.items()}
    assert [name for name, value in versus.items() if value is None] == ["atoms-dense", "cells-large", "cells-pca"]
    dense = versus["cells-dense"]
    assert (dense["mean"], dense["psnr_db"]) == (2, 1)
    assert 1.7 <= dense["low"] < dense["mean"] < dense["high"] <= 2.3  # paired: PSNR itself is 2 dB apart
    leave_twin("cells-dense", np.ones(3))
    with pytest.raises(UserError, match=r"^data/evaluated/cells-dense/pca_scores.csv: expected scores .*evaluate@"):
        gather.main("cells", MODELS)


def test_rates_are_compared_where_curves_overlap() -> None:
    gather.main("cells", MODELS)
    rates = pd.read_csv("data/groups/cells/bd_rates.csv")
    of_dense = rates[rates["model"] == "cells-dense"].set_index("against")["bd_rate_percent"]
    assert of_dense.keys().tolist() == ["PCA", "JPEG"]

    # By hand: log10 of the rate is linear over PSNR between two points; the means are over the PSNR that both have.
    def mean_log(points: list[tuple[float, float]], low: float, high: float) -> float:
        (first, start), (last, end) = points
        middle = ((low + high) / 2 - start) / (end - start)
        return float(np.log10(first) + middle * np.log10(last / first))

    model, jpeg = [(4.0, 2.0), (16.0, 2.9)], [(10.0, 1.0), (40.0, 9.0)]
    expected = 100 * (10 ** (mean_log(model, 2, 2.9) - mean_log(jpeg, 2, 2.9)) - 1)
    assert of_dense["JPEG"] == pytest.approx(expected, rel=1e-3)


def test_of_a_codec_the_better_form_is_compared() -> None:
    sheet = pd.DataFrame({"codec": "JPEG sheet", "quality": [1, 50], "bytes": [2.0, 20], "psnr_db": [1.0, 9]})
    pd.concat([CODECS, sheet]).to_csv("data/codecs/cells/curves.csv", index=False)
    write_sums(Path("data/codecs/cells"))
    gather.main("cells", MODELS)
    facts = json.loads(Path("data/groups/cells/facts.json").read_text(encoding="utf-8"))
    # Between two points along a logarithmic axis.
    expected = 1 + 8 * np.log(16 / 2) / np.log(20 / 2)
    assert facts["cells-dense"]["same_bytes"] == {"JPEG": pytest.approx(expected, rel=1e-3)}
    assert facts["atoms-dense"]["same_bytes"] == {"JPEG": pytest.approx(1 + 8 * np.log(1.6) / np.log(4), rel=1e-3)}


def test_more_bytes_than_a_codec_needs_bring_it_no_more() -> None:
    curve = CURVE.assign(bytes=[100.0, 200])
    curve.to_csv("data/evaluated/cells-dense/curve.csv", index=False)
    write_sums(Path("data/evaluated/cells-dense"))
    gather.main("cells", MODELS)
    report.main("cells")
    facts = json.loads(Path("data/groups/cells/facts.json").read_text(encoding="utf-8"))
    assert facts["cells-dense"]["same_bytes"] == {"JPEG": 9, "PNG": 88}


def test_a_curve_of_pca_is_there_once() -> None:
    leave_twin("cells-large", np.ones(IMAGES))
    gather.main("cells", MODELS)
    curves = pd.read_csv("data/groups/cells/curves.csv")
    of_models = curves[curves["kind"] != "image codec"]
    assert not of_models.duplicated(["dataset", "codec", "setting"]).any()
    # That of four numbers is cells-pca, which is among the models.
    assert set(of_models["codec"]) == {*MODELS, "PCA of 8 numbers", "PNG"}
    gather.main("cells", ["cells-dense"])
    assert "PCA of 4 numbers" in set(pd.read_csv("data/groups/cells/curves.csv")["codec"])


def test_the_same_images_are_shown_of_every_model() -> None:
    gather.main("cells", MODELS)
    cards = json.loads(Path("data/groups/cells/datasets.json").read_text(encoding="utf-8"))
    assert cards["cells"]["chosen"] == {"best": [3], "median": [2], "worst": [0]}  # PSNR grows with the index
    folder = Path("data/groups/cells/images/cells")
    assert sorted(path.name for path in folder.iterdir()) == [
        "cells-dense.pca.png",
        "cells-dense.png",
        "cells-large.png",
        "cells-pca.png",
        "original.png",
    ]
    images = np.arange(IMAGES * 6, dtype=np.uint8).reshape(IMAGES, 2, 3)
    with Image.open(folder / "cells-pca.png") as strip:
        np.testing.assert_array_equal(np.asarray(strip), np.concatenate([images[3], images[2], images[0]], axis=1))


@pytest.mark.parametrize(("count", "each"), [(1, 1), (2, 1), (5, 1), (14, 4), (15, 5), (100, 5)])
def test_best_median_and_worst_images(count: int, each: int) -> None:
    scores = np.random.default_rng(0).permutation(count).astype(float)
    chosen = choose(scores)
    indices = [index for kind in chosen.values() for index in kind]
    assert len(indices) == len(set(indices)) <= 15
    ranked = np.argsort(-scores).tolist()
    assert chosen["best"] == ranked[:each]
    assert chosen["worst"] == (ranked[::-1][:each] if count > 1 else [])
    if count == 100:
        assert sorted(scores[chosen["median"]]) == [48, 49, 50, 51, 52]


def test_the_heading_says_what_stands_behind_the_means() -> None:
    gather.main("cells", MODELS)
    report.main("cells")
    heading = Path("metrics/reports/cells.md").read_text(encoding="utf-8").partition("## Scores")[2].splitlines()[2]
    assert heading.startswith("Scores on the test split")
    assert "mean ± standard deviation" in heading


def test_bars_are_the_scores_of_the_table() -> None:
    gather.main("cells", MODELS)
    results = report.read(Path("data/groups/cells/facts.json"), {"published": {}, "notes": {}}, "cells")
    drawn = [bar for of_dataset in report.bars(results).values() for bar in of_dataset]
    assert [bar.label for bar in drawn] == ["atoms-dense", "cells-pca", "cells-dense", "cells-large"]
    assert [bar.scores["mse"] for bar in drawn] == [0.5, 0.25, 0.5, 0.7]
    assert [bar.deviations.get("mse") for bar in drawn] == [None, None, None, 0.2]


@pytest.mark.usefixtures("our_metrics")
def test_a_table_of_long_names_and_several_seeds_fits_120_columns() -> None:
    mean, std = {"mse": 0.00154, "mae": 0.0268, "psnr_db": 28.62, "ssim": 0.8664}, {"mse": 3e-5, "mae": 5e-4}
    seeds = Spread(3, mean, std | {"psnr_db": 0.05, "ssim": 0.0012})
    result = Result(
        "olivetti-people-residual",
        facts(dataset="london-faces-small", latent_dim=36864, compression_ratio=0.4, test=mean, seeds=seeds),
        {"ssim": 0.8991},
        "a paper",
    )
    lines = [line for line in to_markdown([result]).splitlines() if line.startswith("|")]
    assert max(map(len, lines)) <= 120
    assert max(map(len, against_markdown([result]).splitlines())) <= 120
    assert "| 0.00154 ± .00003 | 28.62 ± .05 | 0.8664 ± .0012 |" in lines[-2]


def test_pictures_are_linked_from_the_reports_folder(project: Path) -> None:
    gather.main("cells", MODELS)
    report.main("cells")
    page = Path("metrics/reports/cells.md")
    lines = page.read_text(encoding="utf-8").splitlines()
    links = [line.partition("](")[2].rstrip(")") for line in lines if line.startswith("![")]
    assert links[0] == "../../plots/reports/cells.png"
    # Figures that the report has no order for come last.
    of_pca = [Path(link).stem for link in links if "/cells-pca/" in link]
    assert of_pca == ["reconstructions", "latents", "another"]
    assert all((page.parent / link).resolve().is_relative_to(project) for link in links)
    assert all((page.parent / link).exists() for link in links)


def test_the_same_files_make_the_same_report() -> None:
    made = []
    for models in (MODELS, MODELS[::-1]):
        gather.main("cells", models)
        report.main("cells")
        written = [path for path in Path("data/groups/cells").rglob("*") if path.is_file()]
        written += [Path(f"metrics/reports/cells.{suffix}") for suffix in ("md",)]
        written += [Path("plots/reports/cells.png"), Path("reports/cells.html")]
        made.append({path: path.read_bytes() for path in written})
    assert made[0] == made[1]


def test_gathered_is_what_a_report_says() -> None:
    gather.main("cells", ["cells-pca"])
    gathered = json.loads(Path("data/groups/cells/facts.json").read_text(encoding="utf-8"))
    assert list(gathered) == ["cells-pca"]
    assert gathered["cells-pca"].keys() == {field.name for field in fields(Facts)}
    assert gathered["cells-pca"]["seeds"] is None


def test_one_test_image_is_compared_with_nothing() -> None:
    folder = Path("data/evaluated/cells-dense")
    for name in ("scores", "pca_scores"):
        pd.DataFrame({"index": [0], "psnr_db": [20.0]}).to_csv(folder / f"{name}.csv", index=False)
    write_sums(folder)
    gather.main("cells", ["cells-dense"])
    of_model = json.loads(Path("data/groups/cells/facts.json").read_text(encoding="utf-8"))["cells-dense"]
    assert of_model["versus_pca"] is None
    assert of_model["left_out"]["pca"] == "one test image has no interval"


def test_statistics_of_seeds_are_those_of_a_sample() -> None:
    seeds = spread_of_seeds(read_evaluated("cells-large", Path("data/evaluated/cells-large"), "evaluate it"))
    assert seeds.count == 3
    assert seeds.mean == {"mae": 0.25, "mse": 0.7, "psnr_db": 2, "ssim": 0.125}
    assert seeds.std == {"mae": 0, "mse": 0.2, "psnr_db": 1, "ssim": 0}


@pytest.mark.parametrize(
    ("file", "stage"),
    [
        ("data/evaluated/cells-pca/about.json", "evaluate"),
        ("data/evaluated/cells-pca/scores.csv", "evaluate"),
        ("data/evaluated/cells-pca/curve.csv", "evaluate"),
        ("data/evaluated/cells-pca/summary.json", "evaluate"),
        ("data/evaluated/cells-pca/worth.json", "evaluate"),
        ("metrics/history/cells-pca.csv", "train"),
        ("metrics/test/cells-pca.json", "evaluate"),
    ],
)
def test_a_missing_file_is_one_line(file: str, stage: str) -> None:
    Path(file).unlink()
    with pytest.raises(UserError, match=f"^expected {file}, found none: make heal && dvc repro {stage}@cells-pca$"):
        gather.main("cells", MODELS)
    assert not Path("data/groups/cells").exists()


@pytest.mark.parametrize(
    "file",
    [
        "data/evaluated/cells-large/about.json",
        "data/evaluated/cells-large/scores.csv",
        "data/evaluated/cells-large/seeds.csv",
        "data/evaluated/cells-large/curve.csv",
        "data/evaluated/cells-large/summary.json",
        "data/evaluated/cells-large/config.json",
    ],
)
@pytest.mark.parametrize("content", [b"", b"[1, 2", b"\xff\xfe", b"seed,mse\n1,2\n1,2,3,4\n"])
def test_a_damaged_file_is_one_line(file: str, content: bytes) -> None:
    Path(file).write_bytes(content)
    with pytest.raises(UserError, match=f"^{file}: expected .*: make heal && dvc repro evaluate@cells-large$"):
        gather.main("cells", MODELS)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}"])
def test_a_damaged_input_of_a_report_is_one_line(content: str) -> None:
    gather.main("cells", MODELS)
    Path("data/groups/cells/facts.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"^data/groups/cells/facts.json: expected .*: make heal && dvc repro groups/dvc.yaml:cells$"
    ):
        report.main("cells")


def test_published_figures_are_of_the_metrics() -> None:
    made = section(published({"mse": "MSE", "largest": "largest error"}))
    assert list(made.model_fields) == ["source", "mse", "largest"]
    assert set(section(Published).model_fields) == {"source", *METRICS}
    assert explanations(Published)["psnr_db"] == "PSNR (dB), the mean over test images."


def test_missing_pictures_are_one_line() -> None:
    for path in Path("plots/cells-pca").iterdir():
        path.unlink()
    with pytest.raises(
        UserError, match=r"^expected pictures in plots/cells-pca, found none: make heal && dvc repro plot@cells-pca$"
    ):
        gather.main("cells", MODELS)


def test_a_report_without_its_input_is_one_line() -> None:
    with pytest.raises(
        UserError,
        match=r"^expected data/groups/empty/SHA256SUMS, found none: make heal && dvc repro groups/dvc.yaml:empty$",
    ):
        report.main("empty")
    with pytest.raises(UserError, match="did you mean 'cells'"):
        report.main("cell")
    assert not Path("metrics/reports").exists()


def test_gather_takes_a_group_and_its_models(project: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stages.gather", *arguments],
            cwd=project,
            env=os.environ | {"PYTHONPATH": str(Path(gather.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("cells", *MODELS[:2])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(json.loads(Path("data/groups/cells/facts.json").read_text(encoding="utf-8"))) == sorted(MODELS[:2])
    done = run("cells", "cells-none")
    expected = "expected data/evaluated/cells-none, found none: make heal && dvc repro evaluate@cells-none"
    assert (done.returncode, done.stderr) == (1, f"error: {expected}\n")


@pytest.mark.usefixtures("our_metrics")
def test_a_table_of_one_model_of_one_metric() -> None:
    result = Result("cells-dense", facts(latent_dim=4, compression_ratio=2, test={"mse": 0.5}))
    assert rows(to_markdown([result]))[1] == [
        "cells",
        "cells-dense",
        "4",
        "2.0",
        "0.50000",
        "-",
        "-",
    ]
