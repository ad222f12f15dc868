"""The list of a folder's images, for folders too large for DVC to walk: it sees this one file instead.

    path,size,mtime_ns            or      path,sha256
    cats/1.png,2311,1700000000000000000   cats/1.png,9f86d081...

Paths are relative to the manifest's own folder and below it, with "/". `hourglass manifest FOLDER` writes it.
"""

import csv
import hashlib
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hourglass.console.errors import UserError
from hourglass.data.names import is_printable

BY_TIME = ("path", "size", "mtime_ns")
BY_CONTENT = ("path", "sha256")
REMEDY = "run `hourglass manifest` again"
SHA256 = re.compile(r"[0-9a-f]{64}")
NUMBER = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True)
class Manifest:
    """Files below a folder, and for each what changes when the file does."""

    root: Path
    paths: Sequence[str]  # relative to `root`, with "/"
    hashes: Sequence[str]


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; raise UserError, which names the line, if it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = tuple(next(rows, []))
            if header not in (BY_TIME, BY_CONTENT):
                raise ValueError(f"expected the columns {','.join(BY_TIME)} or {','.join(BY_CONTENT)}")
            hashes: dict[str, str] = {}
            places: dict[str, str] = {}  # of each folder
            for row in rows:
                name = _checked(row, header)
                if name in hashes:
                    raise ValueError(f"expected every file once, got {name} again")
                if header == BY_CONTENT:
                    hashes[name] = _hash_of_content(row[1])
                    continue
                folder = posixpath.dirname(name)
                if folder not in places:
                    places[folder] = _place(path.parent / folder)
                hashes[name] = _hash_of_time(places[folder], *row)
    except OSError as error:
        raise UserError(f"{path}: expected a file that can be read, got: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a table (CSV), got: {error}: {REMEDY}") from None
    except ValueError as error:
        raise UserError(f"{path}, line {max(1, rows.line_num)}: {error}: {REMEDY}") from None
    return Manifest(path.parent, list(hashes), list(hashes.values()))


def check_unchanged(known_hash: str, name: str, path: str, data: bytes) -> None:
    """Raise UserError if a file is not what the manifest says.

    Args:
        known_hash: What `Manifest.hashes` has for it.
        name: What `Manifest.paths` has.
        path: The file.
        data: What is in it.
    """
    place = known_hash.partition(":")[0]
    if is_by_content(known_hash):
        now = _hash_of_content(hashlib.sha256(data).hexdigest())
    else:
        status = os.stat(path)
        now = _hash_of_time(place, name, str(status.st_size), str(status.st_mtime_ns))
    if now != known_hash:
        raise UserError(f"{path}: expected the file that the manifest lists, got a changed one: {REMEDY}")


def is_by_content(known_hash: str) -> bool:
    """Return whether what `Manifest.hashes` has for a file is of its content, not of its size and time."""
    return known_hash.startswith("sha256:")


def _checked(row: list[str], header: Sequence[str]) -> str:
    """Return the path in a row; raise ValueError if anything in it is wrong."""
    if len(row) != len(header):
        raise ValueError(f"expected {','.join(header)}, got {len(row)} values")
    name = row[0]
    if posixpath.normpath(name) != name or name.startswith(("/", "../")) or name in (".", ".."):
        raise ValueError(f"expected a path below the manifest's folder, got {name!r}")
    if not is_printable(name) or "\\" in name:
        raise ValueError(f"expected a path of printable characters with /, got {name!r}")
    kind = SHA256 if len(header) == 2 else NUMBER
    for column, value in zip(header[1:], row[1:], strict=True):
        if not kind.fullmatch(value):
            raise ValueError(f"expected {column} of {name}, got {value!r}")
    return name


def _place(folder: Path) -> str:
    """Return what tells a folder from all others: copies of it have files of the same names, sizes and times."""
    return hashlib.blake2b(os.fsencode(os.path.realpath(folder)), digest_size=8).hexdigest()


def _hash_of_time(place: str, name: str, size: str, mtime_ns: str) -> str:
    row = hashlib.blake2b(f"{name}\n{size}\n{mtime_ns}".encode(), digest_size=16)
    return f"{place}:{row.hexdigest()}"


def _hash_of_content(sha256: str) -> str:
    return f"sha256:{sha256}"
