"""The merge driver for lock files: what holds of any entries, and what it reads and writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc.utils.serialize import dump_yaml, dumps_yaml, load_yaml, modify_yaml

from hourglass.console.errors import UserError
from stages.tools import merge_lock
from stages.tools.merge_lock import merge

from .conftest import ROOT

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
    for name, text in (("base", base), ("ours", ours), ("theirs", theirs)):
        (folder / name).write_text(text, encoding="utf-8")
    merge_lock.main(folder / "base", folder / "ours", folder / "theirs", "dvc.lock")
    return (folder / "ours").read_text(encoding="utf-8")


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
