"""Read Parquet files with encoded images in a column, as `datasets` of Hugging Face exports them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hourglass.config.types import Text
from hourglass.console.errors import UserError, suggest
from hourglass.data.names import split_of
from hourglass.data.preparation.labels import MAX_LABEL, NAMES, class_texts, text_array
from hourglass.data.preparation.parquet_images import ERRORS, ParquetImages, open_file, parts_of, reason
from hourglass.data.preparation.raw import RawImages, Target, regular
from hourglass.natural import natural_key

IMAGE_NAMES = ("image", "img")
TEXT_BYTES = 1 << 28  # of the labels of a file


def read(
    source: Path,
    _target: Target,
    *,
    image: Text | None = None,
    label: Text | None = None,
    group: Text | None = None,
    class_names: tuple[Text, ...] | None = None,
) -> RawImages:
    """Read the .parquet files in `source`, searched to any depth; images are read when they are asked for.

    Files that have train, validation and test in their names, as in train-00000-of-00002.parquet, or in those of their
    folders are the publisher's split.

    Args:
        source: The folder of the files, or one of them.
        image: The column of the images, for example img; by default the one that `datasets` wrote as images.
        label: The column of the labels, a number or text each, for example fine_label, or none; by default the one
            that is called label, or that `datasets` wrote as classes.
        group: The column that says who is in each image, for example patient_id; by default none.
        class_names: What the labels 0, 1, ... stand for, for example [cat, dog]; by default the names in the files.

    Raises:
        UserError: There is no such file or column, there are several that could be meant, or a file is damaged.
    """
    paths = _find(source)
    schema = _schema(paths)
    image = _column(source, schema, image, "image", _image_columns(schema))
    if image is None or not _holds_bytes(schema.field(image).type):
        got = image or ", ".join(schema.names) or "none"
        raise UserError(f"{source}: expected a column of image files' bytes, got {got}: see `image`")
    who = None if group is None else _column(source, schema, group, "group", [])
    files = ParquetImages(source, paths, image)
    labels = None if label == "none" else _labels(source, paths, schema, label, class_names)
    groups = None if who is None else _texts(paths, who, None)
    return RawImages(files, files.names, labels, groups, _official(source, paths, files.rows))


def _find(source: Path) -> list[Path]:
    """Return all Parquet files, in natural order, train before validation before test."""
    paths = list(source.rglob("*.parquet")) if source.is_dir() else [source]
    if source.suffix == ".arrow" or (not paths and any(source.rglob("*.arrow"))):
        remedy = "write each split with `ds.to_parquet('<split>.parquet')`"
        raise UserError(f"{source}: expected .parquet files, got .arrow, of `save_to_disk`: {remedy}")
    if not paths:
        raise UserError(f"{source}: expected .parquet files, found none: see `source`")
    for path in paths:
        regular(path)
    order = ("train", "val", "test", "")
    return sorted(paths, key=lambda path: (order.index(_side(source, path)), natural_key(str(path))))


def _side(source: Path, path: Path) -> str:
    return split_of(path.relative_to(source).as_posix() if source.is_dir() else path.name)


def _official(source: Path, paths: Sequence[Path], rows: Sequence[int]) -> list[str] | None:
    """Return the publisher's split of each image, None if there is none; raise UserError if it is there in part."""
    sides = [_side(source, path) for path in paths]
    known = {side for side in sides if side}
    if not known or len(paths) == 1:
        return None
    if "" in sides:
        strange = paths[sides.index("")]
        raise UserError(f"{strange}: expected train, validation or test in its name, as in others': move it away")
    if missing := {"train", "test"} - known:
        if len(known) > 1:
            sides_known = " and ".join(sorted(known))
            print(f"{source}: no {missing.pop()} images: all images are split anew, {sides_known} alike")
        return None
    return [side for side, count in zip(sides, rows, strict=True) for _ in range(count)]


def _schema(paths: Sequence[Path]) -> Any:  # noqa: ANN401
    """Return the schema of the first file; raise UserError if another has other columns or classes."""
    schemas = []
    for path in paths:
        with open_file(path) as opened:
            schemas.append(opened.schema_arrow)
        if schemas[-1].names != schemas[0].names or _features(schemas[-1]) != _features(schemas[0]):
            got = ", ".join(schemas[-1].names)
            raise UserError(f"{path}: expected the columns and classes of {paths[0].name}, got others ({got})")
    return schemas[0]


