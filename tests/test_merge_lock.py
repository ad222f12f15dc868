"""The merge driver for lock files: a property of random entries, and git itself on small lock files."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc.utils.serialize import dump_yaml, dumps_yaml, load_yaml, modify_yaml

from hourglass.console.errors import UserError
from stages.tools import merge_lock
from stages.tools.merge_lock import merge

from .conftest import ROOT, Project

NAMES = [f"stage-{index}" for index in range(6)]
ENTRIES = [None, {"cmd": "a", "outs": [1]}, {"cmd": "b", "outs": [1]}, {"cmd": "b", "outs": [2]}]
Entries = dict[str, Any]


def drawn(generator: np.random.Generator) -> Entries:
    """Draw a lock file's entries, some of which are absent, in any order."""
    entries = {str(name): ENTRIES[generator.integers(len(ENTRIES))] for name in generator.permutation(NAMES)}
    return {name: entry for name, entry in entries.items() if entry is not None}


# ---- the function


@pytest.mark.parametrize("seed", range(10))
def test_every_entry_is_whole_and_of_the_side_that_changed_it(seed: int) -> None:
    generator = np.random.default_rng(seed)
    for _ in range(100):
        hold_properties(drawn(generator), drawn(generator), drawn(generator))


def hold_properties(base: Entries, ours: Entries, theirs: Entries) -> None:
    """Check what has to hold of any three lock files."""
    merged, swapped = merge(base, ours, theirs), merge(base, theirs, ours)
    assert merge(base, ours, ours) == merge(base, base, ours) == merge(base, ours, base) == ours
    assert [name for name in merged if name in ours] == [name for name in ours if name in merged]
    for name in NAMES:
        old, mine, other = base.get(name), ours.get(name), theirs.get(name)
        assert merged.get(name) in (mine, other)
        if old in (mine, other) or mine == other or None in (mine, other):
            assert merged.get(name) == swapped.get(name)  # it makes no difference whose branch merges whose
        else:
            assert (merged[name], swapped[name]) == (mine, other)


@pytest.mark.parametrize(
    ("old", "mine", "other", "kept"),
    [
        ("old", "old", "new", "new"),
        ("old", "new", "old", "new"),
        ("old", "mine", "other", "mine"),
        (None, "mine", "other", "mine"),
        (None, None, "other", "other"),
        ("old", None, "old", None),
        ("old", "old", None, None),
        ("old", None, "other", "other"),
        ("old", "mine", None, "mine"),
    ],
)
def test_which_side_an_entry_is_of(old: str | None, mine: str | None, other: str | None, kept: str | None) -> None:
    sides = ({} if entry is None else {"train@a": entry} for entry in (old, mine, other))
    assert merge(*sides) == ({} if kept is None else {"train@a": kept})


# ---- the files


def lock(**entries: object) -> dict[str, Any]:
    """Return a lock file of these entries."""
    return {"schema": "2.0", "stages": entries}


def merged_text(folder: Path, base: str, ours: str, theirs: str) -> str:
    """Run the driver on three texts, and return what it writes over ours."""
    paths = [folder / name for name in ("base", "ours", "theirs")]
    for path, text in zip(paths, (base, ours, theirs), strict=True):
        path.write_text(text, encoding="utf-8")
    merge_lock.main(*paths, name="dvc.lock")
    return paths[1].read_text(encoding="utf-8")


def test_what_is_written_is_what_dvc_writes(tmp_path: Path) -> None:
    name = "groups/dvc.lock"
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = load_yaml(str(ROOT / name))
    first, last = min(entries["stages"]), max(entries["stages"])
    ours, theirs = ({**entries, "stages": dict(entries["stages"])} for _ in range(2))
    ours["stages"][first] = theirs["stages"][last] = {"cmd": "another"}
    merged = merged_text(tmp_path, text, dumps_yaml(ours), dumps_yaml(theirs))
    (tmp_path / "dvc.lock").write_text(text, encoding="utf-8")
    with modify_yaml(str(tmp_path / "dvc.lock")) as content:  # as DVC does when a stage ran
        content["stages"].update({first: {"cmd": "another"}, last: {"cmd": "another"}})
    assert merged == (tmp_path / "dvc.lock").read_text(encoding="utf-8")


def test_values_of_every_kind_stay_as_dvc_writes_them(tmp_path: Path) -> None:
    values = {
        "numbers": [1e-7, 1e-05, 0.001, 3.0, 1e22, 5, -1, 10**20],
        "texts": ["1e-3", "yes", "null", "", " a", "a: b", "# no", "ü", "two\nlines", "'", '"', "2024-01-01"],
        "others": [None, True, {}, [], [[1], {"a": []}]],
        "a long command": "python -m stages.gather published " + " ".join(f"common-pca-tiles-{i}" for i in range(30)),
    }
    entries = {"2024": {"cmd": values}, "null": {"cmd": ["a", "b"]}, "train@ü": {"cmd": "x"}}
    dump_yaml(str(tmp_path / "dvc.lock"), lock(**entries))
    text = (tmp_path / "dvc.lock").read_text(encoding="utf-8")
    assert merged_text(tmp_path, dumps_yaml(lock()), dumps_yaml(lock()), text) == text


