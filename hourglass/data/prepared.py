"""Open the arrays of a prepared data set, and those that later stages make of one.

A data set is a folder with the folders train, val and test. Each is a split: images, in files of some of them that are
called shards, so that of a large set only the files that changed are stored and sent again.

train/train-00000.npy train/train-00001.npy ...   each uint8 (n, C, H, W)
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hourglass.console.errors import UserError

Bytes = NDArray[np.uint8]
MAPPED_AT_ONCE = 64  # shards: each that is mapped keeps a file open, and systems allow a process about a thousand


@dataclass(frozen=True)
class Shard:
    """A file of some of a split's images: `count` of them from byte `offset` on, one after the other."""

    path: Path
    offset: int
    count: int


class Split:
    """N images in shards, read as if they were one array: uint8 (N, C, H, W), memory-mapped.

    Args:
        shards: The files, in order.
        image_shape: (C, H, W), of every image.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, shards: Sequence[Shard], image_shape: tuple[int, ...]) -> None:
        self.shards = tuple(shards)
        self._starts = [0, *accumulate(shard.count for shard in shards)]  # the first index of each shard, and N
        self.shape = (self._starts[-1], *image_shape)
        self._map = lru_cache(MAPPED_AT_ONCE)(partial(_map, self.shards))

    @property
    def nbytes(self) -> int:
        """The bytes of all images."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Bytes]:
        for number in range(len(self.shards)):
            yield from self._map(number)

    def __getitem__(self, key: int | np.integer[Any] | slice | Sequence[int] | NDArray[np.integer[Any]]) -> Bytes:
        """Return one image (C, H, W), or those of a slice or of an array of indices (n, C, H, W).

        What lies in one shard is a view of the file, anything else a copy.
        """
        if len(self.shards) == 1:
            return self._map(0)[key]
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            return self._range(start, stop) if step == 1 else self._rows(np.arange(start, stop, step))
        if isinstance(key, int | np.integer):
            index = range(len(self))[key]  # which counts from the end, and raises IndexError, as an array does
            number = bisect_right(self._starts, index) - 1
            return self._map(number)[index - self._starts[number]]
        return self._rows(np.arange(len(self))[key])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all images as one array, a copy unless there is one shard."""
        images = self[:]
        return np.array(images, dtype=dtype, copy=copy if images.base is not None else None)

    def places(self, indices: NDArray[np.integer[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for images at indices from 0 to N - 1 the number of each one's shard, and its place in there."""
        starts = np.array(self._starts)
        numbers = np.searchsorted(starts, indices, side="right") - 1
        return numbers, indices - starts[numbers]

    def _range(self, start: int, stop: int) -> Bytes:
        """Return the images from `start` to `stop`."""
        if start >= stop:
            return np.empty((0, *self.shape[1:]), np.uint8)
        first, last = bisect_right(self._starts, start) - 1, bisect_left(self._starts, stop)
        parts = [
            self._map(number)[max(start - self._starts[number], 0) : stop - self._starts[number]]
            for number in range(first, last)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _rows(self, indices: NDArray[np.integer[Any]]) -> Bytes:
        """Return the images at indices of any order, shard by shard."""
        images = np.empty((len(indices), *self.shape[1:]), np.uint8)
        numbers, places = self.places(indices)
        for number in np.unique(numbers).tolist():
            here = numbers == number
            images[here] = self._map(number)[places[here]]
        return images


Images = Split | Bytes  # (N, C, H, W), wherever they lie


def _map(shards: Sequence[Shard], number: int) -> Bytes:
    """Map a shard into memory; as a plain array, whose slices cost less than those of np.memmap."""
    return open_images(shards[number].path).view(np.ndarray)


def open_array(path: Path, remedy: str = "write it again") -> NDArray[Any]:
    """Open a .npy file memory-mapped.

    Args:
        path: The file.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: There is no such file, or it is no NumPy array of numbers.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: {remedy}") from None
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: expected a NumPy array, got: {error}: {remedy}") from None


def open_images(path: Path, remedy: str = "write it again") -> Bytes:
    """Open images memory-mapped, uint8 (N, C, H, W); raise as `open_array` does, and for any other type or shape."""
    images = open_array(path, remedy)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise UserError(f"{path}: expected uint8 (N, C, H, W), got {images.dtype} {images.shape}: {remedy}")
    if not images.flags.c_contiguous:
        raise UserError(f"{path}: expected one image after the other, got Fortran's order: {remedy}")
    return images


def shard_path(folder: Path, number: int) -> Path:
    """Return the file of a shard; its name begins with that of the split's folder."""
    return folder / f"{folder.name}-{number:05}.npy"


def open_split(folder: Path, remedy: str = "write it again") -> Split:
    """Open a split as one array.

    Args:
        folder: The folder of its shards, which has the split's name.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: There is no shard, one is missing, or one is no array of images of the same shape as all others.
    """
    numbers = (path.stem.removeprefix(f"{folder.name}-") for path in folder.glob(f"{folder.name}-*.npy"))
    found = [int(number) for number in numbers if number.isdecimal()]
    shards: list[Shard] = []
    image_shape: tuple[int, ...] | None = None
    for number in range(max(found, default=0) + 1):
        path = shard_path(folder, number)
        images = open_images(path, remedy)
        image_shape = image_shape or images.shape[1:]
        if images.shape[1:] != image_shape:
            raise UserError(f"{path}: expected images of {image_shape}, as before it, got {images.shape[1:]}: {remedy}")
        assert isinstance(images, np.memmap)
        shards.append(Shard(path, images.offset, len(images)))
    assert image_shape is not None
    return Split(shards, image_shape)


@contextmanager
def array_file(path: Path, dtype: str, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """Open a new .npy file whose rows are written one after the other; `dtype` as in the format, "|u1" say.

    Not a memory map: on a full disk that one dies of a bus error where this one raises OSError.
    """
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        yield file
