"""What a prepared data set promises, checked on the files as they were written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.content import DIGEST_BYTES, digest
from hourglass.data.preparation.arrays import read_rows
from hourglass.data.preparation.copies import first_copies
from hourglass.data.preparation.decoded import Decoded
from hourglass.data.tables import read_table


def check(folder: Path, decoded: Decoded, parts: Mapping[str, NDArray[np.int64]], classes: Sequence[str]) -> None:
    """Read the arrays and labels.csv in `folder` again.

    Args:
        folder: The prepared data set.
        decoded: The images that it was made of.
        parts: The positions among those of each split's images, in the order of its array.
        classes: All labels that may be there; any, if there are none.

    Raises:
        UserError: A promise is broken; the message names the source of the first image that breaks it.
    """
    rows = read_table(folder / "labels.csv")
    _check_labels(rows, classes)
    sources = []
    for split, positions in parts.items():
        table = rows[rows["split"] == split]
        if len(table) != len(positions):
            raise UserError(f"labels.csv: expected {len(positions)} rows of {split}, got {len(table)}")
        if not np.array_equal(table["index"], np.arange(len(table))):
            raise UserError(f"labels.csv: expected the rows of {split} in the order of its array, got another")
        _check_images(folder / split, decoded, positions, table["source"].to_numpy())
        sources.append(table["source"].to_numpy())
    _check_copies(decoded.digests, parts, np.concatenate(sources))


def _check_labels(rows: pd.DataFrame, classes: Sequence[str]) -> None:
    """Check that no source is in two splits, and that every label is a class."""
    places = rows[["source", "split"]].drop_duplicates()
    for source in places.loc[places["source"].duplicated(), "source"]:
        first, second = places.loc[places["source"] == source, "split"].tolist()[:2]
        raise UserError(f"{source}: expected on one side of the split, got it in {first} and {second}")
    unknown = rows[~rows["label"].isin(classes)] if classes else rows[:0]
    for source, label in zip(unknown["source"], unknown["label"], strict=True):
        raise UserError(f"{source}: expected one of the classes, got '{label}'")


def _check_images(folder: Path, decoded: Decoded, positions: NDArray[np.int64], sources: NDArray[np.object_]) -> None:
    """Check that a split has the images at these positions."""
    shape, images = read_rows(folder)
    if shape != (len(positions), *decoded.image_shape):
        raise UserError(f"{folder.name}: expected shape {(len(positions), *decoded.image_shape)}, got {shape}")
    digests = bytearray()
    for image in images:
        digests += digest(image)
    written = np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)
    for index in np.flatnonzero((written != decoded.digests[positions]).any(axis=1)):
        raise UserError(f"{sources[index]}: expected it at {folder.name}[{index}], got another image: prepare again")


def _check_copies(
    digests: NDArray[np.uint8], parts: Mapping[str, NDArray[np.int64]], sources: NDArray[np.object_]
) -> None:
    """Check that no two splits have an image in common."""
    sides = np.repeat(np.array(list(parts)), [len(positions) for positions in parts.values()])
    first = first_copies(digests[np.concatenate(list(parts.values()))])
    for index in np.flatnonzero(sides != sides[first]):
        raise UserError(
            f"{sources[index]}: expected copies on one side of the split, got it in {sides[index]} and as "
            f"{sources[first[index]]} in {sides[first[index]]}"
        )
