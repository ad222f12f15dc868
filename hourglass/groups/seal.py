"""The SHA-256 of every file in a folder and below it: what is damaged is found before it is shown."""

from collections.abc import Iterator
from pathlib import Path

from hourglass.console.errors import UserError
from hourglass.files import sha256

SEAL = "SHA256SUMS"


def write_seal(folder: Path) -> None:
    """Write SHA256SUMS, after all other files; `sha256sum --check` reads it."""
    (folder / SEAL).write_text("".join(_lines(folder)), encoding="utf-8")


def check_seal(folder: Path, again: str) -> None:
    """Look at every byte.

    Args:
        folder: The folder.
        again: How it is made; ends the error message.

    Raises:
        UserError: A file is missing, is not as it was written, or is none of those that were written.
    """
    try:
        sealed = (folder / SEAL).read_bytes().decode(errors="replace").splitlines(keepends=True)
    except OSError:
        raise UserError(f"expected {folder / SEAL}, found none: {again}") from None
    if different := sorted(set(sealed) ^ set(_lines(folder))):
        name = different[0].rstrip("\n").partition("  ")[2]
        raise UserError(f"{folder / name}: expected it as it was written, got another or none: it is damaged: {again}")


def _lines(folder: Path) -> Iterator[str]:
    """Yield a line for each file, in the order of their names."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / SEAL:
            yield f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n"
