"""Merge two versions of a dvc.lock by whole entries, never by lines: the merge driver `dvc-lock` of git.

An entry says what one run of a stage read and what came out. Lines of two runs would be a run that never was: the code
of one side with the result of the other, which DVC then calls up to date. A whole entry of either side is true, and DVC
runs the stage again unless the code, the parameters and the data of the merge are those of that entry.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from hourglass.files import whole_file

REMEDY = "take one side of it whole, git checkout --ours -- {name}, then make check && dvc repro"


def main(base: Path, ours: Path, theirs: Path, name: str) -> None:
    """Write the merged entries over the file of our side, as DVC writes them."""
    from dvc.utils.serialize import dumps_yaml

    sides = {"our side": ours, "their side": theirs}
    old = load(base, f"{name} where both sides began") if base.stat().st_size else {}  # empty, if both added it
    mine, other = (load(path, f"{name} of {side}") for side, path in sides.items())
    merged: dict[str, Any] = merge(old, mine, other)
    merged["stages"] = merge(old.get("stages", {}), mine["stages"], other["stages"])
    with whole_file(ours) as partial:
        partial.write_text(dumps_yaml(merged), encoding="utf-8")


def load(path: Path, name: str) -> dict[str, Any]:
    """Return all of a lock file, read as DVC reads it.

    Raises:
        UserError: It is damaged, or has conflict markers.
    """
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

    reason = "something else"
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"), name)
        if is_lock(values):
            return values
    except (RecursionError, UnicodeDecodeError, YAMLFileCorruptedError) as error:
        reason = str(error.__cause__ or error)
    raise UserError(
        f"{name}: expected a lock file as DVC writes it, got: {reason}: {REMEDY.format(name=name.partition(' ')[0])}"
    )


def is_lock(values: object) -> bool:
    """Return whether these are the schema of a lock file and its entries, each a section."""
    if not isinstance(values, Mapping) or values.get("schema") != "2.0":
        return False
    stages = values.get("stages")
    return isinstance(stages, Mapping) and all(isinstance(entry, Mapping) for entry in stages.values())


def merge(base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return every entry whole from one side: theirs where ours is unchanged, else ours.

    An entry that one side changed and the other removed is kept, as git keeps the file: `make prune` removes it.
    """
    merged = {}
    for name in {**ours, **theirs}:  # in our order, then what they added
        old, mine, other = base.get(name), ours.get(name), theirs.get(name)
        removed = mine is None and other != old
        kept = other if mine == old or removed else mine
        if kept is not None:
            merged[name] = kept
    return merged


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.tools.merge_lock", description=__doc__)
    for argument, kind in (("base", Path), ("ours", Path), ("theirs", Path), ("name", str)):
        parser.add_argument(argument, type=kind)
    arguments = parser.parse_args()
    with guarded():
        main(**vars(arguments))