def test_what_is_no_stage_is_merged_too(tmp_path: Path) -> None:
    base = lock(a={"cmd": "a"})
    theirs = {"schema": "2.0", "datasets": [{"name": "x"}], "stages": base["stages"]}
    ours = lock(a={"cmd": "b"})
    assert merged_text(tmp_path, *map(dumps_yaml, (base, ours, theirs))) == dumps_yaml(
        {**ours, "datasets": [{"name": "x"}]}
    )


def test_a_lock_file_that_both_sides_add(tmp_path: Path) -> None:
    ours, theirs = lock(a={"cmd": "ours"}), lock(a={"cmd": "theirs"}, b={"cmd": "b"})
    assert merged_text(tmp_path, "", dumps_yaml(ours), dumps_yaml(theirs)) == dumps_yaml(
        lock(a={"cmd": "ours"}, b={"cmd": "b"})
    )


WHOLE = dumps_yaml(lock(a={"cmd": "a"}))
DAMAGED = {
    "conflict markers": f"<<<<<<< HEAD\n{WHOLE}=======\n{WHOLE}>>>>>>> other\n",
    "cut": WHOLE[:-6],
    "empty": "",
    "a list": "- a\n",
    "no entry": "schema: '2.0'\nstages:\n  a: 5\n",
    "another schema": WHOLE.replace("2.0", "3.0"),
    "twice": WHOLE + "  a:\n    cmd: b\n",
    "a tag": "!!python/object:os.system {}\n",
    "deep": "[" * 500,
    "not text": "\x00",
}


@pytest.mark.parametrize(
    ("damage", "side"),
    [(damage, "of their side") for damage in DAMAGED]
    # An empty base is how git says that both sides added the file.
    + [("conflict markers", "where both sides began"), ("conflict markers", "of our side"), ("empty", "of our side")],
)
def test_a_damaged_side_is_one_line_and_nothing_is_written(damage: str, side: str, tmp_path: Path) -> None:
    texts = {"where both sides began": WHOLE, "of our side": WHOLE, "of their side": WHOLE, side: DAMAGED[damage]}
    with pytest.raises(UserError, match=rf"^dvc\.lock {side}: expected a lock file as DVC writes it, got: ") as line:
        merged_text(tmp_path, *texts.values())
    assert str(line.value).endswith(
        ": take one side of it whole, git checkout --ours -- dvc.lock, then make check && dvc repro"
    )
    assert (tmp_path / "ours").read_text(encoding="utf-8") == texts["of our side"]


# ---- git

LOCK = {name: {"cmd": name, "deps": [{"path": "code", "md5": "0"}], "outs": [{"path": "x", "md5": "0"}]} for name in "abc"}

PEOPLE = ("AUTHOR", "COMMITTER")
IDENTITY = {f"GIT_{who}_{key}": value for who in PEOPLE for key, value in (("NAME", "Test"), ("EMAIL", "test@localhost"))}


@pytest.fixture
def repository(tmp_path: Path) -> Project:
    """Return a repository of lock files and metrics, on branch `ours`, whose entries `a` and `c` differ from `theirs`.

    Set-up has run, .venv is there, and no environment is active.
    """
    project = Project(tmp_path / "project")
    for name in (".gitattributes", ".githooks", "Makefile", "hourglass", "stages"):
        source, target = ROOT / name, project.folder / name
        shutil.copytree(source, target) if source.is_dir() else (
            target.parent.mkdir(parents=True, exist_ok=True),
            shutil.copy2(source, target),
        )
    interpreter = project.folder / ".venv/bin/python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    interpreter.chmod(0o755)
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


def commit(folder: Path, entries: Entries, metrics: dict[str, object]) -> None:
    """Commit lock files of these entries, and metrics."""
    for name in ("dvc.lock", "groups/dvc.lock"):
        (folder / name).parent.mkdir(exist_ok=True)
        dump_yaml(str(folder / name), lock(**entries))
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
    assert len(said) == len([line for line in said if line.startswith(("Auto-merging", "CONFLICT", "Automatic", "error"))])
    assert git(repository.folder, "diff", "--name-only", "--diff-filter", "U") == "dvc.lock\n"
    assert path.read_bytes() == before


def test_without_dvc_there_is_one_line_and_no_mixture(repository: Project) -> None:
    (repository.folder / ".venv/bin/python").unlink()
    said = git(repository.folder, "merge", "theirs", status=1)
    assert "error: dvc.lock: expected DVC in .venv, to merge it by whole entries, got none: make check && git" in said
    assert "Traceback" not in said
    assert sides(repository.folder) == of("ours", "theirs", "ours") | {name: ["ours", "b", "ours"] for name in ("dvc.lock", "groups/dvc.lock")}


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
        done = subprocess.run(["make", "merging"], cwd=archive, capture_output=True, text=True, check=True)
        assert done.stdout + done.stderr == ""
    assert (outer / ".git/config").read_bytes() == before
    assert not (outer / ".git/info/attributes").exists()
