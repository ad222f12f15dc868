"""Read a table of images: a row each, the values of its pixels line by line, with a label before or behind them."""

import io
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hourglass.config.types import Flag, Positive, Text
from hourglass.console.errors import UserError, nearest, suggest
from hourglass.data.preparation.header import find_header, odd_columns
from hourglass.data.preparation.labels import NAMES, class_texts, text_array
from hourglass.data.preparation.raw import (
    RawImages,
    Target,
    check_bounds,
    check_white,
    numbered,
    only_file,
    scaled,
    shown,
)
from hourglass.data.preparation.table_file import Table
from hourglass.data.prepared import Bytes

PATTERNS = ("*.csv", "*.csv.gz", "*.tsv", "*.tsv.gz")
CHUNK = 1 << 22  # values that are read at once
CHANNELS = {"gray": 1, "rgb": 3}
BUFFER = 1 << 18  # bytes that are read at once, as pandas does
PEEK = 20  # rows that tell whether the first is a header


def read(
    source: Path,
    target: Target,
    *,
    header: Flag | None = None,
    label: Text | None = None,
    group: Text | None = None,
    ignore: tuple[Text, ...] = (),
    layout: Literal["hwc", "chw"] | None = None,
    white: Positive | None = None,
) -> RawImages:
    """Read the one .csv (commas) or .tsv (tabs), .gz or not, in `source`.

    Args:
        source: The folder of the file, or the file.
        target: Its size is that of the images, without one they are square.
        header: Whether the first row holds the names of the columns; by default found out.
        label: The column of the labels: first, last, none, or a name in the header, for example digit. By default the
            one that is called label, class or target; without one, each column must be a pixel.
        group: The column, a name in the header, that says who is in each image, for example person; by default none.
        ignore: Columns, by their names in the header, that are neither, for example [id]; one without a name at place
            0 is "Unnamed: 0".
        layout: The order of the values of a row of `color: rgb`. hwc: red, green and blue of each pixel in turn;
            chw: all red ones, all green ones, all blue ones, as in CIFAR. Both are common, so there is no default.
        white: The value of a white pixel, for example 16; by default 255, where values are that large.

    Raises:
        UserError: There is no such file, it is no table of images of that size, or it could be read in two ways.
    """
    path = only_file(source, *PATTERNS)
    names, header = _header(path, header, [text for text in (label, group, *ignore) if text])
    columns = _columns(path, names if header else _places(names), target, label, group, ignore)
    if target.color == "rgb" and layout is None:
        raise UserError(
            f"{path}: expected the order of values in `color: rgb`: set `options: {{layout: hwc}}` (red, green and "
            "blue of each pixel in turn) or `{layout: chw}` (all red ones, all green ones, all blue ones, as in CIFAR)"
        )
    pixels, labels, groups = _rows(path, len(names), header, columns, white)
    shape = (-1, *columns.size) if target.color == "gray" else (-1, *columns.size, 3)
    if layout == "chw" and target.color == "rgb":
        images = pixels.reshape(-1, 3, *columns.size).transpose(0, 2, 3, 1)
    else:
        images = pixels.reshape(shape)
    if labels and len(labels) > 1 and len(set(labels)) == 1:
        print(f"{path}: the label of all images is {labels[0]}: see `label` if that is a pixel")
    return RawImages(images, numbered(path, len(images)), labels, groups)


@dataclass(frozen=True)
class Columns:
    """Which of the columns, counted from 0, holds what; `size` is the height and the width of images."""

    pixels: Sequence[int]
    size: tuple[int, int]
    label: int | None
    group: int | None


def _header(path: Path, header: bool | None, wanted: Sequence[str]) -> tuple[list[str], bool]:
    """Return the first row, and whether it is a header; raise UserError if that is doubtful."""
    frame = next(_frames(path, rows=PEEK), None)
    if frame is None:
        raise UserError(f"{path}: expected a table of numbers, got no row")
    rows = [[cell.strip() for cell in row] for row in frame.fillna("").to_numpy().tolist()]
    return find_header(path, rows, header, wanted)


def _places(names: Sequence[str]) -> list[str]:
    return [f"\0{place}" for place in range(len(names))]  # names that nothing in params.yaml can be equal to


def _columns(
    path: Path, names: list[str], target: Target, label: str | None, group: str | None, ignore: Sequence[str]
) -> Columns:
    """Decide what each column holds; raise UserError if that is doubtful or does not fit the images' size."""
    left = list(range(len(names)))
    for name in ignore:
        left.remove(_place(path, names, name, "ignore"))
    group_at = None if group is None else _place(path, names, group, "group")
    if group_at is not None and group_at in left:
        left.remove(group_at)
    label_at = _label(path, names, left, label)
    pixels = [place for place in left if place != label_at]
    odd = odd_columns([names[place] for place in pixels])
    size = _size(path, len(pixels), target, label is not None or label_at is not None, odd)
    return Columns(pixels, size, label_at, group_at)


def _place(path: Path, names: list[str], name: str, option: str) -> int:
    """Return where the column of this name is; raise UserError if it is nowhere."""
    if names[0].startswith("\0"):
        raise UserError(f"{path}: expected a header with '{name}' for `{option}`, found none")
    if name not in names:
        known = names if nearest(name, names) else names[:9]  # the others are pixels
        raise UserError(f"{path}: expected a column '{name}' for `{option}`, found none{suggest(name, known)}")
    return names.index(name)


