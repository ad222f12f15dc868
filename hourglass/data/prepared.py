"""Open the arrays of a prepared data set, and those that later stages make of one.

A data set is a folder with the folders train, val and test. Each is a split: images, in files of some of them that are
called shards, so that of a large set only the files that changed are stored and sent again.

train/train-00000.npy train/train-00001.npy ...   each uint8 (n, C, H, W)
train/SHA256SUMS                                  the SHA-256 of each, as `sha256sum --check` reads it
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hourglass.console.errors import UserError
from hourglass.data.sums import SUMS, check_sums, read_sums

Bytes = NDArray[np.uint8]
# What NumPy lets through of Python's own parser, which reads the header, and of sizes that no array can have.
DAMAGED_HEADER = (SyntaxError, TokenError, TypeError, OverflowError, RecursionError, MemoryError)
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


def open_array(
    path: Path, dtype: DTypeLike, shape: Sequence[int | None], remedy: str = "write it again"
) -> NDArray[Any]:
    """Open a .npy file memory-mapped.

    Args:
        path: The file.
        dtype: The type that its values have to have.
        shape: The sizes that it has to have, None for any.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: There is no such file, it is no NumPy array, or one of another type, of other sizes or other order.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # never a pickle, and no archive of arrays
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: {remedy}") from None
    except (OSError, ValueError, EOFError, *DAMAGED_HEADER) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected a NumPy array, got: {reason}: {remedy}") from None
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.dtype(dtype) or not fits:
        sizes = ", ".join("any" if size is None else str(size) for size in shape)
        raise UserError(f"{path}: expected {np.dtype(dtype)} ({sizes}), got {array.dtype} {array.shape}: {remedy}")
    if not array.flags.c_contiguous:
        raise UserError(f"{path}: expected one row after the other, got Fortran's order: {remedy}")
    if path.stat().st_size != array.offset + array.nbytes:
        extra = path.stat().st_size - array.offset - array.nbytes
        raise UserError(f"{path}: expected {array.nbytes:,} bytes of values, got {extra:,} more: {remedy}")
    return array


def open_images(path: Path, remedy: str = "write it again") -> Bytes:
    """Open images memory-mapped, uint8 (N, C, H, W); raise as `open_array` does."""
    return open_array(path, np.uint8, (None, None, None, None), remedy)


def shard_path(folder: Path, number: int) -> Path:
    """Return the file of a shard; its name begins with that of the split's folder."""
    return folder / f"{folder.name}-{number:05}.npy"


def open_split(folder: Path, remedy: str = "write it again", *, verify: bool = True) -> Split:
    """Open a split as one array, after a look at every byte: what a disk has changed is an error, not another result.

    Args:
        folder: The folder of its shards, which has the split's name.
        remedy: How to make it; ends the error message.
        verify: Whether to compare the files with SHA256SUMS.

    Raises:
        UserError: A shard is missing, is not as it was written, or has images of another shape than those before it.
    """
    names = check_sums(folder, remedy) if verify else list(read_sums(folder, remedy))
    paths = [shard_path(folder, number) for number in range(len(names))]
    if not names or names != [path.name for path in paths]:
        got = ", ".join(names[:3]) or "none"
        raise UserError(f"{folder / SUMS}: expected {shard_path(folder, 0).name} and so on, got {got}: {remedy}")
    shards: list[Shard] = []
    image_shape: tuple[int, ...] | None = None
    for path in paths:
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
