"""Read images that are the columns of one variable in a MATLAB file, as Olivetti and Frey are published."""

from pathlib import Path

import numpy as np
import scipy.io

from stages.datasets.raw import RawImages, numbered, only_file, to_bytes
from stages.errors import UserError


def read(
    folder: Path, size: tuple[int, int], variable: str, column_major: bool, images_per_class: int | None
) -> RawImages:
    """Read `variable`, (height x width, N), of the one .mat in `folder`.

    `column_major` says that a column holds its image column by column, MATLAB's order. With `images_per_class` the
    labels are index // images_per_class.
    """
    path = only_file(folder, "*.mat")
    try:
        contents = scipy.io.loadmat(path, variable_names=[variable])
    except (ValueError, TypeError, NotImplementedError, EOFError, OSError, scipy.io.matlab.MatReadError) as error:
        raise UserError(f"{path}: expected a MATLAB file up to version 7, got: {error}") from None
    if variable not in contents:
        names = ", ".join(name for name, _, _ in scipy.io.whosmat(path))
        raise UserError(f"{path}: expected the variable '{variable}', got: {names or 'none'}")
    columns = contents[variable]
    height, width = size
    if columns.ndim != 2 or columns.shape[0] != height * width:
        raise UserError(f"{path}: expected '{variable}' of {height * width} rows, got shape {columns.shape}")
    rows = to_bytes(np.asarray(columns).T, 255, path)
    images = rows.reshape(-1, width, height).transpose(0, 2, 1) if column_major else rows.reshape(-1, height, width)
    count = len(images)
    labels = [str(index // images_per_class) for index in range(count)] if images_per_class else None
    return RawImages(images, numbered(path, count), labels)
