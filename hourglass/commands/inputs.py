"""The files of a command line: found, named, and read one by one."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hourglass.codec.codec import Codec
from hourglass.codec.images import channels_last
from hourglass.coding.file import Size
from hourglass.coding.quantizer import Latents
from hourglass.commands.options import plural
from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.data.folders.listing import files_below
from hourglass.data.names import is_printable
from hourglass.data.preparation.raw import BadImageError
from hourglass.data.prepared import Bytes
from hourglass.inference.batches import batch_size
from hourglass.natural import natural_key

Files = Mapping[str, Path]  # name, with "/", -> where the file is


@dataclass
class Batch:
    """Images as the model takes them.

    Attributes:
        names: Of the images.
        pixels: uint8 (N, H, W), or (N, H, W, C) of color images.
        sizes: The size that each had, None where that was the model's.
    """

    names: list[str] = field(default_factory=list)
    pixels: list[Bytes] = field(default_factory=list)
    sizes: list[Size | None] = field(default_factory=list)


def find_files(given: Sequence[Path], suffixes: tuple[str, ...], skip_bad: bool = False) -> Files:
    """Return the files that are given, and those below the folders that are.

    A file is named after itself. One below a folder is named by its path in there, which begins with the folder's own
    name if more than that one folder is given. Those below a folder whose names no table can have are left out if
    `skip_bad`.

    Raises:
        UserError: There are none, one cannot be read, or two of the same name are different files.
    """
    files: dict[str, Path] = {}
    for path in given:
        top = f"{Path(os.path.abspath(path)).name}/" if len(given) > 1 else ""
        below = _below(path, suffixes, skip_bad) if path.is_dir() else None
        for name, file in [(path.name, path)] if below is None else [(top + name, path / name) for name in below]:
            if not is_printable(name):
                raise UserError(f"expected names of printable characters, got {os.fspath(file)!r}: rename it")
            if name in files and os.path.abspath(files[name]) == os.path.abspath(file):
                continue
            if name in files:
                raise UserError(f"expected names that differ, got {files[name]} and {file}: name the folder above them")
            if below is None and not file.exists():  # one below a folder is a bad image
                raise UserError(f"expected a file or a folder, found no {file}")
            files[name] = file
    return files


def _below(folder: Path, suffixes: tuple[str, ...], skip_bad: bool) -> list[str]:
    hidden: list[str] = []
    names = list(files_below(folder, hidden))
    found = sorted((name for name in names if name.lower().endswith(suffixes)), key=natural_key)
    if not found:
        raise UserError(
            f"{folder}: expected files {', '.join(suffixes)}, found none among {plural(len(names), 'file')}"
        )
    if others := len(names) - len(found):
        note(f"{folder}: {plural(others, 'file')} of other types left aside")
    if skip_bad and (bad := [name for name in found if not is_printable(name)]):
        note(f"{folder}: {plural(len(bad), 'file')} skipped, of names with unprintable characters: {bad[0]!r}")
        found = [name for name in found if is_printable(name)]
    if hidden:
        note(f"{folder}: {len(hidden)} hidden files or folders left aside, for example {min(hidden)!r}")
    return found


class Skipped:
    """What is wrong with the files that are left out.

    Args:
        allowed: Whether any may be, as `--on-bad-image skip` says.
    """

    def __init__(self, allowed: bool) -> None:
        self.allowed = allowed
        self.reasons: list[str] = []

    def add(self, error: UserError) -> None:
        """Leave a file out; raise the error if none may be."""
        if not self.allowed:
            raise error
        self.reasons.append(str(error))

    def tell(self, total: int, what: str) -> None:
        """Print how many of `total` files were left out; raise UserError if all were."""
        count, first = len(self.reasons), next(iter(self.reasons), "")
        if count == total:
            raise UserError(f"expected at least one {what} that can be read, got none of {total:,}; the first: {first}")
        if count:
            note(f"{count:,} of {plural(total, what)} skipped; the first: {first}")


def read_images(codec: Codec, files: Files, skip_bad: bool, what: str) -> Iterator[Batch]:
    """Yield the images in batches of bounded memory, with a progress bar that `what` labels.

    At the end it prints, in a line each, which were skipped and how others were made as large as the model's.

    Raises:
        UserError: An image cannot be used and is not to be skipped, or none can be used.
    """
    images = codec.prepare([os.fspath(path) for path in files.values()])
    skipped, batch = Skipped(skip_bad), Batch()
    with progress(len(files), what, "image") as bar:
        for index, name in enumerate(files):
            try:
                pixels = images.prepared(index)
            except BadImageError as error:
                skipped.add(error)
                bar.update()
                continue
            batch.names.append(name)
            batch.pixels.append(channels_last(pixels))
            batch.sizes.append(images.sizes.get(index))
            if len(batch.names) == batch_size(codec.image_shape):
                yield batch
                bar.update(len(batch.names))
                batch = Batch()
        if batch.names:
            yield batch
            bar.update(len(batch.names))
    skipped.tell(len(files), "image")
    if change := images.change():
        note(change)


def encode_images(codec: Codec, files: Files, skip_bad: bool) -> tuple[list[str], Latents]:
    """Return the names and the latents (N, D) of all images: see `read_images`."""
    names: list[str] = []
    parts: list[Latents] = []
    for batch in read_images(codec, files, skip_bad, "encode"):
        names += batch.names
        parts.append(codec.transform(np.stack(batch.pixels)))
    return names, np.concatenate(parts)


def note(line: str) -> None:
    """Print a line that is no result."""
    print(f"note: {line}", file=sys.stderr)
