"""Read one NumPy array of images, (N, H, W) grey or (N, H, W, C)."""

from pathlib import Path

import numpy as np

from stages.datasets.raw import RawImages, numbered, only_file, to_bytes
from stages.errors import UserError


def read(folder: Path, size: tuple[int, int], white: float, count: int | None) -> RawImages:
    """Read the one .npy in `folder`; `white` is the value of a white pixel, `count` takes only the first so many."""
    path = only_file(folder, "*.npy")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)[:count]
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: expected a NumPy array of numbers, got: {error}") from None
    if array.ndim not in (3, 4) or array.shape[1:3] != size:
        raise UserError(
            f"{path}: expected (N, {size[0]}, {size[1]}) or (N, {size[0]}, {size[1]}, C), got {array.shape}"
        )
    return RawImages(to_bytes(array, white, path), numbered(path, len(array)))
