"""The SHA-256 of all tables and arrays in a folder, in its file SHA256SUMS, as `sha256sum --check` reads it."""

import re
from pathlib import Path

from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.files import sha256

SUMS = "SHA256SUMS"
SUFFIXES = (".csv", ".npy")


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS, after all other files."""
    lines = [f"{sha256(path)}  {path.name}\n" for path in _files(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def read_sums(folder: Path, remedy: str) -> dict[str, str]:
    """Return the SHA-256 of each table and array by its name, in the order of their names.

    Args:
        folder: The folder.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: There is no SHA256SUMS, or it is not as `write_sums` writes it.
    """
    path = folder / SUMS
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: {remedy}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected lines of a SHA-256 and a file's name, got: {error}: {remedy}") from None
    sums = {}
    for line in text.splitlines():
        if not re.fullmatch(r"[0-9a-f]{64}  [\w.-]+", line):
            raise UserError(f"{path}: expected lines of a SHA-256 and a file's name, got {line[:80]!r}: {remedy}")
        sums[line[66:]] = line[:64]
    return sums


def check_sums(folder: Path, remedy: str) -> list[str]:
    """Return the names of all tables and arrays in a folder, after a look at every byte.

    Args:
        folder: The folder.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: A file is missing, is not as it was written, or is none of those that were written.
    """
    sums, paths = read_sums(folder, remedy), _files(folder)
    if missing := sorted(sums.keys() - {path.name for path in paths}):
        raise UserError(f"expected {folder / missing[0]}, found none: {remedy}")
    with progress(sum(path.stat().st_size for path in paths), f"check {folder}", "B") as bar:
        for path in paths:
            got, expected = sha256(path), sums.get(path.name, "none")
            if got != expected:
                raise UserError(f"{path}: expected SHA-256 {expected}, got {got}: it is damaged: {remedy}")
            bar.update(path.stat().st_size)
    return list(sums)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
