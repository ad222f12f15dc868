"""Read a table of images: a row each, its gray values line by line, then its label."""

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hourglass.config.types import Positive
from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import RawImages, Target, numbered, only_file, to_bytes

NEEDS_SIZE = True  # a row does not state how many values a line of its image has


def read(folder: Path, target: Target, *, white: Positive = 255) -> RawImages:
    """Read the one .csv or .csv.gz in `folder`.

    Args:
        folder: The upstream files.
        target: Its size is that of the images.
        white: The value of a white pixel.

    Raises:
        UserError: There is no such file, or it is no table of images of that size.
    """
    path = only_file(folder, "*.csv", "*.csv.gz")
    try:
        table = np.loadtxt(path, delimiter=",", ndmin=2)
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path}: expected a table of numbers, got: {error}") from None
    height, width = target.stated_size(path)
    if table.shape[1] != height * width + 1:
        raise UserError(
            f"{path}: expected {height * width} values and a label in a row for images of {height}x{width}, "
            f"got {table.shape[1]} columns"
        )
    images = to_bytes(table[:, :-1], white, path).reshape(-1, height, width)
    return RawImages(images, numbered(path, len(images)), labels=_labels(table[:, -1], path))


def _labels(column: NDArray[np.float64], path: Path) -> list[str]:
    """Return numbers as text, whole ones without a decimal point."""
    if not np.isfinite(column).all():
        raise UserError(f"{path}: expected a number as every row's label, got nan or infinity")
    return [str(int(label)) if label.is_integer() else repr(label) for label in column.tolist()]
