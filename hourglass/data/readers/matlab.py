"""Read images that are the columns of one variable in a MATLAB file, as Olivetti and Frey are published."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hourglass.data.preparation
from hourglass.config.types import Count, Flag, Positive, Text
from hourglass.console.errors import UserError
from hourglass.data.preparation.labels import class_texts
from hourglass.data.preparation.raw import RawImages, Target, numbered, only_file, to_bytes

NEEDS_SIZE = True  # a column does not state how many values a line of its image has
PROGRAM = Path(hourglass.data.preparation.__file__).with_name("matlab_variable.py")
SECONDS, BYTES_A_SECOND = 60, 1 << 20  # for a variable: so many, and one more for so many bytes


def read(
    source: Path,
    target: Target,
    *,
    variable: Text,
    white: Positive | None = None,
    column_major: Flag = False,
    images_per_class: Count | None = None,
    label_variable: Text | None = None,
    class_names: tuple[Text, ...] | None = None,
) -> RawImages:
    """Read the one .mat in `source`.

    Args:
        source: The folder of the file, or the file.
        target: Its size is that of the images.
        variable: The name of the array that holds the images, (height x width, N), for example faces.
        white: The value of a white pixel, for example 1; by default 255, where values are that large.
        column_major: Whether a column holds its image column by column, MATLAB's order, and not row by row.
        images_per_class: Images that follow each other and have one label, index // images_per_class, which is their
            group too, for example 10; by default there are no labels.
        label_variable: The name of an array of N numbers, the labels, for example y; not with `images_per_class`.
        class_names: What the labels 0, 1, ... stand for, for example [cat, dog]; by default the numbers are the names.

    Raises:
        UserError: There is no such file or variable, or it does not hold images of that size or their labels.
    """
    if images_per_class and label_variable:
        raise UserError("expected `images_per_class` or `label_variable`, got both: remove one")
    path = only_file(source, "*.mat")
    columns = _load(path, variable)
    height, width = target.stated_size(path)
    if columns.ndim != 2 or columns.shape[0] != height * width:
        came = f"{columns.dtype} {columns.shape}"
        raise UserError(f"{path}: expected '{variable}' of {height * width} rows, got {came}")
    rows = to_bytes(columns.T, white, path)
    images = rows.reshape(-1, width, height).transpose(0, 2, 1) if column_major else rows.reshape(-1, height, width)
    count = len(images)
    numbers = np.arange(count) // images_per_class if images_per_class else None
    if label_variable:
        numbers = _load(path, label_variable).reshape(-1)
        if len(numbers) != count or numbers.dtype.kind not in "uif":
            raise UserError(
                f"{path}: expected '{label_variable}' of {count} numbers, got {numbers.dtype} {numbers.shape}"
            )
    labels = None if numbers is None else class_texts(numbers, path, class_names)
    return RawImages(images, numbered(path, count), labels, groups=labels if images_per_class else None)


def _load(path: Path, variable: str) -> NDArray[Any]:
    """Read one variable, in a process of its own; raise UserError if there is none, or the file is damaged."""
    seconds = SECONDS + path.stat().st_size / BYTES_A_SECOND
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "variable.npy"
        try:
            done = subprocess.run(  # noqa: S603  # this very interpreter, and a file of ours
                [sys.executable, "-P", PROGRAM, path.absolute(), variable, target],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"{path}: expected to read '{variable}' in {seconds:.0f} s, got no end of it") from None
        if not done.returncode:
            return np.load(target, mmap_mode="r", allow_pickle=False)  # stays, while it is used, without its name
    lines = done.stderr.decode(errors="replace").splitlines()
    if done.returncode < 0 or not lines:
        raise UserError(f"{path}: expected a MATLAB file up to version 7, got a damaged one, which SciPy crashes on")
    raise UserError(f"{path}: {lines[-1]}")
