"""What `evaluate` and `plot` left of a group's models becomes one page and one picture."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hourglass.config.keywords import section
from hourglass.config.reference import explanations
from hourglass.console.errors import UserError
from hourglass.data.sums import write_sums
from hourglass.files import write_json
from hourglass.metrics.group import Published, published
from hourglass.metrics.quality import METRICS
from hourglass.metrics.results import About, Facts, Spread
from hourglass.metrics.table import Result, to_markdown
from stages import gather, report

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


def leave(name: str, family: str, latent_dim: int, test: dict[str, float], dataset: str = "cells") -> None:
    """Write what `evaluate` and `plot` leave of a model."""
    about = {"dataset": dataset, "family": family, "latent_dim": latent_dim, "tile": None, "left_out": {}}
    about |= {"bits": 8, "bytes_per_image": 4 * latent_dim, "compression_ratio": 16 / latent_dim}
    write_json(Path(f"data/evaluated/{name}/about.json"), about)
    scores = pd.DataFrame({"index": range(4), "psnr_db": np.linspace(-1, 1, 4) + test["psnr_db"]})
    scores.to_csv(f"data/evaluated/{name}/scores.csv", index=False)
    write_sums(Path(f"data/evaluated/{name}"))
    write_json(Path(f"metrics/val/{name}.json"), test | {"split_id": 54321})
    write_json(Path(f"metrics/test/{name}.json"), test | {"split_id": 12345})
    write_json(Path(f"data/prepared/{dataset}/meta.json"), {"split_note": f"of {dataset}, by image"})
    Path(f"plots/{name}").mkdir(parents=True)
    for picture in ("another", "latents", "reconstructions"):
        Path(f"plots/{name}/{picture}.png").touch()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder where one group was evaluated and drawn."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS, encoding="utf-8")
    leave("cells-dense", "dense", 4, TEST)
    leave("cells-large", "dense", 8, TEST | {"mse": 0.0625})
    leave("cells-pca", "pca", 4, TEST | {"mse": 0.25})
    leave("atoms-dense", "dense", 2, {"mae": 0.5, "mse": 0.5, "psnr_db": 3.0}, dataset="atoms")
    about = json.loads(Path("data/evaluated/atoms-dense/about.json").read_text(encoding="utf-8"))
    write_json(Path("data/evaluated/atoms-dense/about.json"), about | {"left_out": {"ssim": "too small"}})
    seeds = pd.DataFrame(
        {"seed": [0, 7, 8], "mae": [0.25] * 3, "mse": [0.5, 0.7, 0.9], "psnr_db": [3.0, 2, 1], "ssim": 0.125}
    )
    seeds.to_csv("data/evaluated/cells-large/seeds.csv", index=False)
    write_sums(Path("data/evaluated/cells-large"))
    return tmp_path


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
    heading, *table = rows(page)
    assert heading == ["data set", "model", "latent", "ratio", "MSE", "PSNR (dB)", "SSIM"]
    assert [row[1] for row in table] == ["atoms-dense", "cells-pca", "cells-dense", "published", "cells-large"]
    atoms, _, dense, published, large = table
    assert atoms == ["atoms", "atoms-dense", "2", "8.0", "0.50000", "3.00", "-"]
    assert dense == ["cells", "cells-dense", "4", "4.0", "0.50000", "3.00", "0.1250"]
    assert published == ["cells", "published", "4", "-", "0.75", "23.3", "-"]
    assert large[4:] == ["0.70000 ± .20000", "2.00 ± 1.00", "0.1250 ± .0000"]
    answers, _, page = page.partition("## Scores")
    assert [line for line in answers.splitlines() if line.startswith("- ")] == [
        "- atoms, 2 numbers: `atoms-dense`, 3.0 dB; no PCA of as many numbers is in this group. Of 4 test images: a small "
        "sample.",
        "- cells, 4 numbers: PCA, `cells-pca`, 3.0 dB: no network is better on the validation images. Of 4 test images: a "
        "small sample.",
        "- cells, 8 numbers: `cells-large`, 3.0 dB; no PCA of as many numbers is in this group. Of 4 test images: a small "
        "sample.",
    ]
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


def test_a_model_is_compared_with_pca_image_by_image() -> None:
    rng = np.random.default_rng(0)
    for name, gain in (("cells-pca", 0.0), ("cells-dense", 2.0)):
        table = pd.DataFrame(
            {"index": range(4), "psnr_db": np.array([10.0, 20, 30, 40]) + gain + rng.normal(0, 0.1, 4)}
        )
        table.to_csv(f"data/evaluated/{name}/scores.csv", index=False)
        write_sums(Path(f"data/evaluated/{name}"))
    gather.main("cells", MODELS)
    found = json.loads(Path("data/groups/cells.json").read_text(encoding="utf-8"))
    versus = {name: facts["versus"] for name, facts in found.items()}
    assert [name for name, value in versus.items() if value is None] == ["atoms-dense", "cells-large", "cells-pca"]
    assert versus["cells-dense"]["twin"] == "cells-pca"
    assert 1.7 < versus["cells-dense"]["low"] < versus["cells-dense"]["mean"] < versus["cells-dense"]["high"] < 2.3
    pd.DataFrame({"index": range(3), "psnr_db": 1.0}).to_csv("data/evaluated/cells-pca/scores.csv", index=False)
    write_sums(Path("data/evaluated/cells-pca"))
    with pytest.raises(UserError, match=r"^cells-dense and cells-pca: expected scores of the same images .*evaluate@"):
        gather.main("cells", MODELS)


def test_the_heading_says_what_stands_behind_the_means() -> None:
    gather.main("cells", MODELS)
    report.main("cells")
    heading = Path("metrics/reports/cells.md").read_text(encoding="utf-8").partition("## Scores")[2].splitlines()[2]
    assert heading.startswith("Scores on the test split")
    assert "mean ± standard deviation" in heading


def test_bars_are_the_scores_of_the_table() -> None:
    gather.main("cells", MODELS)
    results = report.read(Path("data/groups/cells.json"), {"published": {}, "notes": {}}, "cells")
    drawn = [bar for of_dataset in report.bars(results).values() for bar in of_dataset]
    assert [bar.label for bar in drawn] == ["atoms-dense", "cells-pca", "cells-dense", "cells-large"]
    assert [bar.scores["mse"] for bar in drawn] == [0.5, 0.25, 0.5, 0.7]
    assert [bar.deviations.get("mse") for bar in drawn] == [None, None, None, 0.2]


@pytest.mark.usefixtures("our_metrics")
def test_a_table_of_long_names_and_several_seeds_fits_120_columns() -> None:
    about = About(
        "london-faces-small",
        "conv",
        36864,
        bytes_per_image=147456,
        compression_ratio=0.4,
        bits=8,
        tile=None,
        left_out={},
    )
    mean, std = {"mse": 0.00154, "mae": 0.0268, "psnr_db": 28.62, "ssim": 0.8664}, {"mse": 3e-5, "mae": 5e-4}
    seeds = Spread(3, mean, std | {"psnr_db": 0.05, "ssim": 0.0012})
    result = Result(
        "olivetti-people-residual",
        Facts(about, "by image", 7, mean, mean, None, seeds, []),
        {"ssim": 0.8991},
        "a paper",
    )
    lines = [line for line in to_markdown([result]).splitlines() if line.startswith("|")]
    assert max(map(len, lines)) <= 120
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
        names = ("data/groups/cells.json", "metrics/reports/cells.md", "plots/reports/cells.png")
        made.append([Path(name).read_bytes() for name in names])
    assert made[0] == made[1]


def test_gathered_is_what_a_report_says() -> None:
    gather.main("cells", ["cells-pca"])
    gathered = json.loads(Path("data/groups/cells.json").read_text(encoding="utf-8"))
    assert list(gathered) == ["cells-pca"]
    assert list(gathered["cells-pca"]) == ["about", "images", "pictures", "seeds", "split", "test", "val", "versus"]
    assert gathered["cells-pca"]["seeds"] is None


def test_statistics_of_seeds_are_those_of_a_sample() -> None:
    seeds = gather.spread(Path("data/evaluated/cells-large/seeds.csv"), "evaluate it")
    assert seeds.count == 3
    assert seeds.mean == {"mae": 0.25, "mse": 0.7, "psnr_db": 2, "ssim": 0.125}
    assert seeds.std == {"mae": 0, "mse": 0.2, "psnr_db": 1, "ssim": 0}


@pytest.mark.parametrize(
    ("file", "stage"),
    [
        ("data/evaluated/cells-pca/about.json", "evaluate"),
        ("data/evaluated/cells-pca/scores.csv", "evaluate"),
        ("metrics/test/cells-pca.json", "evaluate"),
        ("metrics/val/cells-pca.json", "evaluate"),
    ],
)
def test_a_missing_file_is_one_line(file: str, stage: str) -> None:
    Path(file).unlink()
    with pytest.raises(UserError, match=f"^expected {file}, found none: make heal && dvc repro {stage}@cells-pca$"):
        gather.main("cells", MODELS)
    assert not Path("data/groups/cells.json").exists()


@pytest.mark.parametrize(
    "file",
    [
        "data/evaluated/cells-large/about.json",
        "data/evaluated/cells-large/scores.csv",
        "data/evaluated/cells-large/seeds.csv",
        "metrics/test/cells-large.json",
        "metrics/val/cells-large.json",
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
    Path("data/groups/cells.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"^data/groups/cells.json: expected .*: make heal && dvc repro groups/dvc.yaml:cells$"
    ):
        report.main("cells")


def test_published_figures_are_of_the_metrics() -> None:
    made = section(published({"mse": "MSE", "largest": "largest error"}))
    assert list(made.model_fields) == ["source", "mse", "largest"]
    assert list(section(Published).model_fields) == ["source", *METRICS]
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
        UserError, match=r"^expected data/groups/empty.json, found none: make heal && dvc repro groups/dvc.yaml:empty$"
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
    assert sorted(json.loads(Path("data/groups/cells.json").read_text(encoding="utf-8"))) == sorted(MODELS[:2])
    done = run("cells", "cells-none")
    expected = "expected data/evaluated/cells-none/SHA256SUMS, found none: make heal && dvc repro evaluate@cells-none"
    assert (done.returncode, done.stderr) == (1, f"error: {expected}\n")


@pytest.mark.usefixtures("our_metrics")
def test_a_table_of_one_model_of_one_metric() -> None:
    about = About(
        "cells", "dense", latent_dim=4, bytes_per_image=16, compression_ratio=2, bits=8, tile=None, left_out={}
    )
    facts = Facts(about, "by image", 7, {"mse": 0.5}, {"mse": 0.5}, versus=None, seeds=None, pictures=[])
    assert rows(to_markdown([Result("cells-dense", facts)]))[1] == [
        "cells",
        "cells-dense",
        "4",
        "2.0",
        "0.50000",
        "-",
        "-",
    ]
