"""Read one NumPy array of images, (N, H, W) grey or (N, H, W, C)."""

from pathlib import Path

import numpy as np

from stages.common.errors import UserError
from stages.datasets.raw import RawImages, Target, numbered, only_file, to_bytes


def read(folder: Path, _: Target, white: float, count: int | None) -> RawImages:
    """Read the one .npy in `folder`; `white` is the value of a white pixel, `count` takes only the first so many."""
    path = only_file(folder, "*.npy")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: expected a NumPy array of numbers, got: {error}") from None
    if not isinstance(array, np.ndarray) or array.ndim not in (3, 4):
        came = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "an archive of arrays"
        raise UserError(f"{path}: expected an array of shape (N, H, W) or (N, H, W, C), got {came}")
    images = to_bytes(array[:count], white, path)
    return RawImages(images, numbered(path, len(images)))