def _features(schema: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    """Return what `datasets` wrote about each column."""
    try:
        features = dict(json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"])
    except (ValueError, KeyError, TypeError):
        return {}
    return {name: value for name, value in features.items() if isinstance(value, dict)}


def _holds_bytes(kind: Any) -> bool:  # noqa: ANN401
    """Return whether a column of this type holds files: {bytes, path}, or their bytes alone."""
    import pyarrow.types

    if pyarrow.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)


def _image_columns(schema: Any) -> list[str]:  # noqa: ANN401
    """Return the columns of images: those of which `datasets` says so, or that are called so, or the only one."""
    files = [str(field.name) for field in schema if _holds_bytes(field.type)]
    features = _features(schema)
    stated = [name for name in files if features.get(name, {}).get("_type") == "Image"]
    return stated or [name for name in files if name.lower() in IMAGE_NAMES] or (files if len(files) == 1 else [])


def _column(source: Path, schema: Any, name: str | None, option: str, found: Sequence[str]) -> str | None:  # noqa: ANN401
    """Return the column that is named, or else the only one that was found; raise UserError if there are several."""
    if name is not None:
        if name not in schema.names:
            hint = suggest(name, schema.names)
            raise UserError(f"{source}: expected a column '{name}' for `{option}`, found none{hint}")
        return name
    if len(found) > 1:
        names = ", ".join(found)
        raise UserError(f"{source}: expected one column for `{option}`, got {names}: set `options: {{{option}: ...}}`")
    return found[0] if found else None


def _labels(
    source: Path,
    paths: Sequence[Path],
    schema: Any,  # noqa: ANN401
    label: str | None,
    class_names: tuple[str, ...] | None,
) -> list[str] | None:
    """Return the labels by their names where these are known, None if there is no such column."""
    known = _features(schema)
    classes = [name for name in schema.names if known.get(name, {}).get("_type") == "ClassLabel"]
    called = [name for name in schema.names if name.lower() in NAMES and name not in classes]
    column = _column(source, schema, label, "label", classes + called)
    if column is None:
        return None
    return _texts(paths, column, class_names or tuple(known.get(column, {}).get("names") or ()))


def _texts(paths: Sequence[Path], column: str, class_names: Sequence[str] | None) -> list[str]:
    """Return a column of numbers or text as text."""
    texts: list[str] = []
    for path in paths:
        try:
            with open_file(path) as opened:
                parts = parts_of(opened, column, range(opened.num_row_groups), TEXT_BYTES)
                values = [value for part in parts for value in _short(part).to_pylist()]
        except ERRORS as error:
            raise UserError(f"{path}: expected a whole file, got: {reason(error)}") from None
        kinds = {type(value) for value in values}
        if not kinds <= {int, str} or len(kinds) > 1:
            got = "none in some rows" if type(None) in kinds else ", ".join(sorted(kind.__name__ for kind in kinds))
            raise UserError(f"{path}: expected numbers or text in '{column}', got {got}: name another column, or none")
        names = class_names if int in kinds else None
        if names and -1 in values:  # as `datasets` writes the test files of contests
            remedy = "move that file away, or set `options: {label: none}`"
            raise UserError(f"{path}: expected labels, got -1 in '{column}', which says unlabeled: {remedy}")
        texts += class_texts(np.array(values) if kinds == {int} else text_array(values, path), path, names)
    return texts


def _short(part: Any) -> Any:  # noqa: ANN401
    """Return labels as they are; raise ValueError if one is too long, of which there may be a million copies."""
    import pyarrow.compute
    import pyarrow.types

    texts = part.dictionary if pyarrow.types.is_dictionary(part.type) else part
    if pyarrow.types.is_string(texts.type) or pyarrow.types.is_large_string(texts.type):
        longest = pyarrow.compute.max(pyarrow.compute.utf8_length(texts)).as_py() or 0
        if longest > MAX_LABEL:
            raise ValueError(f"labels of {longest:,} characters, while names have at most {MAX_LABEL:,}")
    return part
