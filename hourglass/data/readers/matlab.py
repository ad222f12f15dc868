"""Read images that are the columns of one variable in a MATLAB file, as Olivetti and Frey are published."""

from pathlib import Path

import numpy as np
import scipy.io

from hourglass.config.types import Count, Flag, Positive, Text
from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import RawImages, Target, numbered, only_file, to_bytes

NEEDS_SIZE = True  # a column does not state how many values a line of its image has


def read(
    folder: Path,
    target: Target,
    *,
    variable: Text,
    white: Positive = 255,
    column_major: Flag = False,
    images_per_class: Count | None = None,
) -> RawImages:
    """Read the one .mat in `folder`.

    Args:
        folder: The upstream files.
        target: Its size is that of the images.
        variable: The name of the array that holds the images, (height x width, N).
        white: The value of a white pixel.
        column_major: Whether a column holds its image column by column, MATLAB's order, and not row by row.
        images_per_class: Images that follow each other and have one label, index // images_per_class, which is their
            group too; by default there are no labels.

    Raises:
        UserError: There is no such file or variable, or it does not hold images of that size.
    """
    path = only_file(folder, "*.mat")
    try:
        contents = scipy.io.loadmat(path, variable_names=[variable])
    except OSError:
        raise
    except Exception as error:  # whatever scipy stumbles over in a damaged file: it raises a dozen kinds
        raise UserError(f"{path}: expected a MATLAB file up to version 7, got: {error}") from None
    if variable not in contents:
        names = ", ".join(name for name, _, _ in scipy.io.whosmat(path))
        raise UserError(f"{path}: expected the variable '{variable}', got: {names or 'none'}")
    columns = contents[variable]
    height, width = target.stated_size(path)
    if not isinstance(columns, np.ndarray) or columns.ndim != 2 or columns.shape[0] != height * width:
        came = f"{columns.dtype} {columns.shape}"
        raise UserError(f"{path}: expected '{variable}' of {height * width} rows, got {came}")
    rows = to_bytes(columns.T, white, path)
    images = rows.reshape(-1, width, height).transpose(0, 2, 1) if column_major else rows.reshape(-1, height, width)
    count = len(images)
    labels = [str(index // images_per_class) for index in range(count)] if images_per_class else None
    return RawImages(images, numbered(path, count), labels, groups=labels)
