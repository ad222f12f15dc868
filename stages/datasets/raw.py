"""What every reader hands to `prepare`: images still on their way, and what is known about each of them.

A reader is a module `stages.datasets.<format>` with `read(folder, target, **options) -> RawImages`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.common.errors import UserError


class Images(Protocol):
    """N images, each uint8 (H, W) or (H, W, C): an array, or anything that is indexed like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...  # noqa: ANN401


@dataclass(frozen=True)
class Target:
    """What prepared images are to be: `size` (height, width), None for that of the files; `color` grey or rgb."""

    size: tuple[int, int] | None
    color: str

    def stated_size(self, path: Path) -> tuple[int, int]:
        """Give `size`, for files that do not tell it themselves."""
        if self.size is None:
            raise UserError(
                f"{path}: expected `size: [height, width]` in params.yaml, for a file that does not tell it"
            )
        return self.size


@dataclass(frozen=True)
class RawImages:
    """N images in upstream order."""

    images: Images
    sources: Sequence[str]  # where each came from: a file's name, or file[index]
    labels: Sequence[str] | None = None  # the class of each
    groups: Sequence[str] | None = None  # who is in each: images of one group may be kept on one side of a split
    official_test: NDArray[np.bool_] | None = None  # (N,), which ones the publisher tests on


def to_bytes(values: NDArray[np.number], white: float, where: Path) -> NDArray[np.uint8]:
    """Turn grey values from 0 to `white` into bytes from 0 to 255."""
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
    """Find the one file in `folder` that matches one of the patterns."""
    found = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    if len(found) != 1:
        raise UserError(f"{folder}: expected one {' or '.join(patterns)}, got {len(found)}: see `source`")
    return found[0]


def numbered(path: Path, count: int) -> list[str]:
    """Name the images of one file: file[0], file[1], ..."""
    return [f"{path.name}[{index}]" for index in range(count)]
