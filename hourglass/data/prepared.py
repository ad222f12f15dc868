"""Open the arrays of a prepared data set, and those that later stages make of one.

A data set is a folder with train.npy, val.npy and test.npy, each uint8 (N, C, H, W).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hourglass.console.errors import UserError

Bytes = NDArray[np.uint8]


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


def open_split(path: Path, remedy: str = "write it again") -> Bytes:
    """Open images memory-mapped, uint8 (N, C, H, W); raise as `open_array` does, and for any other type or shape."""
    images = open_array(path, remedy)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise UserError(f"{path}: expected uint8 (N, C, H, W), got {images.dtype} {images.shape}: {remedy}")
    return images


@contextmanager
def array_file(path: Path, dtype: str, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """Open a new .npy file whose rows are written one after the other; `dtype` as in the format, "|u1" say.

    Not a memory map: on a full disk that one dies of a bus error where this one raises OSError.
    """
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        yield file
