"""Tables of images as CSV files: what their classes are called stays the text that it is."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from hourglass.console.errors import UserError

TEXT = ("class", "label", "source", "split")  # columns of names: a class may be called "NA", "null" or "007"
DIGITS = 6  # significant ones; those beyond differ between machines


def read_table(path: Path, columns: Collection[str] = (), remedy: str = "write it again") -> pd.DataFrame:
    """Return a table whose columns of names are text, "" where a name is missing.

    Args:
        path: The file.
        columns: Those that have to be there.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: There is no such file, or it is no table, or lacks one of the columns.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: {remedy}") from None
    except ValueError as error:  # pandas' errors of parsers, and bytes that are no UTF-8
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected a table (CSV), got: {reason}: {remedy}") from None
    if missing := [column for column in columns if column not in table]:
        raise UserError(f"{path}: expected the columns {', '.join(columns)}, found no {', '.join(missing)}: {remedy}")
    return table


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the columns of a table, with Unix line ends everywhere and six significant digits."""
    table.to_csv(path, index=False, float_format=f"%.{DIGITS}g", lineterminator="\n", encoding="utf-8")
