"""What a prepared data set promises, checked on the files as they were written."""

import hashlib
from pathlib import Path

import pandas as pd

from hourglass.console.errors import UserError
from hourglass.data.preparation.arrays import read_rows
from hourglass.data.preparation.splits import SPLITS
from hourglass.data.tables import read_table


def check(
    folder: Path, image_shape: tuple[int, ...], counts: dict[str, int], classes: list[str], constant: bool
) -> None:
    """Read the arrays and labels.csv in `folder` again.

    Args:
        folder: The prepared data set.
        image_shape: (C, H, W) of every image.
        counts: The number of images in each split.
        classes: All labels that may be there; any, if there are none.
        constant: Whether images of one single value may be there.

    Raises:
        UserError: A promise is broken; the message names the source of the first image that breaks it.
    """
    rows = read_table(folder / "labels.csv")
    _check_labels(rows, classes)
    content: dict[bytes, tuple[str, str]] = {}
    for split in SPLITS:
        sources = rows.loc[rows["split"] == split, "source"].tolist()
        if len(sources) != counts[split]:
            raise UserError(f"labels.csv: expected {counts[split]} rows of {split}, got {len(sources)}")
        _check_images(folder / f"{split}.npy", image_shape, sources, constant, content)


def _check_labels(rows: pd.DataFrame, classes: list[str]) -> None:
    """Check that no source is in two splits, and that every label is a class."""
    places = rows[["source", "split"]].drop_duplicates()
    for source in places.loc[places["source"].duplicated(), "source"]:
        first, second = places.loc[places["source"] == source, "split"].tolist()[:2]
        raise UserError(f"{source}: expected on one side of the split, got it in {first} and {second}")
    unknown = rows[~rows["label"].isin(classes)] if classes else rows[:0]
    for source, label in zip(unknown["source"], unknown["label"], strict=True):
        raise UserError(f"{source}: expected one of the classes, got '{label}'")


def _check_images(
    path: Path,
    image_shape: tuple[int, ...],
    sources: list[str],
    constant: bool,
    content: dict[bytes, tuple[str, str]],
) -> None:
    """Check one split's images; `content` maps the digest of each to the split and the source where it was first."""
    shape, images = read_rows(path)
    if shape != (len(sources), *image_shape):
        raise UserError(f"{path.name}: expected shape {(len(sources), *image_shape)}, got {shape}")
    for source, image in zip(sources, images, strict=True):
        if not constant and image.min() == image.max():
            raise UserError(
                f"{source}: expected an image, got the one value {image.flat[0]} everywhere: remove it, or set "
                "`allow_constant: true`"
            )
        digest = hashlib.blake2b(image.data, digest_size=16).digest()
        split, twin = content.setdefault(digest, (path.stem, source))
        if split != path.stem:
            raise UserError(
                f"{source}: expected copies on one side of the split, got it in {path.stem} and as {twin} in {split}"
            )
