"""DVC's own plots: pages that need no network, charts of whole groups, and of two commits only what changed."""

import hashlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hourglass.metrics.quality import METRICS
from stages.tools.plots_page import SCRIPTS

from .conftest import ROOT, Project, copy_of

PAGE = "dvc_plots/index.html"
# The line of README.md, for another model: one model's scores and values at the last commits.
SHOW_COMMITS = (
    "dvc exp show -n 5 --csv --only-changed --hide-workspace "
    r"--drop '^(?!rev$|Experiment$|(metrics/test/|models\.)digits-dense\.(?!json$))' "
    "| sed 's/, / /g; 1s/[^,]*[.:]//g' | column -s, -t"
)


class Loads(HTMLParser):
    """Collect the scripts of a page, and the addresses that it loads something from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts[-1] += data


def shown(project: Project) -> tuple[list[str], list[str]]:
    """Return the titles of the charts, and the pictures, of the page that DVC wrote."""
    page = (project.folder / PAGE).read_text(encoding="utf-8").partition("</head>")[2]
    pictures = re.findall(r"<p>(plots/[^<]*)</p>", page)
    return sorted(re.findall(r'"title": \{"text": "([^"]+)"', page)), sorted(pictures)


@pytest.fixture(scope="module")
def retrained(quickstart: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone with a commit in which one model was trained longer, and a note became long."""
    project = copy_of(quickstart, tmp_path_factory.mktemp("retrained") / "project")
    project.change("models.digits-dense.training.epochs", 6)
    project.change("groups.quickstart.notes", {"digits-dense": "trained a little longer than it was before " * 9})
    project.repro("report@quickstart")
    project.commit("Train longer")
    return project


def test_the_page_has_the_scripts_that_npm_published() -> None:
    loads = Loads((ROOT / ".dvc/plots/page.html").read_text(encoding="utf-8"))
    assert [hashlib.sha256(script.encode()).hexdigest() for script in loads.scripts] == [
        sha256 for _, sha256 in SCRIPTS.values()
    ]


def test_plots_open_without_network(retrained: Project, tmp_path: Path) -> None:
    project = copy_of(retrained, tmp_path / "project")
    for command in (["show"], ["diff", "HEAD~1", "HEAD"]):
        shutil.rmtree(project.folder / "dvc_plots", ignore_errors=True)
        project.ok("dvc", "plots", *command)
        loads = Loads((project.folder / PAGE).read_text(encoding="utf-8"))
        assert any("vegaEmbed('#" in script for script in loads.scripts)
        assert any(address.endswith(".png") for address in loads.addresses)
        for address in loads.addresses:
            assert address == "data:," or (project.folder / "dvc_plots" / address).is_file(), address


def test_a_group_has_a_chart_of_all_its_models(quickstart: Project, tmp_path: Path) -> None:
    project = copy_of(quickstart, tmp_path / "project")
    project.ok("dvc", "plots", "show")
    titles, _ = shown(project)
    assert "quickstart: validation loss" in titles
    page = (project.folder / PAGE).read_text(encoding="utf-8")
    (chart,) = [line for line in page.splitlines() if '"text": "quickstart: validation loss"' in line]
    models = {name for name, model in project.params()["models"].items() if model["group"] == "quickstart"}
    assert set(re.findall(r'"filename": "([^"]+)\.csv"', chart)) == models


def test_two_commits_show_what_differs_and_no_more(retrained: Project, tmp_path: Path) -> None:
    project = copy_of(retrained, tmp_path / "project")
    printed = project.ok("python", "-m", "stages.tools.compare", "HEAD~1", "HEAD")
    titles, pictures = shown(project)
    assert titles == ["digits-dense: validation loss"]
    drawn = {f"plots/digits-dense/{path.name}" for path in (project.folder / "plots/digits-dense").iterdir()}
    assert set(pictures) == drawn | {"plots/reports/quickstart.png"}
    assert re.search(r"^models\.digits-dense\.training\.epochs +\d+ +6$", printed, re.MULTILINE)
    assert "metrics/test/digits-dense.json" in printed
    assert max(map(len, printed.splitlines())) <= 120


def test_without_a_second_commit_the_files_are_compared(retrained: Project, tmp_path: Path) -> None:
    project = copy_of(retrained, tmp_path / "project")
    assert "No plot changed." in project.ok("python", "-m", "stages.tools.compare", "HEAD")
    project.change("models.digits-dense.training.epochs", 7)
    printed = project.ok("python", "-m", "stages.tools.compare", "HEAD")
    assert re.search(r"^models\.digits-dense\.training\.epochs +6 +7$", printed, re.MULTILINE)
    assert "No plot changed." in printed  # nothing was run


@pytest.mark.skipif(shutil.which("column") is None, reason="this system has no `column`")
def test_the_commits_of_one_model_are_a_table_that_fits_a_terminal(retrained: Project) -> None:
    header, *rows = [line.split() for line in retrained.ok("sh", "-c", SHOW_COMMITS).splitlines()]
    assert (header[0], header[-1]) == ("rev", "epochs")
    assert set(header[1:-1]) <= {*METRICS, "split_id"}  # which differs where a commit has no scores
    assert {"psnr_db", "ssim"} <= set(header)
    assert [row[-1] for row in rows[:2]] == ["6", "3"]
    assert max(map(len, retrained.ok("sh", "-c", SHOW_COMMITS).splitlines())) <= 120
    words = " ".join((ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ").split())
    assert SHOW_COMMITS.replace("digits-dense", "frey-linear") in words


def test_an_unknown_commit_is_told_in_a_line(cloned: Project) -> None:
    done = cloned.run("python", "-m", "stages.tools.compare", "no-such-commit")
    assert done.returncode == 1
    assert done.stderr.startswith("error: expected a commit with dvc.lock in it, got no-such-commit")
    assert len(done.stderr.splitlines()) == 1
