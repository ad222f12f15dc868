"""DVC's own commands for looking back: diffs of commits, tables that fit a terminal, experiments on params.yaml."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from hourglass.arrays.spread import spread
from hourglass.metrics.quality import METRICS

from .conftest import ROOT, Project, copy_of
from .params import params, to_yaml

COMPARED = 5  # commits
LATENT, RATE = "models.digits-dense.network.latent_dim", "models.digits-dense.training.learning_rate"
GRID = f"dvc exp run --queue -S {RATE}=0.005,0.0005 -S {LATENT}=4,12 evaluate@digits-dense"
# The one line of README.md, for another model: names of experiments, what varies between them, and validation scores.
SHOW_GRID = (
    "dvc exp show --csv --only-changed --drop 'typ|Created|parent|State|Executor|metrics/test|data|params.yaml' "
    "--sort-by metrics/val/digits-dense.json:ssim --sort-order desc | sed '1s/[^,]*[.:]//g; s/^,/-,/'"
)
ALIGN = " | column -s, -t"

DIFF_EACH = """
import sys
from dvc.cli import main
for rev in sys.argv[1:]:
    for command in ("metrics", "params"):
        print(rev, command)
        if main([command, "diff", rev]) != 0:
            sys.exit(f"dvc {command} diff {rev} failed")
"""


def git(*arguments: str) -> str:
    """Run git on this checkout, and return what it printed."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    """Return the lines that differ, in pairs."""
    return [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]


def width(text: str) -> int:
    """Return the length of the longest line."""
    return max(map(len, text.splitlines()))


@pytest.fixture(scope="module")
def grid(everything: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone in which a queue of four experiments was run. Tests must not change it."""
    project = copy_of(everything, tmp_path_factory.mktemp("grid") / "project")
    project.ok(*GRID.split())
    project.ok("dvc", "exp", "run", "--run-all")
    return project


def test_earlier_commits_that_have_metrics_can_be_compared() -> None:
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("a shallow clone has no history: git fetch --unshallow")
    # Of commits with the same metrics and params.yaml in the same pipeline, one stands for all.
    states = {git("ls-tree", rev, "metrics", "dvc.yaml", "params.yaml"): rev for rev in git("rev-list", "HEAD").split()}
    revs = [rev for state, rev in states.items() if "\tmetrics" in state]
    if not revs:
        pytest.skip("no commit has metrics")
    # Each takes seconds: the newest, the first, and some between, which move as commits come.
    chosen = [revs[index] for index in sorted({*spread(len(revs), COMPARED), len(revs) - 1})]
    done = subprocess.run(
        [sys.executable, "-c", DIFF_EACH, *chosen], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "corrupted" not in done.stderr


def test_tables_of_metrics_fit_a_terminal(everything: Project, tmp_path: Path) -> None:
    project = copy_of(everything, tmp_path / "project")
    assert width(project.ok("dvc", "metrics", "show")) <= 80
    for name in ("digits-dense", "photos-tiles"):
        for split in ("test", "val"):
            path = project.folder / f"metrics/{split}/{name}.json"
            path.write_text(path.read_text(encoding="utf-8").replace("0.", "0.1"), encoding="utf-8")
    table = project.ok("dvc", "metrics", "diff")
    assert "metrics/val/photos-tiles.json" in table
    assert width(table) <= 90


@pytest.mark.parametrize("source", ["the checkout", "the tests"])
def test_dvc_writes_params_as_they_are(tmp_path: Path, source: str) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8") if source == "the checkout" else to_yaml(params())
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    apply_overrides(str(path), ["train.checkpoint_seconds=61"])
    assert changed_lines(text, path.read_text(encoding="utf-8")) == [
        (line, "  checkpoint_seconds: 61") for line in text.splitlines() if line.startswith("  checkpoint_seconds: ")
    ]
    path.write_text(text, encoding="utf-8")
    values = YAML(typ="safe", pure=True).load(text)
    apply_overrides(str(path), [f"train.checkpoint_seconds={values['train']['checkpoint_seconds']}"])
    assert path.read_text(encoding="utf-8") == text


def test_an_experiment_changes_no_line_but_that_of_its_value(everything: Project, tmp_path: Path) -> None:
    project = copy_of(everything, tmp_path / "project")
    before = (project.folder / "params.yaml").read_text(encoding="utf-8")
    project.ok("dvc", "exp", "run", "-S", "train.data=auto", "check")
    assert (project.folder / "params.yaml").read_text(encoding="utf-8") == before
    project.ok("dvc", "exp", "run", "-S", f"{RATE}=0.004", "check")
    after = (project.folder / "params.yaml").read_text(encoding="utf-8")
    assert changed_lines(before, after) == [("      learning_rate: 0.005", "      learning_rate: 0.004")]


def test_a_grid_of_values_is_a_queue_of_experiments_and_a_table(grid: Project) -> None:
    assert grid.ok("git", "status", "--porcelain") == ""  # nothing is decided until someone applies one
    lines = grid.ok("sh", "-c", SHOW_GRID).splitlines()
    header = lines[0].split(",")
    assert header == [
        "Experiment",
        "rev",
        *sorted(name for name in METRICS if METRICS[name].tracked),
        "latent_dim",
        "learning_rate",
    ]
    rows = [dict(zip(header, line.split(","), strict=True)) for line in lines[1:]]
    rows = [row for row in rows if row["Experiment"] != "-"]
    assert {(row["learning_rate"], row["latent_dim"]) for row in rows} == {
        (rate, latent) for rate in ("0.005", "0.0005") for latent in ("4", "12")
    }
    assert [row["ssim"] for row in rows] == sorted((row["ssim"] for row in rows), key=float, reverse=True)
    assert (rows[0]["learning_rate"], rows[0]["latent_dim"]) == ("0.005", "12")


@pytest.mark.skipif(shutil.which("column") is None, reason="this system has no `column`")
def test_the_table_of_a_grid_fits_a_terminal(grid: Project) -> None:
    table = grid.ok("sh", "-c", SHOW_GRID + ALIGN)
    assert len(table.splitlines()) == 7
    assert width(table) <= 120


def test_the_best_experiment_is_applied_or_made_a_branch(grid: Project, tmp_path: Path) -> None:
    project = copy_of(grid, tmp_path / "project")
    before = (project.folder / "params.yaml").read_text(encoding="utf-8")
    names = [line.split(",")[0] for line in project.ok("sh", "-c", SHOW_GRID).splitlines()[1:]]
    best, worst = (names[index] for index in (2, -1))
    assert "ssim" in project.ok("dvc", "exp", "diff", worst, best)
    project.ok("dvc", "exp", "branch", best, "best")
    at_branch = project.ok("git", "show", "best:params.yaml")
    expected = [("      latent_dim: 8", "      latent_dim: 12")]
    assert changed_lines(before, at_branch) == expected
    project.ok("dvc", "exp", "apply", best)
    assert (project.folder / "params.yaml").read_text(encoding="utf-8") == at_branch
    assert project.repro("report@quickstart") == {
        "plot@digits-dense",
        "groups/dvc.yaml:quickstart",
        "report@quickstart",
    }


def test_the_readme_shows_the_same_line() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    words = " ".join(readme.replace("\\\n", " ").split())
    assert SHOW_GRID.replace("digits-dense", "fashion-modified") + ALIGN in words
