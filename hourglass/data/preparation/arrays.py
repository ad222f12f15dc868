"""Write and read the splits of a data set one image at a time: memory stays flat, however many there are."""

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hourglass.data.prepared import Bytes, array_file, open_split, shard_path
from hourglass.data.sums import write_sums


def write_split(folder: Path, images: Iterable[Bytes], shards: NDArray[np.int64], image_shape: tuple[int, ...]) -> None:
    """Write a split, shard by shard.

    A shard without an image is an empty file, or none behind the last one that has images: one image more changes or
    adds one file of images.

    Args:
        folder: The folder of the split, which is made.
        images: N images (C, H, W), in the order of their shards (`shard_order`).
        shards: (N,), the shard of each, in the same order.
        image_shape: (C, H, W).

    Raises:
        ValueError: If `shards` are not in order, or `images` are not as many.
    """
    if (np.diff(shards) < 0).any():
        raise ValueError("expected images in the order of their shards")
    folder.mkdir()
    remaining = iter(images)
    for number, count in enumerate(np.bincount(shards, minlength=1).tolist()):
        with array_file(shard_path(folder, number), "|u1", (count, *image_shape)) as file:
            written = sum(file.write(image.data) for image in islice(remaining, count))
        if written != count * math.prod(image_shape):
            raise ValueError(f"expected {count} images of {image_shape} for shard {number}, got {written} bytes")
    if next(remaining, None) is not None:
        raise ValueError(f"expected {len(shards)} images, got more")
    write_sums(folder)


def read_rows(folder: Path) -> tuple[tuple[int, ...], Iterator[Bytes]]:
    """Return a split's shape (N, C, H, W) and an iterator over its images (C, H, W), shard by shard.

    For a pass over everything: a memory map would keep all that was read.
    """
    split = open_split(folder, verify=False)
    image_shape = split.shape[1:]
    image_bytes = math.prod(image_shape)

    def rows() -> Iterator[Bytes]:
        for shard in split.shards:
            with shard.path.open("rb") as file:
                file.seek(shard.offset)
                for _ in range(shard.count):
                    yield np.frombuffer(file.read(image_bytes), np.uint8).reshape(image_shape)

    return split.shape, rows()
