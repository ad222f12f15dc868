"""What `evaluate` and `plot` left of a group's models becomes one page and one picture."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from hourglass.config.keywords import section
from hourglass.config.reference import explanations
from hourglass.console.errors import UserError
from hourglass.data.sums import write_sums
from hourglass.files import write_json
from hourglass.metrics.group import Published, published
from hourglass.metrics.quality import METRICS
from hourglass.metrics.results import About, Facts
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
  empty:
    title: Nothing yet
"""
TEST = {"mae": 0.25, "mse": 0.5, "psnr_db": 3.0, "ssim": 0.125}


def leave(name: str, family: str, latent_dim: int, test: dict[str, float], dataset: str = "cells") -> None:
    """Write what `evaluate` and `plot` leave of a model."""
    about = {"dataset": dataset, "family": family, "latent_dim": latent_dim, "tile": None, "left_out": {}}
    about |= {"bytes_per_image": 4 * latent_dim, "compression_ratio": 16 / latent_dim}
    write_json(Path(f"data/evaluated/{name}/about.json"), about)
    write_sums(Path(f"data/evaluated/{name}"))
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


def test_the_report_of_a_group() -> None:
    gather.main("cells", MODELS)
    report.main("cells")
    page = Path("metrics/reports/cells.md").read_text(encoding="utf-8")
    assert page.startswith("# Cells under a microscope\n")
    heading, *table = rows(page)
    sizes = ["latent", "ratio"]
    assert heading == ["data set", "model", *sizes, *(metric.label for metric in METRICS.values()), "published"]
    assert [row[1] for row in table] == ["atoms-dense", "cells-pca", "cells-dense", "cells-large"]
    scores = [heading.index(label) for label in ("MSE", "MAE", "PSNR (dB)", "SSIM")]
    atoms, _, dense, large = ([row[column] for column in scores] for row in table)
    assert [row[:4] for row in table[::2]] == [
        ["atoms", "atoms-dense", "2", "8.0"],
        ["cells", "cells-dense", "4", "4.0"],
    ]
    assert atoms == ["0.50000", "0.5000", "3.00", "-"]
    assert dense == ["0.50000", "0.2500", "3.00", "0.1250"]
    assert large[:3] == ["0.06250", "0.2500", "3.00"]
    assert [row[-1] for row in table[::2]] == ["", "MSE 0.75, PSNR 23.3"]
    notes = [line for line in page.splitlines() if line.startswith("- ")]
    assert notes == [
        "- atoms: split of atoms, by image.",
        "- cells: split of cells, by image.",
        "- cells-dense: the published figure is of their paper.",
        "- cells-large: mean ± standard deviation over 3 seeds: MSE 0.70000 ± 0.20000, MAE 0.2500 ± 0.0000, "
        "PSNR (dB) 2.00 ± 1.00, SSIM 0.1250 ± 0.0000; in the table the first.",
        "- atoms-dense: no SSIM: too small.",
    ]


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
    assert list(gathered["cells-pca"]) == ["about", "pictures", "seeds", "split", "test"]
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
        ("metrics/test/cells-pca.json", "evaluate"),
    ],
)
def test_a_missing_file_is_one_line(file: str, stage: str) -> None:
    Path(file).unlink()
    with pytest.raises(UserError, match=f"^expected {file}, found none: make heal && dvc repro {stage}@cells-pca$"):
        gather.main("cells", MODELS)
    assert not Path("data/groups/cells.json").exists()


@pytest.mark.parametrize(
    "file",
    ["data/evaluated/cells-large/about.json", "metrics/test/cells-large.json", "data/evaluated/cells-large/seeds.csv"],
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


def test_a_table_of_one_model_of_one_metric() -> None:
    about = About("cells", "dense", latent_dim=4, bytes_per_image=16, compression_ratio=2, tile=None, left_out={})
    facts = Facts(about, "by image", {"mse": 0.5}, seeds=None, pictures=[])
    others = ["-"] * (len(METRICS) - 1)
    assert rows(to_markdown([Result("cells-dense", facts)]))[1] == [
        "cells",
        "cells-dense",
        "4",
        "2.0",
        "0.50000",
        *others,
        "",
    ]
