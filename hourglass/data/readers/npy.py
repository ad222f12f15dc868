"""Read one NumPy array of images, (N, H, W) gray or (N, H, W, C)."""

from pathlib import Path

import numpy as np

from hourglass.config.types import Count, Positive
from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import RawImages, Target, numbered, only_file, to_bytes


def read(folder: Path, _target: Target, *, white: Positive = 255, count: Count | None = None) -> RawImages:
    """Read the one .npy in `folder`.

    Args:
        folder: The upstream files.
        white: The value of a white pixel.
        count: Take this many images, the first ones; by default all.

    Raises:
        UserError: There is no such file, or it is no array of images.
    """
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
