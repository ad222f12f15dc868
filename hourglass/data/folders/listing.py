"""List the images below a folder: a million of them, so names are kept as text."""

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hourglass.console.errors import UserError
from hourglass.data.folders.patterns import limited
from hourglass.data.manifest import check_unchanged, read_manifest
from hourglass.data.names import SUFFIXES, find_alike, find_clash, is_hidden, is_litter, is_printable
from hourglass.natural import natural_key

METADATA = ("metadata.csv", "metadata.jsonl")  # what Hugging Face's ImageFolder puts beside images
EXPECTED_BESIDE = (*METADATA, "manifest.csv")


@dataclass(frozen=True)
class Listing:
    """The images below a folder, in natural order.

    Attributes:
        root: The folder.
        names: The path of each image below it, with "/".
        metadata: The paths below it of the files that describe images.
        hashes: For each image what changes when its file does, where that is known.
        aside: The paths below it of images that were not asked for.
    """

    root: Path
    names: Sequence[str]
    metadata: Sequence[str] = ()
    hashes: Sequence[str] | None = None
    aside: Sequence[str] = ()


def list_images(source: Path, only: str | None = None) -> Listing:
    """List the images below a folder, or those that a manifest names; of these the ones whose paths `only` finds.

    Raises:
        UserError: There are none, a folder cannot be read, or names are not printable or could be mixed up.
    """
    listing = _of_manifest(source) if source.is_file() else _of_folder(source)
    if only is not None:
        listing = _without_others(listing, only)
    for name in listing.names:
        if not is_printable(name):  # bytes that are no UTF-8 are not printable either
            raise UserError(
                f"expected names of printable characters, got {os.path.join(listing.root, name)!r}: rename it"
            )
    if twins := find_alike(listing.names):
        one, other = (ascii(os.path.join(listing.root, name)) for name in twins)
        raise UserError(f"expected names that look different, got {one} and {other}: rename one")
    if twins := find_clash(listing.names):
        first, second = (listing.root / name for name in twins)
        raise UserError(f"expected names that differ by more than their capitals, got {first} and {second}: rename one")
    return listing


def _without_others(listing: Listing, only: str) -> Listing:
    """Leave aside what the regular expression does not find."""
    search = re.compile(only).search
    with limited("only", only, len(listing.names)):
        found = [search(name) is not None for name in listing.names]
    kept = [index for index, is_found in enumerate(found) if is_found]
    if not kept:
        raise UserError(
            f"{listing.root}: expected `only` to find some of the images, got {only}, which finds none of "
            f"{len(listing.names)}, for example {listing.names[0]}"
        )
    if others := [name for name, is_found in zip(listing.names, found, strict=True) if not is_found]:
        print(f"{listing.root}: {len(others)} images left aside, which `only` does not find, for example {others[0]}")
    names = [listing.names[index] for index in kept]
    hashes = None if listing.hashes is None else [listing.hashes[index] for index in kept]
    return replace(listing, names=names, hashes=hashes, aside=others)


def tell_what_is_hidden(folder: Path, hidden: Sequence[str]) -> None:
    """Print a line if files and folders were left aside because of their names."""
    if hidden:
        print(f"{folder}: {len(hidden)} hidden files or folders left aside, for example {min(hidden)!r}")


def _of_folder(folder: Path) -> Listing:
    hidden: list[str] = []
    files = list(files_below(folder, hidden))
    tell_what_is_hidden(folder, hidden)
    images = sorted(filter(_is_image, files), key=natural_key)
    if not images:
        raise UserError(f"{folder}: expected images ({', '.join(SUFFIXES)}), found none among {len(files)} files")
    beside = [name for name in files if name.rpartition("/")[2] in EXPECTED_BESIDE]
    if others := len(files) - len(images) - len(beside):
        print(f"{folder}: {others} files of other types left aside")
    return Listing(folder, images, sorted(filter(_is_metadata, beside), key=natural_key))


def _of_manifest(path: Path) -> Listing:
    if _is_image(path.name):
        raise UserError(f"{path}: expected a folder of images, or the manifest of one, got an image")
    manifest = read_manifest(path)
    images = [index for index, name in enumerate(manifest.paths) if _is_image(name)]
    above = posixpath.commonpath({"/" + posixpath.dirname(manifest.paths[index]) for index in images} or {"/"})
    top = len(above.strip("/"))  # which may be hidden itself
    hidden = [index for index in images if is_hidden(manifest.paths[index][top:])]
    if hidden:  # `hourglass manifest` did not list them
        tell_what_is_hidden(path, [manifest.paths[index] for index in hidden])
        images = sorted(set(images) - set(hidden))
    if not images:
        raise UserError(f"{path}: expected images ({', '.join(SUFFIXES)}), found none among {len(manifest.paths)} rows")
    beside = {name: known for name, known in zip(manifest.paths, manifest.hashes, strict=True) if _is_metadata(name)}
    for name, known_hash in beside.items():
        _check_metadata(manifest.root / name, name, known_hash)
    images.sort(key=lambda index: natural_key(manifest.paths[index]))
    return Listing(
        manifest.root,
        [manifest.paths[index] for index in images],
        sorted(beside, key=natural_key),
        [manifest.hashes[index] for index in images],
    )


def _check_metadata(path: Path, name: str, known_hash: str) -> None:
    """Raise UserError if a file that describes images is not as the manifest says: DVC does not see it."""
    try:
        check_unchanged(known_hash, name, str(path), path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: expected a file that can be read, got: {error.strerror}") from None


def files_below(folder: Path, hidden: list[str]) -> Iterator[str]:
    """Yield the paths below a folder of all its files; links to folders are followed, but none is entered twice.

    What operating systems leave is not among them, nor what begins with a dot, which is added to `hidden`.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f"expected a folder that can be read, got {error.filename}: {error.strerror}")

    top = os.fspath(folder)
    visited = set()
    for parent, folders, names in os.walk(top, onerror=refuse, followlinks=True):
        visited.add(os.path.realpath(parent))
        below = parent[len(top) :].replace(os.sep, "/").strip("/")
        start = f"{below}/" if below else ""
        hidden += [start + name for name in folders + names if is_hidden(name) and not is_litter(name)]
        folders[:] = [
            name
            for name in folders
            if not _is_aside(name) and os.path.realpath(os.path.join(parent, name)) not in visited
        ]
        yield from (start + name for name in names if not _is_aside(name))


def _is_aside(name: str) -> bool:
    return is_litter(name) or is_hidden(name)


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _is_metadata(name: str) -> bool:
    return name.rpartition("/")[2] in METADATA
