"""Read a folder of image files, searched to any depth."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.datasets.images import SUFFIXES, Decoder
from stages.datasets.raw import RawImages, Target
from stages.errors import UserError
from stages.files import litter


def read(
    folder: Path,
    target: Target,
    labels: str,
    pattern: str | None,
    test: str | None,
    resize: str,
    resample: str,
) -> RawImages:
    """List the images in `folder`; they are decoded when they are asked for.

    `labels` says where classes come from: "folder" (the parent folder's name), "pattern" or "none". `pattern` is a
    regular expression that every file's name without suffix has to match whole; its named groups `label` and `group`
    give the class and who is in the picture. `test` is one that is searched in paths: what it finds are the publisher's
    test images. `resize` and `resample` are those of `stages.datasets.images.Decoder`.
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
    paths = sorted(path for path in _walk(folder) if path.suffix.lower() in SUFFIXES and not litter(path.name))
    if not paths:
        raise UserError(f"{folder}: expected images ({', '.join(SUFFIXES)}), found none")
    seen: dict[str, Path] = {}
    for path in paths:
        twin = seen.setdefault(str(path).casefold(), path)
        if twin is not path:
            raise UserError(
                f"expected names that differ by more than small and capital letters, got {twin} and {path}: rename one"
            )
    return paths


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UserError(f"expected a folder that can be read, got {error.filename}: {error.strerror}")

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names)


def _match(pattern: str, path: Path) -> re.Match[str]:
    match = re.fullmatch(pattern, path.stem)
    if match is None:
        raise UserError(f"{path}: expected a name that matches the pattern {pattern}, got {path.stem}")
    return match


def _labels(kind: str, paths: list[Path], matches: list[re.Match[str]]) -> list[str] | None:
    if kind == "none":
        return None
    labels = [match["label"] for match in matches] if kind == "pattern" else [path.parent.name for path in paths]
    return labels if len(set(labels)) > 1 else None  # one class tells nothing
