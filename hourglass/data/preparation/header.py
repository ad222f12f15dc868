"""Whether the first row of a table of images holds the names of its columns, as far as the rows alone tell."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from hourglass.console.errors import UserError
from hourglass.data.preparation.labels import NAMES, is_number
from hourglass.data.preparation.raw import shown

EITHER = "set `options: {header: true}` or `{header: false}`"
MANY = 4  # numbers in one cell: columns were not separated
SEPARATOR = re.compile(r"[;|\s]+")


def find_header(
    path: Path, rows: Sequence[Sequence[str]], header: bool | None, wanted: Sequence[str]
) -> tuple[list[str], bool]:
    """Return the first row as names, and whether it is a header; raise UserError if that is doubtful."""
    cells = rows[0]
    names = [cell.lstrip("# ") or f"Unnamed: {place}" for place, cell in enumerate(cells)]
    for row in rows[:2]:
        _check_cells(path, row, names)
    if header is None:
        words = [name for name, cell in zip(names, cells, strict=True) if not is_number(cell)]
        header = _is_header(path, [cell for cell in cells if is_number(cell)], words, wanted)
        if not header:
            _check_fractions(path, rows)
    if header and len(set(names)) < len(names):
        twin = next(name for place, name in enumerate(names) if name in names[:place])
        raise UserError(f"{path}: expected different names of columns, got {shown(twin)} twice: rename one")
    return names, header


def odd_columns(names: Sequence[str]) -> list[str]:
    """Return the names that differ in more than digits from most others: id, beside pixel0 to pixel783."""
    shapes = [re.sub(r"\d+", "0", name) for name in names]
    usual = max(set(shapes), key=shapes.count, default="")
    odd = [name for name, shape in zip(names, shapes, strict=True) if shape != usual]
    return odd if 2 * len(odd) < len(names) else []


def _check_cells(path: Path, row: Sequence[str], names: Sequence[str]) -> None:
    """Raise UserError if a cell holds many numbers, as where the columns are separated by something else."""
    for name, cell in zip(names, row, strict=True):
        count = sum(map(is_number, parts := SEPARATOR.split(cell)))
        if count < max(MANY, len(parts) - 1):
            continue
        if len(row) > 1:
            raise UserError(
                f"{path}: expected a number in each cell, got {count} in one of the column {shown(name)}: "
                "write a column for each of them"
            )
        wanted = "tabs" if ".tsv" in path.suffixes else "commas"
        raise UserError(
            f"{path}: expected {wanted} between columns, got {shown(cell)}: write the table anew with {wanted}"
        )


def _is_header(path: Path, numbers: Sequence[str], words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Return whether a row of these numbers and words is a header: pandas, for one, numbers columns without names."""
    if not numbers:
        return True
    values = [float(number) for number in numbers]
    rising = len(values) > 1 and all(low < high for low, high in pairwise(values))
    different = len(set(numbers)) == len(numbers)  # as texts: pandas writes .1 to .10 behind what is there twice
    got = f"{path}: expected names or an image in the first row, got"
    if not words:
        if rising:
            raise UserError(f"{got} numbers that rise: {EITHER}")
        if different and (odd := _fractions(numbers)):
            raise UserError(f"{got} numbers that are all different, such as {shown(odd[0])}: {EITHER}")
        return False
    counted = rising and values[0] in (0, 1) and values[-1] - values[0] == len(values) - 1
    known = [word for word in words if word.lower() in NAMES or word in wanted or word.startswith("Unnamed: ")]
    if counted and len(known) == len(words):
        return True
    if known or different:
        raise UserError(f"{got} {shown(words[0])} and numbers: {EITHER}")
    return False


def _check_fractions(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Raise UserError if the first row alone has fractions: it may be of names such as 0.1, or an image."""
    odd = _fractions(rows[0])
    if odd and len(rows) > 1 and not any(_fractions(row) for row in rows[1:]):
        raise UserError(
            f"{path}: expected names or an image in the first row, got {shown(odd[0])}, "
            f"while the next rows are whole: {EITHER}"
        )


def _fractions(cells: Sequence[str]) -> list[str]:
    return [cell for cell in cells if is_number(cell) and not float(cell).is_integer()]
