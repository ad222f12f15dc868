"""Read a table of images: a row each, its grey values line by line, then its label."""

from pathlib import Path

import numpy as np

from stages.datasets.raw import RawImages, numbered, only_file, to_bytes
from stages.errors import UserError


def read(folder: Path, size: tuple[int, int], white: float) -> RawImages:
    """Read the one .csv or .csv.gz in `folder`; `white` is the value of a white pixel."""
    path = only_file(folder, "*.csv", "*.csv.gz")
    try:
        table = np.loadtxt(path, delimiter=",", ndmin=2)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path}: expected a table of numbers, got: {error}") from None
    height, width = size
    if table.shape[1] != height * width + 1:
        raise UserError(
            f"{path}: expected {height * width} values and a label in a row for images of {height}x{width}, "
            f"got {table.shape[1]} columns"
        )
    images = to_bytes(table[:, :-1], white, path).reshape(-1, height, width)
    return RawImages(images, numbered(path, len(images)), labels=[f"{label:g}" for label in table[:, -1]])
