"""Read NumPy arrays of images, (N, H, W) gray, (N, H, W, C) or (N, C, H, W), from a .npy or a .npz."""

import csv
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hourglass.config.types import Count, Positive, Text
from hourglass.console.errors import UserError, suggest
from hourglass.data.preparation.array_file import MappedImages, open_mapped, read_member
from hourglass.data.preparation.labels import NAMES, class_texts, text_array
from hourglass.data.preparation.raw import RawImages, Target, numbered, regular, state_of, to_bytes

Layout = Literal["hwc", "chw"]
Array = NDArray[Any]
# What NumPy and zipfile raise on damaged files, and on those with a password.
ERRORS = (ValueError, EOFError, KeyError, OSError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError)
SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}  # parts of keys
CONVENTIONS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))  # keys of Keras, and of MedMNIST
SHOWN = 20  # keys in a message
GROUP_NAMES = ("group", "groups", "subject", "person")


def read(
    source: Path,
    target: Target,
    *,
    images: Text | None = None,
    labels: Text | None = None,
    groups: Text | None = None,
    class_names: tuple[Text, ...] | None = None,
    layout: Layout | None = None,
    white: Positive | None = None,
    count: Count | None = None,
) -> RawImages:
    """Read the images in a .npy, and what is known about them in files beside it; or all from a .npz.

    In a .npz, x_train, y_train, x_test and y_test (Keras), or train_images, train_labels, test_images and test_labels
    (MedMNIST), are found without options and are the publisher's split. An array (N, values), such as (N, 784), is
    read where `size` tells the shape of its images.

    Args:
        source: The folder of the files, or the file.
        target: Its color and its size decide where an array could be read in two ways.
        images: The array of the images: a file, for example faces.npy, or a key of the .npz; by default the only one.
        labels: The array of the labels: a file, for example labels.npy, or labels.csv or labels.txt with a label a
            line, or a key of the .npz; by default there are none.
        groups: The array that says who is in each image, as `labels`, for example people.txt; by default there is none.
        class_names: What the labels 0, 1, ... stand for, for example [cat, dog]; by default the numbers are the names.
        layout: Where the channels of a color image are. hwc: last; chw: first, as in PyTorch; by default found out.
        white: The value of a white pixel, for example 1; by default 255, where values are that large.
        count: Take this many images, the first ones, for example 100; by default all. There have to be as many.

    Raises:
        UserError: There is no such file or key, or it does not hold what it should, or could be read in two ways.
    """
    path = _file(source, images, (labels, groups))
    if not path.exists():
        raise UserError(f"expected {path}, found none: see `options`")
    state = state_of(path.stat())
    keys = _keys(path) if path.suffix == ".npz" else None
    if keys is None and images and Path(images).name != path.name:
        raise UserError(f"{path}: expected its name as `images`, got '{images}'")
    if keys is not None and images is None:
        if parts := _published(keys):
            if labels or groups or count:
                raise UserError(f"{path}: expected `images` too, a key, beside `labels`, `groups` or `count`")
            return _read_published(path, keys, parts, target, class_names, layout, white)
        images = _only_key(path, keys)
    whole = _array(path, keys, path.name if keys is None or images is None else images)
    if count and count > len(whole):
        raise UserError(f"{path}: expected at least {count} images, as `count` says, got {len(whole)}")
    pixels = to_bytes(_channels_last(whole, path, target, layout)[:count], white, path)
    known = []
    for name, names, headers in ((labels, class_names, NAMES), (groups, None, GROUP_NAMES)):
        found = None if name is None else _array(path, keys, name, headers)
        where = (path.parent if keys is None else path) / str(name)
        known.append(None if found is None else _texts(found, where, len(whole), names)[:count])
    return RawImages(MappedImages(pixels, path, state), numbered(path, len(pixels)), known[0], known[1])


