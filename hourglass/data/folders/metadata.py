"""Read what metadata.csv or metadata.jsonl says of images, as Hugging Face's ImageFolder has it.

file_name,label         the path of an image below the folder of the file, and columns of any names
0001.png,cat
"""

import csv
import json
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from hourglass.console.errors import UserError
from hourglass.data.folders.listing import Listing
from hourglass.data.names import composed, is_printable
from hourglass.data.preparation.raw import SHOWN, regular, shown

MAX_PATH = 400  # characters of a path that a message quotes
Row = tuple[int, dict[str, object]]  # its line, and its values by the names of the columns


def has_column(listing: Listing, column: str) -> bool:
    """Return whether a file describes the images in this column."""
    firsts = (next(_rows(listing.root / file), None) for file in listing.metadata)
    return any(first is not None and {"file_name", column} <= first[1].keys() for first in firsts)


def read_columns(listing: Listing, columns: Sequence[str]) -> dict[str, list[str]]:
    """Return what is in each of the columns for each image.

    Raises:
        UserError: There is no such file, it lacks a column, or it does not name every image once.
    """
    if not listing.metadata:
        raise UserError(f"{listing.root}: expected a metadata.csv with the columns file_name, {', '.join(columns)}")
    index_of = {composed(name): index for index, name in enumerate(listing.names)}
    aside = set(map(composed, listing.aside))
    found: dict[str, list[str]] = {column: [""] * len(listing.names) for column in columns}
    for file in listing.metadata:
        path = listing.root / file
        for line, row in _rows(path):
            where = f"{path}, line {line}"
            name = posixpath.normpath(posixpath.join(posixpath.dirname(file), _text(row, "file_name", where)))
            name = composed(name)
            if name in aside:
                continue
            if name not in index_of:
                raise UserError(f"{where}: expected an image, found none called {name[:MAX_PATH]}: remove the line")
            if found[columns[0]][index_of[name]]:
                raise UserError(f"{where}: expected every image once, got {name} again: remove one line")
            for column, values in found.items():
                values[index_of[name]] = _text(row, column, where)
    if missing := found[columns[0]].count(""):
        first = listing.names[found[columns[0]].index("")]
        raise UserError(
            f"{listing.root / first}: expected a line in {', '.join(listing.metadata)}, found none, as for "
            f"{missing} of {len(listing.names)} images: add them, or remove the images"
        )
    return found


def _text(row: dict[str, object], column: str, where: str) -> str:
    """Return a value as the text that it is: a class may be called NA, null or 007."""
    if column not in row:
        known = ", ".join(map(str, row)) or "none"
        raise UserError(f"{where}: expected the column {column}, got {known}: see `options`")
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "" or not is_printable(str(value)):
        got = shown(value) if isinstance(value, str) else json.dumps(value)[:SHOWN]
        raise UserError(f"{where}: expected a name as {column}, got {got or 'none'}")
    return str(value)


def _rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file."""
    try:
        with regular(path).open(encoding="utf-8-sig", newline="") as file:
            yield from _rows_of_csv(file) if path.suffix == ".csv" else _rows_of_json(file)
    except (csv.Error, ValueError, RecursionError) as error:  # bytes that are no UTF-8, too
        raise UserError(f"{path}: expected a table of one image a line, got: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: expected a file that can be read, got: {error.strerror}") from None


def _rows_of_csv(lines: Iterator[str]) -> Iterator[Row]:
    reader = csv.reader(lines, strict=True)
    header = next(reader, [])
    for values in reader:
        if len(values) != len(header):
            if not values:
                continue
            raise ValueError(f"{len(values)} values for {len(header)} columns in line {reader.line_num}")
        yield reader.line_num, dict(zip(header, values, strict=True))


def _rows_of_json(lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"no object in line {number}")
            yield number, row
