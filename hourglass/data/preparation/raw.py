"""What every reader returns: images that are decoded when they are asked for, and what is known about each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.prepared import Bytes


class BadImageError(UserError):
    """A file that is no image, or not one that can be used."""


class Images(Protocol):
    """N images, each uint8 (H, W) or (H, W, C): an array, or anything that is indexed like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...  # noqa: ANN401


@dataclass(frozen=True)
class Target:
    """What prepared images are to be: `size` (height, width), None for that of the files; `color` gray or rgb."""

    size: tuple[int, int] | None
    color: str

    def stated_size(self, path: Path) -> tuple[int, int]:
        """Return `size`; raise UserError if there is none, for files that do not state it themselves."""
        if self.size is None:
            raise UserError(f"{path}: expected `size: [height, width]`, for a file that does not state it")
        return self.size


@dataclass(frozen=True)
class Annotations:
    """What is known about N images."""

    sources: Sequence[str]  # where each came from: a file's name, or file[index]
    labels: Sequence[str] | None = None  # the class of each
    groups: Sequence[str] | None = None  # who is in each: images of one group may be kept on one side of a split
    official_test: NDArray[np.bool_] | None = None  # (N,), which ones the publisher tests on

    @property
    def classes(self) -> list[str]:
        """All labels, each once, sorted."""
        return sorted(set(self.labels or ()))


@dataclass(frozen=True)
class RawImages:
    """N images in upstream order, and the fields of `Annotations`."""

    images: Images
    sources: Sequence[str]
    labels: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    official_test: NDArray[np.bool_] | None = None

    def annotations(self, indices: NDArray[np.int64]) -> Annotations:
        """Return what is known about the images at these indices."""

        def pick(values: Sequence[str]) -> list[str]:
            return [values[index] for index in indices]

        return Annotations(
            pick(self.sources),
            None if self.labels is None else pick(self.labels),
            None if self.groups is None else pick(self.groups),
            None if self.official_test is None else self.official_test[indices],
        )


def to_bytes(values: NDArray[np.number], white: float, where: Path) -> Bytes:
    """Scale gray values from 0 to `white` into bytes from 0 to 255; raise UserError if any lies outside."""
    if values.dtype.kind not in "buif":
        raise UserError(f"{where}: expected real numbers, got {values.dtype}")
    if white == 255 and values.size and values[:100].max() <= 1 and values.max() <= 1:
        raise UserError(
            f"{where}: expected values up to 255, got at most {values.max():g}: set `options: {{white: 1}}`"
        )
    if values.size and not (values.min() >= 0 and values.max() <= white):  # NaN fails both
        raise UserError(
            f"{where}: expected values from 0 to {white:g}, got {values.min():g} to {values.max():g}: "
            "set `options: {white: ...}`"
        )
    if values.dtype == np.uint8 and white == 255:
        return values.view(np.uint8)  # as it is, perhaps still on disk
    return np.rint(values * (255 / white)).astype(np.uint8)


def only_file(folder: Path, *patterns: str) -> Path:
    """Return the one file in `folder` that matches one of the patterns; raise UserError if there is not just one."""
    found = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    if len(found) != 1:
        raise UserError(f"{folder}: expected one {' or '.join(patterns)}, got {len(found)}: see `source`")
    return found[0]


def numbered(path: Path, count: int) -> list[str]:
    """Return a name for each image of one file: file[0], file[1], ..."""
    return [f"{path.name}[{index}]" for index in range(count)]
