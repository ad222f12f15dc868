"""Open NumPy arrays of any origin: their bytes are counted before any header is believed."""

import math
import os
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from hourglass.data.preparation.raw import check_stays, unpacked_limit
from hourglass.data.prepared import DAMAGED_HEADER, Bytes

MAX_HEADER = 10_000  # bytes, as in NumPy itself
PIECE = 1 << 22  # bytes


class Header(NamedTuple):
    """What the beginning of a .npy says of the values behind it."""

    shape: tuple[int, ...]
    order: str
    dtype: np.dtype[Any]
    offset: int  # of the first value, in bytes


class MappedImages:
    """Images, (N, H, W) or (N, H, W, C), of a memory-mapped file: reading what was cut off meanwhile is a signal."""

    def __init__(self, images: Bytes, path: Path, state: tuple[int, int]) -> None:
        self.images, self.path, self.state = images, path, state

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int, /) -> Bytes:
        check_stays(self.path, os.stat(self.path), self.state)
        return self.images[index]


def open_mapped(path: Path) -> NDArray[Any]:
    """Open a .npy memory-mapped; raise ValueError if it is none, or not as long as it says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _header(file, size)
        return np.memmap(file, header.dtype, "r", header.offset, header.shape, header.order)  # type: ignore[call-overload]


def read_member(path: Path, name: str) -> NDArray[Any]:
    """Read a .npy of an archive; raise ValueError or what zipfile raises if it is none, or is damaged."""
    with ZipFile(path) as archive:
        size = archive.getinfo(name).file_size
        if size > (limit := unpacked_limit(path)):
            raise ValueError(f"{size:,} bytes, unpacked, while at most {limit:,} are read: save it without compression")
        with archive.open(name) as file:
            header = _header(file, size)
        values = bytearray()
        with archive.open(name) as file:
            file.read(header.offset)
            while piece := file.read(PIECE):  # to the end, where zipfile compares the checksum
                values += piece
    return np.frombuffer(values, header.dtype).reshape(header.shape, order=header.order)  # type: ignore[call-overload]


def _header(file: BinaryIO | Any, size: int) -> Header:  # noqa: ANN401  # a member of an archive is no BinaryIO
    """Read a header, of a file of `size` bytes; raise ValueError if it is damaged, or they are not as many."""
    start = BytesIO(file.read(12 + MAX_HEADER))
    try:
        version = np.lib.format.read_magic(start)
        if version not in ((1, 0), (2, 0)):  # others name the fields of structures
            raise ValueError(f"version {version} of the format")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(start, max_header_size=MAX_HEADER)
        expected = start.tell() + math.prod(shape) * dtype.itemsize
    except DAMAGED_HEADER as error:
        raise ValueError(f"a damaged header ({type(error).__name__})") from None
    if dtype.hasobject:
        raise ValueError("objects of Python")
    if any(type(side) is not int or side < 1 for side in shape) or not dtype.itemsize:
        raise ValueError(f"no values: {dtype} {shape}")
    if expected != size:
        raise ValueError(f"{size:,} bytes, while its header says {expected:,}")
    return Header(shape, "F" if is_fortran else "C", dtype, start.tell())
