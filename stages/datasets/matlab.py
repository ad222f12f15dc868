"""Read images that are the columns of one variable in a MATLAB file, as Olivetti and Frey are published."""

from pathlib import Path

import numpy as np
import scipy.io

from stages.common.errors import UserError
from stages.datasets.raw import RawImages, Target, numbered, only_file, to_bytes


def read(
    folder: Path,
    target: Target,
    variable: str,
    white: float = 255,
    column_major: bool = False,
    images_per_class: int | None = None,
) -> RawImages:
    """Read `variable`, (height x width, N), of the one .mat in `folder`.

    `white` is the value of a white pixel. `column_major` says that a column holds its image column by column, MATLAB's
    order. With `images_per_class` the labels, who is in the picture too, are index // images_per_class.
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
