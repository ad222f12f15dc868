"""What git checks before a commit, run by git in a repository of its own."""

import os
from pathlib import Path

import pytest

from .conftest import Project, copy_of

pytest.importorskip("pre_commit", reason="pre-commit is not installed: make")


@pytest.fixture(scope="module")
def hooked(cloned: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone with its hooks installed, as `make hooks` does it where its earlier version had run."""
    project = copy_of(cloned, tmp_path_factory.mktemp("hooked") / "project")
    project.ok("git", "config", "core.hooksPath", ".githooks")
    (project.folder / ".venv").mkdir()
    for name in (".base", ".ready"):  # set up: the environment of these tests is the one that is active
        (project.folder / ".venv" / name).touch()
    project.ok("make", "hooks")
    return project


def commit(project: Project, *files: str) -> str:
    """Try to commit files; return what was said if that was refused, and take them out of the index again."""
    project.ok("git", "add", *files)
    done = project.run("git", "commit", "--quiet", "--message", "Change")
    if done.returncode:
        project.ok("git", "reset", "--quiet")
        return done.stdout + done.stderr
    return ""


def test_hooks_of_the_earlier_make_hooks_say_what_to_do(cloned: Project, tmp_path: Path) -> None:
    project = copy_of(cloned, tmp_path / "project")
    project.ok("git", "config", "core.hooksPath", ".githooks")
    project.append("README.md", "More")
    assert "make hooks" in commit(project, "README.md")


def test_both_kinds_of_hooks_are_installed(hooked: Project) -> None:
    assert hooked.run("git", "config", "core.hooksPath").stdout == ""
    assert {"pre-commit", "pre-push"} <= {path.name for path in (hooked.folder / ".git/hooks").iterdir()}


def test_a_right_change_is_committed(hooked: Project) -> None:
    hooked.append("README.md", "More")
    hooked.change("models.digits-dense.training.epochs", 4)
    assert commit(hooked, "README.md", "params.yaml") == ""


def test_a_mistake_in_params_is_refused(hooked: Project) -> None:
    hooked.change("models.digits-dense.training.epochs", 0)
    assert "epochs: expected a number greater than 0, got 0" in commit(hooked, "params.yaml")
    hooked.ok("git", "checkout", "--", "params.yaml")


def test_groups_that_do_not_follow_are_refused(hooked: Project) -> None:
    hooked.change("models.digits-dense.group", "faces")
    said = commit(hooked, "params.yaml")
    assert "groups/dvc.yaml now has digits-dense in faces" in said
    assert "files were modified by this hook" in said
    assert commit(hooked, "params.yaml", "groups/dvc.yaml") == ""


def test_code_that_ruff_would_change_large_files_and_two_sides_of_a_merge_are_refused(hooked: Project) -> None:
    (hooked.folder / "large.bin").write_bytes(os.urandom(1_100_000))
    (hooked.folder / "new.py").write_text("import os\nx = 'y'\n", encoding="utf-8")
    (hooked.folder / "notes.md").write_text("<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other\n", encoding="utf-8")
    hooked.ok("git", "add", "large.bin", "new.py", "notes.md")
    refused = hooked.run("env", "SKIP=types", "git", "commit", "--quiet", "--message", "Change")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1
    assert "large.bin (1075 KB) exceeds 1000 KB" in said
    assert "F401" in said
    assert "1 file would be reformatted" in said
    assert "notes.md:1: Merge conflict string '<<<<<<<' found" in said
    hooked.ok("git", "reset", "--quiet")
