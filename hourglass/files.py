"""Files and folders that are written whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"  # suffix of unfinished files; git and DVC ignore it


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that replaces `target` when the block ends well, and is removed when it raises."""
    partial = _partial(target)
    replaced = target.with_name(f".{target.name}.replaced{PARTIAL}")
    if replaced.exists() and not target.exists():  # a process was killed between the two renames below
        os.replace(replaced, target)
    _remove(replaced)
    partial.mkdir()
    try:
        with _named(target):
            yield partial
        if target.exists():
            os.replace(target, replaced)
        os.replace(partial, target)
        _remove(replaced)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a path, for a file or a new folder, that replaces `target` when the block ends well."""
    partial = _partial(target)
    try:
        with _named(target):
            yield partial
        os.replace(partial, target)
    finally:
        _remove(partial)


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Give errors of writing that name no file, such as that of a full disk, the name of `target`."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(target)
        raise


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _partial(target: Path) -> Path:
    """Return a free path beside `target`; what a killed process left there is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}{PARTIAL}")
    _remove(partial)
    return partial


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, 64 digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write `values` with sorted keys.

    Raises:
        ValueError: If a number is NaN or infinite, which JSON does not have.
    """
    text = json.dumps(values, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def rounded(value: float, digits: int = 6) -> float:
    """Round to significant digits; files in git hold 4, because the digits beyond differ between CPUs."""
    return float(f"{value:.{digits}g}")
