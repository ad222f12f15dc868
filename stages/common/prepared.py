"""The prepared data set: what `prepare` writes and every later stage reads.

data/prepared/<dataset>/
  train.npy val.npy test.npy   uint8 (N, C, H, W)
  labels.csv                   split,index,label,source
  counts.csv                   class,train,val,test
  meta.json                    shape, scale, classes, counts, copies, what was skipped, licence, citation
  preview.png                  images of every class, with their labels and splits
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stages.common.errors import UserError

Bytes = NDArray[np.uint8]


def open_array(path: Path, stage: str = "prepare") -> NDArray[Any]:
    """Open an array memory-mapped; if it is not there or damaged, say which stage makes it."""
    again = f"dvc repro --force {stage}@{path.parent.name}"
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: {again}") from None
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: expected a NumPy array, got: {error}: {again}") from None


def open_split(path: Path, stage: str = "prepare") -> Bytes:
    """Open one split, or what was made of one, memory-mapped: (N, C, H, W) uint8."""
    images = open_array(path, stage)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise UserError(f"{path}: expected uint8 (N, C, H, W), got {images.dtype} {images.shape}")
    return images


@contextmanager
def array_file(path: Path, dtype: str, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """Open a .npy of known shape, for its rows to be written one after the other.

    Not a memory map: on a full disk that one dies of a bus error where this one gets an OSError.
    """
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        yield file


def write_split(path: Path, images: Iterable[Bytes], shape: tuple[int, ...]) -> None:
    """Write images (C, H, W), one by one, as an array of `shape` (N, C, H, W)."""
    with array_file(path, "|u1", shape) as file:
        for image in images:
            file.write(image.data)


def read_rows(path: Path) -> tuple[tuple[int, ...], Iterator[Bytes]]:
    """Give an array's shape (N, C, H, W), and its images one by one without ever holding more than one of them.

    For a pass over everything: a memory map would keep all that it has touched.
    """
    shape, offset = open_split(path).shape, path.stat().st_size
    values = int(np.prod(shape[1:]))

    def rows() -> Iterator[Bytes]:
        with path.open("rb") as file:
            file.seek(offset - shape[0] * values)
            for _ in range(shape[0]):
                yield np.frombuffer(file.read(values), np.uint8).reshape(shape[1:])

    return shape, rows()
