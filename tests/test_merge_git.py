"""How git merges lock files and results, in every kind of checkout, and how `make` sets that up."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dump_yaml, load_yaml

from .conftest import ROOT, Project

LOCK = {
    name: {"cmd": name, "deps": [{"path": "code", "md5": "0"}], "outs": [{"path": "x", "md5": "0"}]} for name in "abc"
}

PEOPLE = ("AUTHOR", "COMMITTER")
IDENTITY = {
    f"GIT_{who}_{key}": value for who in PEOPLE for key, value in (("NAME", "Test"), ("EMAIL", "test@localhost"))
}


@pytest.fixture
def repository(tmp_path: Path) -> Project:
    """Return a repository of lock files and results, set up, on branch `ours`; .venv is there, and not activated.

    Entry `a` was changed by branch `ours`, `b` by branch `theirs` and `c` by both.
    """
    project = Project(tmp_path / "project")
    for name in (".githooks", "hourglass", "stages"):
        shutil.copytree(ROOT / name, project.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitattributes", "Makefile"):
        shutil.copy2(ROOT / name, project.folder / name)
    interpreter = project.folder / ".venv/bin/python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    interpreter.chmod(0o755)
    interpreter.with_name("python3").symlink_to("python")
    (project.folder / ".gitignore").write_text(".venv\n__pycache__\n", encoding="utf-8")
    git(project.folder, "init", "--quiet", "--initial-branch", "base")
    commit(project.folder, LOCK, {"a": 0, "b": 0, "c": 0})
    for branch, changed in (("ours", "a"), ("theirs", "b")):
        git(project.folder, "checkout", "--quiet", "-b", branch, "base")
        entries = {name: {**LOCK[name], "cmd": branch} if name in (changed, "c") else LOCK[name] for name in "abc"}
        commit(project.folder, entries, {name: branch if name in (changed, "c") else 0 for name in "abc"})
    git(project.folder, "checkout", "--quiet", "ours")
    assert subprocess.run(["make", "merging"], cwd=project.folder, capture_output=True, check=True).stderr == b""
    return project


def git(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run git where only the tools of the system are on the PATH, and return all that it printed."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_EDITOR": "true", **IDENTITY}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def commit(folder: Path, entries: dict[str, Any], metrics: dict[str, object]) -> None:
    """Commit lock files of these entries, and metrics."""
    for name in ("dvc.lock", "groups/dvc.lock"):
        (folder / name).parent.mkdir(exist_ok=True)
        dump_yaml(str(folder / name), {"schema": "2.0", "stages": entries})
    for name, value in metrics.items():
        path = folder / f"metrics/test/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n", encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Results")


def sides(folder: Path) -> dict[str, list[str]]:
    """Return the side that each entry of a lock file is of, and that of each result, which have to agree."""
    found = {}
    for name in ("dvc.lock", "groups/dvc.lock"):
        found[name] = [entry["cmd"] for entry in load_yaml(str(folder / name))["stages"].values()]
    found["metrics"] = [(folder / f"metrics/test/{name}.json").read_text(encoding="utf-8").strip() for name in "abc"]
    return found


def of(*names: str) -> dict[str, list[str]]:
    """Return what `sides` does if entries and results are of these."""
    return {"dvc.lock": [*names], "groups/dvc.lock": [*names], "metrics": [*names]}


def test_a_merge_takes_entries_and_results_of_the_same_sides(repository: Project) -> None:
    git(repository.folder, "merge", "--no-edit", "theirs")
    assert sides(repository.folder) == of("ours", "theirs", "ours")
    assert git(repository.folder, "status", "--porcelain") == ""


def test_one_from_a_folder_with_the_other_sides_option_too(repository: Project) -> None:
    git(repository.folder / "stages", "merge", "--no-edit", "-X", "theirs", "theirs")
    assert sides(repository.folder) == of("ours", "theirs", "ours")


def test_a_rebase_and_a_cherry_pick(repository: Project) -> None:
    git(repository.folder, "checkout", "--quiet", "-b", "picked")
    git(repository.folder, "cherry-pick", "theirs")
    assert sides(repository.folder) == of("ours", "theirs", "ours")
    git(repository.folder, "checkout", "--quiet", "ours")
    git(repository.folder, "rebase", "--quiet", "theirs")
    assert sides(repository.folder) == of("ours", "theirs", "theirs")  # its own side is where it goes


def test_a_worktree_has_the_environment_of_the_clone(repository: Project, tmp_path: Path) -> None:
    git(repository.folder, "worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "other")
    git(tmp_path / "tree", "merge", "--no-edit", "theirs")
    assert sides(tmp_path / "tree") == of("ours", "theirs", "ours")


def test_a_clone_that_was_moved(repository: Project, tmp_path: Path) -> None:
    moved = repository.folder.rename(tmp_path / "another place")
    git(moved, "merge", "--no-edit", "theirs")
    assert sides(moved) == of("ours", "theirs", "ours")


def test_a_damaged_side_is_one_line_and_a_conflict(repository: Project) -> None:
    git(repository.folder, "checkout", "--quiet", "theirs")
    path = repository.folder / "dvc.lock"
    path.write_text(f"<<<<<<< HEAD\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    git(repository.folder, "commit", "--quiet", "--all", "--message", "Damage")
    git(repository.folder, "checkout", "--quiet", "ours")
    before = path.read_bytes()
    said = git(repository.folder, "merge", "theirs", status=1).splitlines()
    assert [line for line in said if "error" in line and "dvc.lock of their side: expected a lock file" in line]
    assert len(said) == len(
        [line for line in said if line.startswith(("Auto-merging", "CONFLICT", "Automatic", "error"))]
    )
    assert git(repository.folder, "diff", "--name-only", "--diff-filter", "U") == "dvc.lock\n"
    assert path.read_bytes() == before


def test_without_dvc_there_is_one_line_and_no_mixture(repository: Project) -> None:
    (repository.folder / ".venv/bin/python").unlink()
    said = git(repository.folder, "merge", "theirs", status=1)
    assert "error: dvc.lock: expected DVC in .venv, to merge it by whole entries, got none: make check && git" in said
    assert "Traceback" not in said
    assert sides(repository.folder) == of("ours", "theirs", "ours") | {
        name: ["ours", "b", "ours"] for name in ("dvc.lock", "groups/dvc.lock")
    }


@pytest.mark.parametrize("option", [(), ("-X", "theirs")])
def test_a_clone_without_set_up_never_mixes_and_can_merge_again(repository: Project, option: tuple[str, ...]) -> None:
    clone = repository.folder.parent / "clone"
    git(repository.folder, "clone", "--quiet", "--branch", "ours", ".", str(clone))
    git(clone, "merge", "--no-edit", *option, "origin/theirs", status=0 if option else 1)
    kept = ["a", "theirs", "theirs"] if option else ["ours", "b", "ours"]
    assert sides(clone)["dvc.lock"] == sides(clone)["groups/dvc.lock"] == kept
    if not option:
        shutil.copytree(repository.folder / ".venv", clone / ".venv")
        subprocess.run(["make", "merging"], cwd=clone, check=True)
        git(clone, "checkout", "--merge", "--", "dvc.lock", "groups", "metrics")
        assert sides(clone) == of("ours", "theirs", "ours")


# ---- the set-up


def test_setting_up_twice_changes_nothing_and_keeps_what_is_there(repository: Project) -> None:
    attributes = repository.folder / ".git/info/attributes"
    attributes.write_text("*.png binary", encoding="utf-8")  # without an end of the line
    files = [attributes, repository.folder / ".git/config"]
    texts = []
    for _ in range(2):
        subprocess.run(["make", "merging"], cwd=repository.folder, check=True)
        texts.append([file.read_text(encoding="utf-8") for file in files])
    assert texts[0] == texts[1]
    assert texts[0][0].splitlines()[:2] == ["*.png binary", "/dvc.lock merge=dvc-lock"]
    assert "merge: dvc-lock" in git(repository.folder, "check-attr", "merge", "dvc.lock")


def test_an_archive_in_another_repository_leaves_it_alone(repository: Project, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    for is_repository in (False, True):
        if is_repository:
            git(outer, "init", "--quiet")
            before = (outer / ".git/config").read_bytes()
        archive = outer / f"archive-{is_repository}"
        shutil.copytree(repository.folder, archive, ignore=shutil.ignore_patterns(".git"))
        done = subprocess.run(
            ["make", "--no-print-directory", "merging"], cwd=archive, capture_output=True, text=True, check=True
        )
        assert done.stdout + done.stderr == ""
    assert (outer / ".git/config").read_bytes() == before
    assert not (outer / ".git/info/attributes").exists()
