"""Merge a file of entries into params.yaml, in DVC's style: `make add FILE=docs/iiitm.yaml`."""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hourglass.config.document import Params
from hourglass.config.messages import shown
from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from hourglass.files import whole_file
from stages.paths import PARAMS


def main(file: Path) -> None:
    """Write the entries into params.yaml, if all of it then passes the check."""
    # DVC's own writer: a later `dvc exp run -S` changes its one line alone, and comments stay where they are.
    from dvc.utils.serialize import modify_yaml

    entries = Params.load(file).values
    for section, values in entries.items():
        if not isinstance(values, Mapping):
            raise UserError(f"{file}: expected a section of entries in {section}, got {shown(values)}")
    clashes = find_clashes(Params.load(PARAMS).values, entries)
    if clashes:
        raise UserError(f"{file}: expected new entries, got some that {PARAMS} has: {', '.join(clashes)}")
    with put_back_unless_whole(PARAMS):
        with modify_yaml(str(PARAMS)) as params:
            merge(params, entries)
        # In a process of its own: scripts do not import each other.
        if subprocess.run([sys.executable, "-m", "stages.check"], check=False).returncode:
            raise UserError(
                f"{file}: expected entries that pass the check, got the mistakes above, in the lines of both files put "
                f"together: {PARAMS} is as it was"
            )
    print(f"added {', '.join(names(entries))} to {PARAMS}", flush=True)


@contextmanager
def put_back_unless_whole(file: Path) -> Iterator[None]:
    """Write a file as it was before the block if that raises, when it is interrupted too."""
    before = file.read_bytes()
    try:
        yield
    except BaseException:
        with whole_file(file) as partial:
            partial.write_bytes(before)
        raise


def find_clashes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the dotted paths of the values that both have."""
    clashes = []
    for key in filter(old.__contains__, new):
        where = f"{path}{key}"
        if isinstance(old[key], Mapping) and isinstance(new[key], Mapping):
            clashes += find_clashes(old[key], new[key], f"{where}.")
        else:
            clashes.append(where)
    return clashes


def merge(old: MutableMapping[str, Any], new: Mapping[str, Any]) -> None:
    """Add all values of `new`, in place; sections that both have are merged in turn."""
    for key, value in new.items():
        if isinstance(old.get(key), MutableMapping) and isinstance(value, Mapping):
            merge(old[key], value)
        else:
            old[key] = value


def names(entries: Mapping[str, Any]) -> list[str]:
    """Return the dotted names of entries: models.<name>, ..."""
    return [f"{section}.{name}" for section, values in entries.items() for name in values]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.tools.add", description=str(__doc__))
    parser.add_argument("file", type=Path, help="a YAML file with the sections of params.yaml")
    arguments = parser.parse_args()
    with guarded():
        main(arguments.file)
