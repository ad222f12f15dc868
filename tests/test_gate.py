"""The gate: a model that got worse than params.yaml allows is told from one that did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hourglass.console.errors import UserError
from stages import gate
from stages.tools.moved import judge

from .conftest import ROOT, Project, copy_of

MODEL = "digits-dense"
EVALUATE = f"evaluate@{MODEL}"


@pytest.fixture(scope="module")
def base(quickstart: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone of one model that was evaluated; the commit before has four more. Tests must not change it."""
    project = copy_of(quickstart, tmp_path_factory.mktemp("base") / "project")
    values = project.params()
    for section, name in (("downloads", "digits"), ("datasets", "digits"), ("models", MODEL), ("groups", "quickstart")):
        values[section] = {name: values[section][name]}
    project.set_params(values)
    project.ok("python", "-m", "stages.check")
    project.commit("One model")
    return project


@pytest.fixture(scope="module")
def worse(base: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone in which the model was trained for one epoch after all. Tests must not change it."""
    project = copy_of(base, tmp_path_factory.mktemp("worse") / "project")
    project.change(f"models.{MODEL}.training.epochs", 1)
    project.repro(EVALUATE)
    project.commit("One epoch")
    return project


@pytest.fixture
def worsened(worse: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of that clone, to be changed at will, as the current folder."""
    project = copy_of(worse, tmp_path / "project")
    monkeypatch.chdir(project.folder)
    return project


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of the table, by metric."""
    assert max(map(len, text.splitlines())) <= 120
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {row[1]: row for row in cells[2:]}


def test_a_model_that_trained_less_fails(worsened: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate.main("HEAD~1") == 1
    captured = capsys.readouterr()
    found = rows(captured.out)
    model, _, before, after, difference, allowed, verdict = found["psnr_db"]
    assert (model, allowed, verdict) == (MODEL, "-0.10", "worse")
    assert float(after) < float(before) - 0.1
    mean, low, high = (float(part.strip("[],")) for part in difference.split())
    assert low < mean < high < 0
    assert found["ssim"][-1] == "worse"
    assert captured.err == f"error: worse than params.yaml's `gate` allows: {MODEL}\n"
    # Seen from there, it is better; and what is worse may be allowed.
    commit = worsened.ok("git", "rev-parse", "HEAD").strip()
    worsened.ok("git", "checkout", "--quiet", "HEAD~1")
    worsened.ok("dvc", "checkout", "--quiet", "--with-deps", EVALUATE)
    assert gate.main(commit) == 0
    assert {row[-1] for metric, row in rows(capsys.readouterr().out).items() if metric != "bytes"} == {"better"}


def test_what_is_allowed_passes(worsened: Project, capsys: pytest.CaptureFixture[str]) -> None:
    worsened.change("gate", {"psnr_db": 50, "ssim": 1, "bytes_percent": 1000})
    assert gate.main("HEAD~1") == 0
    captured = capsys.readouterr()
    assert rows(captured.out)["psnr_db"][-2:] == ["-50.00", "allowed"]
    assert captured.err == "note: 1 file not as in the last commit: this is about the work tree as it is\n"


def test_scores_that_dvc_does_not_have_are_compared_by_the_means_in_git(
    worsened: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(worsened.folder / ".dvc/cache")
    assert gate.main("HEAD~1") == 1
    captured = capsys.readouterr()
    found = rows(captured.out)
    assert found.keys() == {"psnr_db", "ssim"}
    assert found["psnr_db"][-1] == "worse"
    assert "[" not in found["psnr_db"][4]
    note, _ = captured.err.splitlines()
    assert note.startswith(f"note: means of metrics/ alone, without intervals, of {MODEL}: ")
    assert note.endswith(": in neither DVC's cache nor a remote that can be read")


def test_scores_come_from_a_remote_that_is_newer_than_the_commit(
    worsened: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(worsened.folder / ".dvc/cache", tmp_path / "remote")
    shutil.rmtree(worsened.folder / ".dvc/cache")
    worsened.ok("dvc", "remote", "add", "--default", "storage", str(tmp_path / "remote"))
    worsened.commit("A remote")
    assert gate.main("HEAD~2") == 1
    captured = capsys.readouterr()
    assert "[" in rows(captured.out)["psnr_db"][4]
    assert "note:" not in captured.err


def test_an_equal_model_passes(
    base: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(base.folder)
    assert gate.main("HEAD") == 0
    assert capsys.readouterr().out == "Nothing that scores depend on differs from HEAD.\n"
    assert gate.main("HEAD~1") == 0
    gone, last = capsys.readouterr().out.splitlines()
    assert gone == "gone: digits-conv, digits-pca, digits-vae, photos-tiles"
    assert last == "No score moved since HEAD~1."


def test_other_images_fail(
    base: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = copy_of(base, tmp_path / "project")
    project.change("datasets.digits.fractions", [0.8, 0.15, 0.05])
    project.repro(EVALUATE)
    monkeypatch.chdir(project.folder)
    assert gate.main("HEAD") == 1
    captured = capsys.readouterr()
    found = rows(captured.out)
    assert captured.err.endswith(f"error: scored on other images than at that revision: {MODEL}\n")
    assert found.keys() == {"val split_id", "test split_id"}
    assert {row[-1] for row in found.values()} == {"other images"}


def test_many_names_and_help_are_no_wider_than_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    gate.print_names("new", {f"digits-{number}" for number in range(50)})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 120
    assert " ".join(lines).count("digits-") == 50
    gate_help = subprocess.run(
        [sys.executable, "-m", "stages.gate", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "git revision, image by image" in " ".join(gate_help.stdout.split())
    assert "Raises" not in gate_help.stdout


def test_what_was_not_run_again_is_refused(worsened: Project) -> None:
    worsened.change(f"models.{MODEL}.training.epochs", 2)
    with pytest.raises(
        UserError, match=rf"^expected scores of this code and params.yaml, got train@{MODEL}: .*training"
    ):
        gate.main("HEAD~1")


def test_a_lock_file_of_two_sides_is_one_line(worsened: Project) -> None:
    path = worsened.folder / "dvc.lock"
    path.write_text(f"<<<<<<< HEAD\n{path.read_text(encoding='utf-8')}=======\n>>>>>>> other\n", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"^the work tree: expected dvc.yaml, dvc.lock .* take one side of it whole"
    ) as error:
        gate.main("HEAD~1")
    assert len(str(error.value).splitlines()) == 1


def test_commits_that_cannot_be_compared_with(
    worsened: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        UserError, match=r"^expected a commit of this repository, got 'nope': git fetch, or name another"
    ):
        gate.main("nope")
    first = worsened.ok("git", "rev-list", "--max-parents=0", "HEAD").strip()
    with pytest.raises(
        UserError, match=rf"^expected a commit with models in its dvc.lock, got {first[:9]}, which has none$"
    ):
        gate.main(first)
    worsened.ok("git", "clone", "--quiet", "--depth", "1", f"file://{worsened.folder}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    with pytest.raises(
        UserError, match=r"^expected a commit of this shallow clone, got '.*': git fetch --unshallow, or"
    ):
        gate.main("HEAD~1")


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        ((-0.2, -0.3, -0.15), "worse"),
        ((-0.2, -0.3, -0.05), "worse"),
        ((-0.2, -0.5, 0.1), "uncertain"),
        ((-0.05, -0.06, -0.04), "allowed"),
        ((0.05, -0.1, 0.2), "allowed"),
        ((0.2, 0.1, 0.3), "better"),
        ((-0.2, float("nan"), float("nan")), "worse"),
        ((0.2, float("nan"), float("nan")), "better"),
    ],
)
def test_worse_is_said_where_the_loss_is_beyond_the_tolerance_and_the_interval_excludes_zero(
    difference: tuple[float, float, float], verdict: str
) -> None:
    assert judge(difference, 0.1) == verdict