def _file(source: Path, images: str | None, beside: tuple[str | None, ...]) -> Path:
    """Return the file of the images: the one that is named, or the only one of which nothing else is read."""
    if source.is_file():
        if source.suffix == ".npy" and any(beside):
            raise UserError(
                f"{source}: set `source` to its folder, {source.parent}, so that files beside it are read too"
            )
        if source.suffix not in (".npy", ".npz"):
            raise UserError(f"{source}: expected a .npy or a .npz: see `format`")
        return source
    if images and images.endswith(".npy"):
        return source / images
    found = sorted(path for path in source.glob("*.np[yz]") if path.name not in beside)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UserError(
            f"{source}: expected one .npy or .npz, got {names}: set `options: {{images: <file.npy>}}`, or `source`"
        )
    return found[0]


def _array(path: Path, keys: Sequence[str] | None, name: str, headers: Sequence[str] = ()) -> Array:
    """Return one array: of the archive `path` by its key, or where that has no keys of a file beside it."""
    if keys is not None:
        if name not in keys:
            raise UserError(f"{path}: expected an array '{name}', found none{suggest(name, keys)}")
        return _member(path, name)
    file = path.parent / name
    if file.suffix != ".npy":
        return _lines(file, headers)
    try:
        return open_mapped(regular(file))
    except FileNotFoundError:
        raise UserError(f"expected {file}, found none: see `options`") from None
    except ERRORS as error:
        if zipfile.is_zipfile(file):
            got = f"an archive of arrays: rename it to {file.stem}.npz"
            raise UserError(f"{file}: expected one array, got {got}") from None
        raise UserError(f"{file}: expected a NumPy array of numbers, got: {_reason(error)}") from None


def _keys(path: Path) -> list[str]:
    """Return the names of the arrays in an archive; raise UserError if it is none."""
    try:
        with zipfile.ZipFile(regular(path)) as archive:
            keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except ERRORS as error:
        raise UserError(f"{path}: expected an archive of NumPy arrays, got: {_reason(error)}") from None
    if len(set(keys)) < len(keys):
        raise UserError(f"{path}: expected different names of arrays, got one twice")
    return keys


def _member(path: Path, key: str) -> Array:
    """Return one array of an archive."""
    try:
        return read_member(path, f"{key}.npy")
    except ERRORS as error:
        raise UserError(f"{path}: expected '{key}' to be an array of numbers, got: {_reason(error)}") from None


def _lines(path: Path, headers: Sequence[str]) -> Array:
    """Return the lines of a text file; the first is left out where it is a header, one of `headers`."""
    if path.suffix not in (".csv", ".txt"):
        raise UserError(f"{path}: expected a .npy, .csv or .txt, beside the images: see `options`")
    try:
        with regular(path).open(encoding="utf-8-sig", newline="") as file:
            rows = (
                [row for row in csv.reader(file, strict=True) if row]
                if path.suffix == ".csv"
                else [[line.strip()] for line in file]
            )
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: see `options`") from None
    except (ValueError, OSError, csv.Error) as error:
        raise UserError(f"{path}: expected lines of text, got: {_reason(error)}") from None
    if wide := [number for number, row in enumerate(rows, 1) if len(row) > 1]:
        raise UserError(f"{path}: expected one value a line, got {len(rows[wide[0] - 1])} in line {wide[0]}")
    if rows and rows[0][0].strip().lower() in headers:
        rows = rows[1:]
    return text_array([row[0] for row in rows], path)


def _texts(values: Array, where: Path, count: int, class_names: tuple[str, ...] | None) -> list[str]:
    """Return an array with a value for each of `count` images as text."""
    if values.shape not in ((count,), (count, 1)):
        got = f"{values.dtype} {values.shape}"
        if len(values.shape) == 1 and len(values) == count + 1 and where.suffix in (".csv", ".txt"):
            got += ": a header or an empty line?"
        raise UserError(f"{where}: expected one value for each of {count} images, got {got}")
    return class_texts(values.reshape(-1), where, class_names)


