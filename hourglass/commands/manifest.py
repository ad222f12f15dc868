"""hourglass manifest FOLDER: list the images of a folder that is too large for DVC to walk."""

import argparse
import csv
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.data.folders.listing import METADATA, files_below, tell_what_is_hidden
from hourglass.data.manifest import BY_CONTENT, BY_TIME
from hourglass.data.names import SUFFIXES, is_printable
from hourglass.files import whole_file

SOME = 256  # files that a thread hashes at a time
DESCRIPTION = """\
List all images in FOLDER, and what tells whether each has changed, in one file. Name that file as the `source` of a
data set: DVC then looks at it alone, and not at every image. Run this again when images were added, changed or removed.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `manifest` to the commands."""
    parser = commands.add_parser(
        "manifest", help="list the images of a folder that is too large for DVC to walk", description=DESCRIPTION
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of images, searched to any depth")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the file to write, in FOLDER or above it, where FOLDER is a link or cannot be written to; by default "
        "FOLDER/manifest.csv",
    )
    parser.add_argument(
        "--sha256",
        action="store_true",
        help="tell changes by the content of every file, which reads all of it, and not by size and time: for files "
        "that are copied between machines",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the manifest that the command line asks for."""
    output = arguments.output or arguments.folder / "manifest.csv"
    count = write_manifest(arguments.folder, output, by_content=arguments.sha256)
    print(f"{output}: {count:,} files")


def write_manifest(folder: Path, output: Path, by_content: bool = False) -> int:
    """List the images below a folder, and files that describe them, in `output`; return how many there are.

    Raises:
        UserError: There is no such folder or no image in it, `output` is not in it or above it, or a file cannot be
            read or has a name that cannot be listed.
    """
    if not folder.is_dir():
        raise UserError(f"expected a folder of images, found no folder {folder}")
    root = Path(os.path.abspath(output)).parent  # links stay links: files are found through them
    try:
        prefix = Path(os.path.abspath(folder)).relative_to(root).as_posix()
    except ValueError:
        raise UserError(f"{output}: expected a file in {folder} or in a folder above it: see --output") from None
    hidden: list[str] = []
    files = filter(_is_listed, files_below(folder, hidden))
    names = sorted(f"{prefix}/{name}" if prefix != "." else name for name in files)
    tell_what_is_hidden(folder, hidden)
    if not any(name.lower().endswith(SUFFIXES) for name in names):
        raise UserError(f"{folder}: expected images ({', '.join(SUFFIXES)}), found none")
    for name in names:
        if not is_printable(name) or "\\" in name:
            raise UserError(f"expected names of printable characters without \\, got {name!r}: rename it")
    with whole_file(output) as partial_file, partial_file.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(BY_CONTENT if by_content else BY_TIME)
        writer.writerows(_with_progress(_by_content(root, names) if by_content else _by_time(root, names), len(names)))
    return len(names)


def _is_listed(name: str) -> bool:
    base = name.rpartition("/")[2]
    return base.lower().endswith(SUFFIXES) or base in METADATA


def _with_progress(rows: Iterable[tuple[Any, ...]], count: int) -> Iterator[tuple[Any, ...]]:
    with progress(count, "manifest", "file") as bar:
        for row in rows:
            bar.update()
            yield row


def _by_time(root: Path, names: list[str]) -> Iterator[tuple[str, int, int]]:
    for name in names:
        status = _status(root, name)
        yield name, status.st_size, status.st_mtime_ns


def _by_content(root: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the SHA-256 of each file, of many at a time: disks in a network are slow to answer."""
    parts = [names[start : start + SOME] for start in range(0, len(names), SOME)]
    with ThreadPoolExecutor() as pool:
        for part, hashes in zip(parts, pool.map(partial(_hashes, root), parts), strict=True):
            yield from zip(part, hashes, strict=True)


def _hashes(root: Path, names: list[str]) -> list[str]:
    hashes = []
    for name in names:
        _status(root, name)
        with open(os.path.join(root, name), "rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes


def _status(root: Path, name: str) -> os.stat_result:
    """Return a file's size and time; raise UserError if it is no file that can be read: a pipe never ends."""
    path = os.path.join(root, name)
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(f"{path}: expected a file that can be read, got: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: expected a regular file, got a pipe or a device: remove it")
    return status
