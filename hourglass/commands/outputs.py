"""Files that commands write: none in place of another unless that is meant, all of them or none."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from PIL import Image

from hourglass.console.command import deferred_signals
from hourglass.console.errors import UserError
from hourglass.data.names import SUFFIXES, find_clash, is_printable
from hourglass.data.prepared import Bytes
from hourglass.files import PARTIAL, whole_folder

# What makes a path of a name on Windows alone: elsewhere photos have such names, screenshot 12:30.png for one.
SPECIAL = frozenset("\\:" if os.name == "nt" else "")


def check_file(path: Path, suffixes: Sequence[str], force: bool) -> None:
    """Raise UserError unless a file of one of the suffixes can be written, before the work for it is done."""
    if path.suffix.lower() not in suffixes:
        raise UserError(
            f"{path}: expected a name that ends in {' or '.join(suffixes)}, got {path.suffix or 'no suffix'}"
        )
    if path.is_dir():
        raise UserError(f"{path}: expected the name of a file, got a folder: add a name to it")
    if path.exists() and not force:
        raise UserError(f"{path}: expected a new file, got one that exists: add --force to replace it")


@contextmanager
def into_folder(folder: Path, names: Iterable[str], force: bool) -> Iterator[Path]:
    """Yield a new folder, of which all files come into `folder` when the block ends well, and none when it raises.

    Args:
        folder: New, or one that may have other files.
        names: Of the files that may be written, to be refused before they are.
        force: Whether to replace files of the same names.

    Raises:
        UserError: There is a file of such a name.
    """
    _check_free(folder, names, force)
    if not folder.exists():
        with whole_folder(folder) as partial:
            yield partial
        return
    with _named(folder), TemporaryDirectory(dir=folder, prefix=".", suffix=PARTIAL) as staged:
        yield Path(staged)
        made = [path.relative_to(staged) for path in Path(staged).rglob("*") if path.is_file()]
        _check_free(folder, map(os.fspath, made), force)
        with deferred_signals():  # a moment, in which all of them come to their place
            for name in made:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged / name, folder / name)


def _check_free(folder: Path, names: Iterable[str], force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: expected a folder, got a file: name another")
    for name in names if folder.exists() else ():
        path = folder / name
        if path.is_dir():
            raise UserError(f"{path}: expected the name of a file, got a folder that exists: name another output")
        if path.exists() and not force:
            raise UserError(f"{path}: expected a new file, got one that exists: name another folder, or add --force")


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Give errors of writing that name no file, such as that of a full disk, the name of the folder."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(folder)
        raise


def renamed(names: Sequence[str], suffix: str) -> list[str]:
    """Return names of files that come from images of `names`: a.jpg -> a.png.

    All keep their old suffix too, a.jpg.png, if otherwise two would have the same name.

    Raises:
        UserError: Two names differ by no more than their capitals, which not every disk tells apart, or one is the
            folder of another.
    """
    changed = [_stem(name) + suffix for name in names]
    if find_clash(changed) or len(set(changed)) < len(changed) or _is_nested(changed):
        changed = [name + suffix for name in names]
    if twins := find_clash(changed):
        raise UserError(f"expected names that differ by more than their capitals, got {twins[0]} and {twins[1]}")
    if _is_nested(changed):
        raise UserError(f"expected names of which none is the folder of another, got {', '.join(changed[:3])}, ...")
    return changed


def _is_nested(names: Sequence[str]) -> bool:
    """Return whether one is the folder of another."""
    known = {name.lower() for name in names}
    return any(os.fspath(above).lower() in known for name in names for above in PurePosixPath(name).parents)


def _stem(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


def check_names(names: Sequence[str], source: Path) -> None:
    """Raise UserError unless names that come from a file are different paths below a folder."""
    for name in names:
        path = PurePosixPath(name)
        is_below = not path.is_absolute() and ".." not in path.parts and not SPECIAL.intersection(name)
        if not name or not is_printable(name) or not is_below:
            raise UserError(f"{source}: expected names of images below a folder, got {name!r}: write the file again")
        if path.as_posix() != name:
            raise UserError(f"{source}: expected names like {path.as_posix()!r}, got {name!r}: write the file again")
    if len(set(names)) < len(names):
        raise UserError(f"{source}: expected every name once, got {_repeated(names)!r} again: write the file again")


def _repeated(names: Sequence[str]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def write_file(path: Path, data: bytes) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def png(pixels: Bytes) -> bytes:
    """Return an image (H, W) or (H, W, C) uint8 as the bytes of a PNG file."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
