"""README's 'Merge two branches' on real conflicts: branches of the real pipeline, each with runs of its own."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import load_yaml

from .conftest import ROOT, Project, copy_of

REPORTS = {"check", "groups/dvc.yaml:quickstart", "report@quickstart"}
DENSE = {"train@digits-dense", "evaluate@digits-dense"}
LATENT_DIM = "models.digits-dense.network.latent_dim"


def new_branch(project: Project, name: str) -> None:
    """Begin a branch where all begin."""
    project.ok("git", "checkout", "--quiet", "-b", name, "begin")
    project.ok("dvc", "checkout", "--quiet", "--force")


@pytest.fixture(scope="module")
def team(quickstart: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone with a remote, and branches that were run where it says so. Tests must not change it."""
    folder = tmp_path_factory.mktemp("team")
    project = copy_of(quickstart, folder / "project")
    values = project.params()
    for section in ("downloads", "datasets", "models", "groups"):  # what nobody has run
        values[section] = {name: entry for name, entry in values[section].items() if "faces" not in name}
    project.set_params(values)
    project.ok("python", "-m", "stages.check")
    project.ok("dvc", "remote", "add", "--default", "--quiet", "storage", str(folder / "storage"))
    project.repro("check")
    project.commit("What was run")
    project.ok("git", "branch", "begin")

    new_branch(project, "recipe")
    project.change(LATENT_DIM, 4)
    project.repro()
    project.commit("Another recipe of digits-dense, run")

    new_branch(project, "other")
    project.change("models.digits-pca.network.latent_dim", 6)
    project.repro()
    project.commit("Another digits-pca, run")
    project.ok("dvc", "push", "--quiet", "--all-branches")

    new_branch(project, "code")
    project.append("hourglass/networks/dense.py", "# Other code.")
    project.repro("train@digits-dense")
    project.commit("Other code of digits-dense, run")

    new_branch(project, "removed")
    project.remove("models.digits-pca")
    project.ok("python", "-m", "stages.tools.prune")
    project.commit("No digits-pca")

    new_branch(project, "rival")
    project.change(LATENT_DIM, 3)
    project.commit("A third recipe of digits-dense")
    project.ok("git", "checkout", "--quiet", "recipe")
    project.ok("dvc", "checkout", "--quiet", "--force")
    project.ok("make", "merging")
    return project


@pytest.fixture
def project(team: Project, tmp_path: Path) -> Project:
    """Return a copy of that clone, to be changed at will, on branch `recipe`."""
    return copy_of(team, tmp_path / "project")


def entries(project: Project, revision: str = "") -> dict[str, Any]:
    """Return the entries of dvc.lock, as it is or of a commit."""
    if revision:
        (project.folder / ".git/lock.yaml").write_text(
            project.ok("git", "show", f"{revision}:dvc.lock"), encoding="utf-8"
        )
    stages: dict[str, Any] = load_yaml(str(project.folder / (".git/lock.yaml" if revision else "dvc.lock")))["stages"]
    return stages


def test_two_models_word_for_word_in_a_fresh_clone(team: Project, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"### Merge two branches\n(.*?)\n#", readme, re.DOTALL)
    assert section
    commands = [line.partition("  #")[0].strip() for line in section[1].splitlines() if line.startswith("    ")]
    subprocess.run(["git", "clone", "--quiet", str(team.folder), str(tmp_path / "clone")], check=True)
    clone = Project(tmp_path / "clone")
    for key in ("name", "email"):
        clone.ok("git", "config", f"user.{key}", "test@localhost")
    clone.ok("make", "merging")
    clone.ok("git", "branch", "other", "origin/other")
    ran = ""
    for command in commands:
        # `make` would set up an environment for the clone, and git would open an editor.
        here = command.replace("make check", "python -m stages.check").replace("git commit", "git commit --no-edit")
        ran += clone.ok("sh", "-c", here)
    assert set(re.findall("Running stage '(.*)'", ran)) == REPORTS
    for branch, model in (("other", "digits-pca"), ("recipe", "digits-dense")):
        assert clone.ok("git", "diff", f"origin/{branch}", "--", f"metrics/test/{model}.json") == ""
        assert entries(clone)[f"train@{model}"] == entries(clone, f"origin/{branch}")[f"train@{model}"]
    assert clone.ok("python", "-m", "stages.tools.check_lock") == ""
    assert clone.ok("git", "status", "--porcelain") == ""
    assert len(clone.ok("git", "show", "--no-patch", "--format=%P").split()) == 2