def _label(path: Path, names: list[str], left: Sequence[int], label: str | None) -> int | None:
    """Return where the labels are among the columns that are left, None if there are none."""
    if label == "none" or not left:
        return None
    called = [place for place in left if names[place].lower() in NAMES]
    if label is None:
        if len(called) > 1:
            found = ", ".join(names[place] for place in called)
            raise UserError(f"{path}: expected one column of labels, got {found}: set `options: {{label: <name>}}`")
        return called[0] if called else None
    if label not in ("first", "last"):
        return _place(path, names, label, "label")
    place = left[0 if label == "first" else -1]
    if called and place not in called:
        name = names[called[0]]
        raise UserError(f"{path}: `label: {label}` is the column '{names[place]}', but there is '{name}': name the one")
    return place


def _size(path: Path, count: int, target: Target, labeled: bool, odd: Sequence[str]) -> tuple[int, int]:
    """Return the height and the width of images of `count` values; raise UserError if that is not their number."""
    size = _square(count, target)
    rest = count - math.prod(size) * CHANNELS[target.color]
    if count and not rest:
        return size
    what = "square images" if target.size is None else f"images of {size[0]}x{size[1]}"
    expected = "" if target.size is None else f"{count - rest} columns of pixels for "
    got = f"{path}: expected {expected}{what} in `color: {target.color}`, got {count} columns"
    names = f"`{{ignore: {json.dumps(odd, ensure_ascii=False)}}}`" if 0 < len(odd) == rest else ""
    if rest == 1 and not labeled:
        also = f", or {names}" if names else ""
        raise UserError(f"{got}, one too many: set `options: {{label: first}}` or `{{label: last}}`{also}")
    if names:
        remedy = f"`options: {names[1:]}" if labeled else f"`options: {{label: ...}}`, or {names}"
        raise UserError(f"{got}, {rest} too many: set {remedy}")
    for color, channels in CHANNELS.items():
        rest = count - math.prod(_square(count, Target(target.size, color))) * channels
        if count and rest in (0, int(not labeled)):
            raise UserError(f"{got}: set `color: {color}`" + (", and `label`" if rest else ""))
    remedy = "set `size: [height, width]`" if target.size is None else "set `size`"
    raise UserError(f"{got} beside label and group: {remedy}, `options: {{label: ...}}` or `{{ignore: [...]}}`")


def _square(count: int, target: Target) -> tuple[int, int]:
    """Return the size that is stated, or that of the largest square image of at most `count` values."""
    side = math.isqrt(count // CHANNELS[target.color])
    return target.size or (side, side)


def _rows(
    path: Path, width: int, header: bool, columns: Columns, white: float | None
) -> tuple[Bytes, list[str] | None, list[str] | None]:
    """Return the pixels (N, values), the labels and the groups of all rows."""
    pixels = bytearray()
    texts: dict[int, list[str]] = {place: [] for place in (columns.label, columns.group) if place is not None}
    highest = 0.0
    for frame in _frames(path, skip=int(header), as_text=list(texts), rows=max(1, CHUNK // width)):
        first = int(frame.index[0]) + 1
        if frame.shape[1] != width:
            raise UserError(f"{path}: expected {width} columns everywhere, got {frame.shape[1]} in row {first}")
        values = _numbers(frame[list(columns.pixels)], path, first)
        check_bounds(values.min(), values.max(), white, path)
        highest = max(highest, float(values.max()))
        pixels += scaled(values, white).tobytes()
        for place, known in texts.items():
            known.extend(class_texts(text_array(frame[place].fillna("").tolist(), path), path, first=first))
    if not pixels:
        raise UserError(f"{path}: expected a row for each image, got none")
    check_white(highest, white, path)
    labels, groups = (None if place is None else texts[place] for place in (columns.label, columns.group))
    return np.frombuffer(pixels, np.uint8).reshape(-1, len(columns.pixels)), labels, groups


def _numbers(frame: pd.DataFrame, path: Path, first: int) -> NDArray[np.number]:
    """Return the values of pixels as numbers; raise UserError, which names the first row where that is no number."""
    values = frame.to_numpy()
    if values.dtype.kind in "iu" or (values.dtype.kind == "f" and not np.isnan(values).any()):
        return values
    texts = frame.astype(object).fillna("").astype(str)
    try:
        numbers = texts.apply(pd.to_numeric, errors="coerce")
    except OverflowError:  # which pandas does not take for an error of this kind
        raise UserError(f"{path}: expected values from 0 to 255, got a number of hundreds of digits") from None
    wrong = numbers.isna().to_numpy()
    if not wrong.any():  # integers that no 64 bits hold
        return numbers.to_numpy(np.float64)
    row, column = np.argwhere(wrong)[0]
    got = str(frame.astype(object).fillna("").iat[row, column])
    raise UserError(
        f"{path}: expected a table of numbers, got {shown(got)} in row {first + row}, column "
        f"{int(frame.columns[column]) + 1}: correct it, or see `label`"
    )


def _frames(path: Path, *, skip: int = 0, as_text: Sequence[int] | None = None, rows: int) -> Iterator[pd.DataFrame]:
    """Yield pieces of the table, columns numbered from 0, all or those `as_text` text; raise UserError if damaged."""
    separator = "\t" if ".tsv" in path.suffixes else ","
    try:
        with (
            Table(path, separator) as table,
            pd.read_csv(
                io.BufferedReader(table, BUFFER),
                sep=separator,
                header=None,
                skiprows=skip,
                dtype=str if as_text is None else dict.fromkeys(as_text, str),
                keep_default_na=False,  # a class may be called NA
                na_values=[""],
                chunksize=rows,
            ) as frames,
        ):
            for frame in frames:
                table.start_piece()
                yield frame
    except pd.errors.EmptyDataError:
        return
    except (ValueError, OverflowError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path}: expected a table of numbers, got: {' '.join(str(error).split())[:200]}") from None
