"""Copy a file or a folder of this machine: regular files alone, and no folder into itself."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Never

from hourglass.data.names import is_litter, is_unstored, tell_aside
from hourglass.data.remote.bounded import MAX_MEMBERS, UnavailableError

PACKAGE = "package:"
CHUNK = 1 << 20  # bytes


def copy_local(address: str, target: Path, max_bytes: int) -> None:
    """Copy the file or folder at `address`, a path or package:<name>/<path>, to `target`.

    Raises:
        UnavailableError: It is not there, no regular file or folder, more than `max_bytes`, or holds `target`.
    """
    try:
        source = _locate(address)
    except OSError as error:
        raise UnavailableError(error.strerror) from None
    except (ValueError, RuntimeError) as error:  # NUL in a path; links that lead to each other
        raise UnavailableError(f"expected a path, got: {error}") from None
    if source.is_dir():
        _copy_folder(source, target, max_bytes)
    else:
        _copy_file(source, target, max_bytes, max_bytes)


def _locate(address: str) -> Path:
    """Return the path without links; one in a package, which is not imported, has to stay inside it.

    Links inside a package are its own: some installers make each of its files a link to their cache.
    """
    if not address.startswith(PACKAGE):
        return Path(address).resolve(strict=True)
    package, _, path = address.removeprefix(PACKAGE).partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError(f"the Python package {package} is not installed")
    if path.startswith("/") or ".." in Path(path).parts:
        raise UnavailableError(f"expected a path inside the Python package {package}, got one that leads out of it")
    return Path(spec.submodule_search_locations[0], path).resolve(strict=True)


def _copy_file(source: Path, target: Path, left: int, max_bytes: int) -> int:
    """Copy one file of at most `left` bytes, of `max_bytes` that may be copied in all, and return its size."""
    if not source.is_file():
        raise UnavailableError(f"expected a regular file, got a device, pipe or socket, {source}")
    with target.open("wb") as file:
        for chunk in _chunks(source):
            if file.tell() + len(chunk) > left:
                raise UnavailableError(f"expected at most {max_bytes:,} bytes (`max_bytes`), got more")
            file.write(chunk)
        return file.tell()


def _chunks(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise UnavailableError(f"{source}: {error.strerror}") from None


def _copy_folder(source: Path, target: Path, max_bytes: int) -> None:
    target.mkdir()
    aside: list[str] = []
    left, count = max_bytes, 0
    for path in _files_below(source, target.resolve(), aside):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        left -= _copy_file(path, copy, left, max_bytes)
        count += 1
        if count > MAX_MEMBERS:
            raise UnavailableError(f"expected at most {MAX_MEMBERS:,} files, got more: name the folder as a `source`")
    if not count:
        raise UnavailableError("expected a folder of files, got an empty one")
    tell_aside(str(source), aside)


def _files_below(source: Path, place: Path, aside: list[str]) -> Iterator[Path]:
    """Yield the files below a folder; links are followed, but no folder is entered twice, as when images are listed.

    Raises:
        UnavailableError: A folder cannot be read, or holds `place`, where the copy will be.
    """
    entered: set[Path] = set()
    for parent, folders, names in os.walk(source, followlinks=True, onerror=_refuse):
        folder = Path(parent)
        real = folder.resolve()
        if place.is_relative_to(real):
            raise UnavailableError(
                f"expected a folder outside of this project, got {folder}, which its copy would be in"
            )
        if real in entered:
            aside.append(str(folder))
            folders.clear()
            continue
        entered.add(real)
        left_aside = {name for name in folders + names if is_litter(name) or is_unstored(name)}
        aside += [str(folder / name) for name in sorted(left_aside)]
        folders[:] = sorted(set(folders) - left_aside)
        yield from (folder / name for name in sorted(names) if name not in left_aside)


def _refuse(error: OSError) -> Never:
    raise UnavailableError(f"{error.filename}: {error.strerror}")
