"""Images side by side in one file, as a page shows them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHOWN = 320  # pixels, the width of an image in a report, at most
THUMBNAIL = 64  # pixels, the longer side of one beside a point

Bytes = NDArray[np.uint8]


def write_strip(path: Path, images: Sequence[Bytes], width: int = SHOWN, height: int | None = None) -> None:
    """Write images (C, H, W) from left to right into one PNG, each made as small as `width` and `height` ask for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [_shrunk(image, width, height) for image in images]
    Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures], axis=1)).save(path, optimize=True)


def write_grid(path: Path, images: Bytes) -> None:
    """Write images (R, S, C, H, W) as a grid of R rows without gaps into one PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns, channels, height, width = images.shape
    whole = images.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    Image.fromarray(whole[..., 0] if channels == 1 else whole).save(path, optimize=True)


def _shrunk(image: Bytes, width: int, height: int | None) -> Image.Image:
    channels, tall, wide = image.shape
    picture = Image.fromarray(image[0] if channels == 1 else image.transpose(1, 2, 0))
    scale = min(1, width / wide, (height or tall) / tall)
    size = max(1, round(wide * scale)), max(1, round(tall * scale))
    return picture if scale == 1 else picture.resize(size, Image.Resampling.LANCZOS)
