"""Tables of images as CSV files: what their classes are called stays the text that it is."""

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hourglass.config.messages import shown
from hourglass.console.errors import UserError

TEXT = ("class", "codec", "label", "source", "split")  # columns of names: a class may be called "NA", "null" or "007"
NEVER_EMPTY = ("source", "split")  # of those
DIGITS = 6  # significant ones; those beyond differ between machines


def read_table(path: Path, columns: Collection[str] = (), remedy: str = "write it again") -> pd.DataFrame:
    """Return a table whose columns of names are text, "" where a name is missing, and all others finite numbers.

    Args:
        path: The file.
        columns: Those that have to be there.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: There is no such file, or it is no table of such values, has no rows, or lacks one of the columns.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: {remedy}") from None
    except OSError as error:
        raise UserError(f"{path}: expected a table (CSV), got: {error.strerror}: {remedy}") from None
    except ValueError as error:  # pandas' errors of parsers, and bytes that are no UTF-8
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected a table (CSV), got: {reason}: {remedy}") from None
    require_columns(path, table, columns, remedy)
    _check_values(path, table, remedy)
    return table


def require_columns(path: Path, table: pd.DataFrame, columns: Collection[str], remedy: str) -> None:
    """Raise UserError if the table in `path` lacks one of the columns."""
    if missing := [column for column in columns if column not in table]:
        raise UserError(f"{path}: expected the columns {', '.join(columns)}, found no {', '.join(missing)}: {remedy}")


def require_rows(path: Path, numbers: "pd.Series[int]", expected: range, remedy: str) -> None:
    """Raise UserError unless the rows of the table in `path` are numbered as expected, none missing, in this order."""
    if not np.array_equal(numbers, expected):
        rows = f"{len(expected)} rows with {numbers.name} {expected.start} to {expected.stop - 1}"
        raise UserError(f"{path}: expected {rows} in this order, got {len(numbers)} rows of others: {remedy}")


def _check_values(path: Path, table: pd.DataFrame, remedy: str) -> None:
    if not len(table) or not isinstance(table.index, pd.RangeIndex):  # of values without a heading pandas makes another
        got = "values beyond the last heading" if len(table) else "no row"
        raise UserError(f"{path}: expected rows with a value for each heading, got {got}: {remedy}")
    for name, values in table.items():
        wrong = _wrong(str(name), values)
        if wrong.any():
            row, what = int(wrong.argmax()), "text" if name in TEXT else "a finite number"
            got = shown(values.iloc[row])
            raise UserError(f"{path}: expected {what} as {name} in row {row + 1}, got {got}: {remedy}")


def _wrong(name: str, values: "pd.Series[Any]") -> NDArray[np.bool_]:
    """Return which values of a column are none of the kind that it has to hold."""
    if name in TEXT:
        return (values.isna() | ((values == "") & (name in NEVER_EMPTY))).to_numpy(bool)
    if values.dtype.kind in "iuf":
        return ~np.isfinite(values.to_numpy())
    wrong = ~values.map(_is_finite).to_numpy(bool)
    return wrong if wrong.any() else ~wrong  # such as true and false, or more digits than a number has


def _is_finite(value: object) -> bool:
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the columns of a table, with Unix line ends everywhere and six significant digits."""
    table.to_csv(path, index=False, float_format=f"%.{DIGITS}g", lineterminator="\n", encoding="utf-8")
