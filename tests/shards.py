"""Splits as `prepare` writes them, for tests of what reads them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hourglass.data.sums import write_sums


def save_split(folder: Path, split: str, images: NDArray[np.uint8], shards: int = 1) -> Path:
    """Write images (N, C, H, W), in this order and in so many shards, as a split of the data set in `folder`.

    Return the split's folder.
    """
    target = folder / split
    target.mkdir(parents=True)
    for number, part in enumerate(np.array_split(images, shards)):
        np.save(target / f"{split}-{number:05}.npy", part)
    write_sums(target)
    return target


def load_split(folder: Path, split: str) -> NDArray[np.uint8]:
    """Read a split of the data set in `folder` into one array."""
    return np.concatenate([np.load(path) for path in sorted((folder / split).glob("*.npy"))])
