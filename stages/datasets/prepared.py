"""The prepared data set: what `prepare` writes and every later stage reads.

data/prepared/<dataset>/
  train.npy val.npy test.npy   uint8 (N, C, H, W)
  labels.csv                   split,index,label,source
  meta.json                    shape, scale, classes, counts, licence, citation
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.errors import UserError
from stages.files import read_csv

Bytes = NDArray[np.uint8]


def open_split(path: Path) -> Bytes:
    """Open one split memory-mapped, (N, C, H, W) uint8."""
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: dvc repro prepare@{path.parent.name}") from None
    except (ValueError, EOFError) as error:
        raise UserError(
            f"{path}: expected a NumPy array, got: {error}: dvc repro -f prepare@{path.parent.name}"
        ) from None
    if images.dtype != np.uint8 or images.ndim != 4:
        raise UserError(f"{path}: expected uint8 (N, C, H, W), got {images.dtype} {images.shape}")
    return images


def read_labels(path: Path, split: str) -> list[str]:
    """Read the labels of one split, in the order of its images; all empty where there are none."""
    return [row["label"] for row in read_csv(path) if row["split"] == split]
