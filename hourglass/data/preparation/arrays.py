"""Write and read the splits of a data set one image at a time: memory stays flat, however many there are."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from hourglass.data.prepared import Bytes, array_file, open_split


def write_split(path: Path, images: Iterable[Bytes], shape: tuple[int, ...]) -> None:
    """Write images (C, H, W) as one array of `shape` (N, C, H, W)."""
    with array_file(path, "|u1", shape) as file:
        for image in images:
            file.write(image.data)


def read_rows(path: Path) -> tuple[tuple[int, ...], Iterator[Bytes]]:
    """Return an array's shape (N, C, H, W) and an iterator over its images (C, H, W).

    For a pass over everything: a memory map would keep all that was read.
    """
    shape, end = open_split(path).shape, path.stat().st_size
    image_bytes = math.prod(shape[1:])

    def rows() -> Iterator[Bytes]:
        with path.open("rb") as file:
            file.seek(end - shape[0] * image_bytes)
            for _ in range(shape[0]):
                yield np.frombuffer(file.read(image_bytes), np.uint8).reshape(shape[1:])

    return shape, rows()
