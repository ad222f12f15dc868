"""Read a folder of image files, searched to any depth."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.common.errors import UserError
from stages.common.files import clash, litter
from stages.datasets.images import SUFFIXES, Decoder
from stages.datasets.raw import RawImages, Target


def read(
    folder: Path,
    target: Target,
    labels: str | None,
    pattern: str | None,
    test: str | None,
    resize: str,
    resample: str,
) -> RawImages:
    """List the images in `folder`; they are decoded when they are asked for.

    `pattern` is a regular expression that every file's name without suffix has to match whole; its named groups
    `label` and `group` give the class and who is in the picture. `labels` says where classes come from: "pattern" (the
    default if it has a label), "folder" (the name of the folder that an image lies in, the default if not) or "none".
    `test` is a regular expression that is searched in paths: what it finds are the publisher's test images. `resize`
    and `resample` are those of `stages.datasets.images.Decoder`.
    """
    paths = find_images(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    matches = [_match(pattern, path) for path in paths] if pattern else []
    return RawImages(
        images=FolderImages(paths, Decoder(target.size, target.color, resize, resample)),
        sources=names,
        labels=_labels(labels, paths, matches),
        groups=[match["group"] for match in matches] if matches and "group" in matches[0].groupdict() else None,
        official_test=np.array([bool(re.search(test, name)) for name in names]) if test else None,
    )


@dataclass(frozen=True)
class FolderImages:
    """Image files as a sequence of arrays, decoded when they are asked for."""

    paths: Sequence[Path]
    decoder: Decoder

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        return self.decoder(self.paths[index])


def find_images(folder: Path) -> list[Path]:
    """Find all image files below `folder`, sorted; raise UserError if there are none or if two could be mixed up."""
    files = [path for path in _walk(folder) if not litter(path.name)]
    paths = sorted((path for path in files if path.suffix.lower() in SUFFIXES), key=_natural)
    if not paths:
        raise UserError(f"{folder}: expected images ({', '.join(SUFFIXES)}), found none among {len(files)} files")
    if len(paths) < len(files):
        print(f"{folder}: {len(files) - len(paths)} files of other types left aside")
    for path in paths:
        if not str(path).isprintable():  # nor are bytes that are no UTF-8
            raise UserError(f"expected names of printable characters, got {str(path)!r}: rename it")
    if twins := clash(paths):
        raise UserError(
            f"expected names that differ by more than their capitals, got {twins[0]} and {twins[1]}: rename one"
        )
    return paths


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """Sort frame9 before frame10: neighbours in a video stay neighbours."""
    pieces = re.split(r"([0-9]+)", path.as_posix())
    return [(0, int(piece)) if piece.isdecimal() else (1, piece) for piece in pieces]


def _walk(folder: Path) -> Iterator[Path]:
    """Give all files below a folder, through links to folders too, but into none twice."""

    def refuse(error: OSError) -> None:
        raise UserError(f"expected a folder that can be read, got {error.filename}: {error.strerror}")

    visited = set()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        visited.add(os.path.realpath(parent))
        folders[:] = [name for name in folders if os.path.realpath(Path(parent, name)) not in visited]
        yield from (Path(parent, name) for name in names)


def _match(pattern: str, path: Path) -> re.Match[str]:
    match = re.fullmatch(pattern, path.stem)
    if match is None or None in match.groupdict().values():
        raise UserError(f"{path}: expected a name that matches the pattern {pattern}, got {path.stem}")
    return match


def _labels(kind: str | None, paths: list[Path], matches: list[re.Match[str]]) -> list[str] | None:
    if kind is None and matches and "label" in matches[0].groupdict():
        kind = "pattern"
    if kind == "none":
        return None
    labels = [match["label"] for match in matches] if kind == "pattern" else [path.parent.name for path in paths]
    return labels if len(set(labels)) > 1 else None  # one class tells nothing