def merge(project: Project, branch: str, ours: str = "recipe") -> set[str]:
    """Merge a branch as README says, its data from the cache; return the stages that are to run."""
    project.ok("git", "checkout", "--quiet", ours)
    project.ok("git", "merge", "--no-commit", branch)
    project.ok("python", "-m", "stages.check")
    project.ok("dvc", "checkout", "--quiet", "--allow-missing", "--force")
    return project.stale()


def test_code_against_a_recipe_of_one_model_runs_it_again(project: Project) -> None:
    assert merge(project, "code") == {"check"} | DENSE
    assert project.repro("train@digits-dense") == {"check", "train@digits-dense"}
    code = "hourglass/networks/dense.py"
    ours, theirs, merged = (
        {dep["path"]: dep["md5"] for dep in entries(project, revision)["train@digits-dense"]["deps"]}
        for revision in ("recipe", "code", "")
    )
    assert merged[code] == theirs[code] != ours[code]
    assert (
        entries(project)["train@digits-dense"]["params"] == entries(project, "recipe")["train@digits-dense"]["params"]
    )


def test_merged_lines_of_both_would_have_passed_for_up_to_date(project: Project) -> None:
    for path in (".gitattributes", ".git/info/attributes"):
        (project.folder / path).write_text("", encoding="utf-8")
    project.commit("No merge driver")
    project.run("git", "merge", "--no-commit", "-X", "ours", "code")
    project.ok("dvc", "checkout", "--quiet", "--allow-missing", "--force")
    assert "train@digits-dense" not in project.stale()


@pytest.mark.parametrize(("ours", "theirs"), [("recipe", "removed"), ("removed", "recipe")])
def test_a_model_that_one_side_removed(project: Project, ours: str, theirs: str) -> None:
    assert merge(project, theirs, ours) <= REPORTS
    assert not [name for name in entries(project) if "digits-pca" in name]
    assert not list((project.folder / "metrics").rglob("digits-pca*"))
    for stage in DENSE:
        assert entries(project)[stage] == entries(project, "recipe")[stage]


def test_one_model_that_both_sides_changed(project: Project) -> None:
    said = project.run("git", "merge", "--no-commit", "rival")
    assert re.findall(r"CONFLICT \(content\): Merge conflict in (.*)", said.stdout) == ["params.yaml"]
    check = project.run("python", "-m", "stages.check")
    assert check.returncode == 1
    assert re.fullmatch(r"error: params\.yaml:\d+: expected one side of a merge, .*\n", check.stderr)
    dvc = project.run("dvc", "repro")
    assert dvc.returncode != 0
    assert "'params.yaml', YAML file structure is corrupted" in dvc.stderr.splitlines()[0]
    assert entries(project)["train@digits-dense"] == entries(project, "recipe")["train@digits-dense"]
    project.ok("git", "checkout", "--theirs", "params.yaml")
    project.ok("python", "-m", "stages.check")
    assert "train@digits-dense" in project.stale()


@pytest.mark.parametrize("name", ["dvc.lock", "groups/dvc.yaml"])
def test_conflict_markers_are_one_line(team: Project, name: str) -> None:
    path = team.folder / name
    before = path.read_text(encoding="utf-8")
    path.write_text(f"<<<<<<< HEAD\n{before}=======\n{before}>>>>>>> other\n", encoding="utf-8")
    try:
        dvc = team.run("dvc", "repro")
        assert dvc.returncode != 0
        assert dvc.stderr.splitlines()[0] == f"'./{name}' is invalid (possible merge conflicts)."
        found = team.run("python", "-m", "stages.tools.check_lock")
        assert (found.returncode, found.stdout) == (1, "")
        assert re.fullmatch(
            rf"error: expected .*, got: unable to read: '{name}', .*: merge it again, .*\n", found.stderr
        )
        check = team.run("python", "-m", "stages.check")
        if name == "groups/dvc.yaml":  # which is generated
            assert (check.returncode, check.stdout) == (0, "groups/dvc.yaml was written anew\n")
            assert path.read_text(encoding="utf-8") == before
        else:
            assert check.returncode == 1
            assert check.stderr.startswith(
                f"error: {name}:1: expected one side of a merge, got git's mark of a conflict"
            )
            assert len(check.stderr.splitlines()) == 1
    finally:
        path.write_text(before, encoding="utf-8")
