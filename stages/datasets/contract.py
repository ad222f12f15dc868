"""What a prepared data set promises, checked on the files as they were written."""

import hashlib
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_csv
from stages.common.prepared import read_rows
from stages.datasets.splits import SPLITS


def check(
    folder: Path, image_shape: tuple[int, ...], counts: dict[str, int], classes: list[str], constant: bool
) -> None:
    """Read everything in `folder` again; raise UserError, which names the source, at the first broken promise.

    `counts` are those of each split, `constant` says whether images of one single value may be there.
    """
    rows = read_csv(folder / "labels.csv")
    sources: dict[str, str] = {}
    for row in rows:
        other = sources.setdefault(row["source"], row["split"])
        if other != row["split"]:
            raise UserError(f"{row['source']}: expected on one side of the split, got it in {other} and {row['split']}")
        if classes and row["label"] not in classes:
            raise UserError(f"{row['source']}: expected one of the classes, got '{row['label']}'")
    content: dict[bytes, tuple[str, str]] = {}
    for split in SPLITS:
        of_split = [row["source"] for row in rows if row["split"] == split]
        if len(of_split) != counts[split]:
            raise UserError(f"labels.csv: expected {counts[split]} rows of {split}, got {len(of_split)}")
        _check_images(folder / f"{split}.npy", image_shape, of_split, constant, content)


def _check_images(
    path: Path,
    image_shape: tuple[int, ...],
    sources: list[str],
    constant: bool,
    content: dict[bytes, tuple[str, str]],
) -> None:
    """Check one split's images, and note each one's content under the first place where it was seen."""
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
