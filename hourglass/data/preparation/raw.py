"""What every reader returns: images that are read when they are asked for, and what is known about each."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.names import find_alike, is_printable
from hourglass.data.prepared import Bytes
from hourglass.natural import natural_key

DARK = 32  # where no value reaches this, white is hardly 255: it is 16 in scikit-learn's digits, for one
PIECE = 1 << 22  # values that are scaled at once
UNPACKED_BYTES = 1 << 30  # that any compressed file may unpack to; zeros shrink by 1,000, and so do bombs
UNPACKED_RATIO = 100  # times its own bytes that a larger one may: images hardly ever shrink by more
MAX_BYTES = 1 << 30  # of the file of one image, which is in memory as a whole
SHOWN = 40  # characters of a text that a message quotes


class BadImageError(UserError):
    """A file that is no image, or not one that can be used."""


@dataclass(frozen=True)
class EncodedImage:
    """The file of an image, not read and not decoded yet.

    Attributes:
        name: What messages call it.
        read: Returns its bytes; raises BadImageError if it is no file that can be read.
        known_hash: Changes when its bytes do, where that is known without reading them; "" if not.
        check: Called in place of `read` where the image is known by that hash: raises what `read` would.
    """

    name: str
    read: Callable[[], bytes]
    known_hash: str = ""
    check: Callable[[], None] | None = None


class Images(Protocol):
    """N images, each uint8 (H, W) or (H, W, C), or an `EncodedImage`: an array, or anything indexed like one."""

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
    official: Sequence[str] | None = None  # the publisher's split of each: train, val or test

    @property
    def classes(self) -> list[str]:
        """All labels, each once, in natural order."""
        return sorted(set(self.labels or ()), key=natural_key)


@dataclass(frozen=True)
class RawImages:
    """N images in upstream order, and the fields of `Annotations`.

    Raises:
        UserError: Two classes, or two groups, have names that look alike, or one has a name that cannot be printed.
    """

    images: Images
    sources: Sequence[str]
    labels: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    official: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for kind, names in (("classes", self.labels), ("groups", self.groups)):
            different = set(names or ())
            if twins := find_alike(different):
                first, second = map(ascii, sorted(twins))
                raise UserError(f"expected {kind} whose names look different, got {first} and {second}: rename one")
            if odd := [name for name in different if not is_printable(name)]:
                raise UserError(f"expected {kind} of printable characters, got {shown(min(odd))}")

    def annotations(self, indices: NDArray[np.int64]) -> Annotations:
        """Return what is known about the images at these indices."""

        def pick(values: Sequence[str]) -> list[str]:
            return [values[index] for index in indices]

        return Annotations(
            pick(self.sources),
            None if self.labels is None else pick(self.labels),
            None if self.groups is None else pick(self.groups),
            None if self.official is None else pick(self.official),
        )


def to_bytes(values: NDArray[np.number], white: float | None, where: Path) -> Bytes:
    """Scale gray values from 0 to `white`, by default 255, into bytes from 0 to 255.

    Raises:
        UserError: They are no real numbers, one lies outside, or all are so small that `white` must be another.
    """
    if values.dtype.kind not in "buif":
        raise UserError(f"{where}: expected real numbers, got {values.dtype}")
    if values.size:
        check_bounds(values.min(), values.max(), white, where)
        check_white(values.max(), white, where)
    return scaled(values, white)


def scaled(values: NDArray[np.number], white: float | None) -> Bytes:
    """Scale values that were checked."""
    white = white or 255
    if values.dtype == np.uint8 and white == 255:
        return values.view(np.uint8)  # as it is, perhaps still on disk
    made = np.empty(values.shape, np.uint8)
    rows = max(1, PIECE // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):  # in pieces: as numbers of eight bytes, all would be eight times as much
        made[start : start + rows] = np.rint(values[start : start + rows] * (255 / white))
    return made


def check_bounds(low: float, high: float, white: float | None, where: Path) -> None:
    """Raise UserError if values from `low` to `high` are not between 0 and `white`."""
    if low >= 0 and high <= (white or 255):  # NaN fails both
        return
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{where}: expected values from 0 to {white or 255:g}, got NaN or infinity: replace these")
    remedy = "undo the normalization that made values negative" if low < 0 else "set `options: {white: ...}`"
    raise UserError(f"{where}: expected values from 0 to {white or 255:g}, got {low:g} to {high:g}: {remedy}")


def check_white(high: float, white: float | None, where: Path) -> None:
    """Raise UserError if white is hardly 255, as all values are at most `high`."""
    got = (
        f"{where}: expected values up to 255, got at most {high:g}: set `options: {{white: {max(1, math.ceil(high))}}}`"
    )
    if white in (None, 255) and high <= 0:  # no other white would help
        raise UserError(f"{where}: expected images, got the value 0 everywhere: see `source`")
    if white in (None, 255) and high <= 1:
        raise UserError(got)
    if white is None and high < DARK:
        raise UserError(f"{got}, or `white: 255` if the images are that dark")


def shown(text: str) -> str:
    """Return a text of unknown origin for a message: in quotes, printable and not too long."""
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}...")


def regular(path: Path) -> Path:
    """Return the path of a file; raise UserError if it is a pipe or a device, which may have no end, or a folder."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path}: expected a regular file, got a folder, a pipe or a device")
    return path


def state_of(status: os.stat_result) -> tuple[int, int]:
    """Return what changes when a file is written: its size in bytes, and the time of that in nanoseconds."""
    return status.st_size, status.st_mtime_ns


def check_stays(path: Path, status: os.stat_result, state: tuple[int, int]) -> None:
    """Raise UserError if a file is no longer in the state in which it was when its images were listed."""
    if state_of(status) != state:
        raise UserError(f"{path}: expected a file that stays, got one that changed while it was read: try again")


def unpacked_limit(path: Path) -> int:
    """Return how many bytes a compressed file may unpack to: what has more is a bomb."""
    return max(UNPACKED_BYTES, UNPACKED_RATIO * path.stat().st_size)


def only_file(source: Path, *patterns: str) -> Path:
    """Return the one file in the folder `source` that matches one of the patterns, or `source` if it is such a file.

    Raises:
        UserError: There is not just one.
    """
    if source.is_file():
        if not any(source.match(pattern) for pattern in patterns):
            raise UserError(f"{source}: expected {' or '.join(patterns)}: see `format`")
        return source
    found = sorted({path for pattern in patterns for path in source.glob(pattern)})
    if len(found) != 1:
        got = f"{len(found)}, such as {found[0].name} and {found[1].name}" if found else "none"
        raise UserError(f"{source}: expected one {' or '.join(patterns)}, got {got}: see `source`")
    return regular(found[0])


def numbered(path: Path, count: int) -> list[str]:
    """Return a name for each image of one file: file[0], file[1], ..."""
    return [f"{path.name}[{index}]" for index in range(count)]