def _published(keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the keys of the images and of the labels of each of a publisher's splits, none if there are no such."""
    for images, labels in CONVENTIONS:
        parts = {
            side: (images.format(part), labels.format(part))
            for part, side in SPLITS.items()
            if images.format(part) in keys
        }
        if {"train", "test"} <= parts.keys() and all(label in keys for _, label in parts.values()):
            return parts
    return {}


def _read_published(
    path: Path,
    keys: Sequence[str],
    parts: Mapping[str, tuple[str, str]],
    target: Target,
    class_names: tuple[str, ...] | None,
    layout: Layout | None,
    white: float | None,
) -> RawImages:
    """Read all images of an archive that has an array for each of the publisher's splits."""
    pixels, labels, sources, official = [], [], [], []
    for side, (image_key, label_key) in parts.items():
        where = path / image_key
        pixels.append(to_bytes(_channels_last(_array(path, keys, image_key), where, target, layout), white, where))
        count = len(pixels[-1])
        labels += _texts(_array(path, keys, label_key), path / label_key, count, class_names)
        sources += [f"{side}[{index}]" for index in range(count)]
        official += [side] * count
    shapes = {part.shape[1:]: None for part in pixels}
    if len(shapes) > 1:
        raise UserError(f"{path}: expected images of one size, got {' and '.join(map(str, shapes))}")
    return RawImages(np.concatenate(pixels), sources, labels, official=official)


def _only_key(path: Path, keys: Sequence[str]) -> str:
    """Return the key of an archive that has one; raise UserError, which lists them, if there are others."""
    if len(keys) != 1:
        got = ", ".join([*keys[:SHOWN], "..."] if len(keys) > SHOWN else keys) or "none"
        raise UserError(f"{path}: expected one array or `options: {{images: <key>}}`, got {got}")
    return keys[0]


def _channels_last(array: Array, path: Path, target: Target, layout: Layout | None) -> Array:
    """Return images as (N, H, W) or (N, H, W, C); raise UserError if the array is no such thing, or it is doubtful."""
    if array.ndim == 2:
        array = _unrolled(array, path, target, layout)
    came = f"{array.dtype} {array.shape}"
    if array.ndim == 3 and (array.shape[-1] not in (1, 3) or array.shape[1:] == target.size):
        return array
    if array.ndim == 3:
        raise UserError(f"{path}: expected many images, got {came}, which looks like one: set `size` if these are gray")
    if array.ndim != 4:
        raise UserError(f"{path}: expected an array of shape (N, H, W), (N, H, W, C) or (N, C, H, W), got {came}")
    fits = [kind for kind, place in (("hwc", 3), ("chw", 1)) if array.shape[place] in (1, 3) and layout in (None, kind)]
    if not fits:
        raise UserError(f"{path}: expected 1 or 3 channels{f' in `layout: {layout}`' if layout else ''}, got {came}")
    if len(fits) > 1:
        raise UserError(
            f"{path}: expected one axis of 1 or 3 channels, got {came}: set `options: {{layout: hwc}}` or `chw`"
        )
    return np.moveaxis(array, 1, -1) if fits == ["chw"] else array


def _unrolled(array: Array, path: Path, target: Target, layout: Layout | None) -> Array:
    """Return images that are a row of values each in their shape; raise UserError if `size` does not tell it."""
    count, came = array.shape[1], f"{array.dtype} {array.shape}"
    if target.size is None:
        side = next(
            (side for side in (math.isqrt(count), math.isqrt(count // 3)) if count in (side**2, 3 * side**2)), 0
        )
        example = f", for example [{side}, {side}]" if side else ""
        raise UserError(
            f"{path}: expected an array of shape (N, H, W), (N, H, W, C) or (N, C, H, W), got {came}: "
            f"set `size: [height, width]`{example}, if each row is an image"
        )
    pixels = math.prod(target.size)
    if count == pixels:
        return array.reshape(-1, *target.size)
    if count != 3 * pixels:
        size = list(target.size)
        raise UserError(f"{path}: expected rows of {pixels} values for `size: {size}`, or {3 * pixels}, got {came}")
    if layout is None:
        raise UserError(f"{path}: expected the order of colors in {came}: set `options: {{layout: hwc}}` or `chw`")
    return array.reshape(-1, 3, *target.size) if layout == "chw" else array.reshape(-1, *target.size, 3)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
