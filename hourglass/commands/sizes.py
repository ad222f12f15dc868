"""Images as large as they were before they were compressed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hourglass.coding.file import Size
from hourglass.console.errors import UserError
from hourglass.data.image import MAX_PIXELS
from hourglass.data.prepared import Bytes


def check_sizes(sizes: Sequence[Size], path: Path) -> None:
    """Raise UserError if a file names a size that no image had, before memory is taken for it."""
    for height, width in sizes:
        if not 0 < height * width <= MAX_PIXELS:
            raise UserError(
                f"{path}: expected images of at most {MAX_PIXELS:,} pixels, got one of {height:,} x {width:,}"
            )


def enlarge(pixels: Bytes, size: Size, resize: str) -> Bytes:
    """Scale an image (H, W[, C]) to the `size` (height, width) that it had before it was prepared by `resize`.

    Where it was cropped, to that of the part that was kept; where it was padded, the padding is cut off first.
    """
    height, width = size
    own_height, own_width = pixels.shape[:2]
    if resize == "crop":
        scale = min(height / own_height, width / own_width)
        height, width = max(1, round(own_height * scale)), max(1, round(own_width * scale))
    if resize == "pad":
        scale = min(own_height / height, own_width / width)
        pixels = _middle(pixels, max(1, round(height * scale)), max(1, round(width * scale)))
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _middle(pixels: Bytes, height: int, width: int) -> Bytes:
    """Cut out what `ImageOps.pad` put into the middle."""
    top, left = round((pixels.shape[0] - height) * 0.5), round((pixels.shape[1] - width) * 0.5)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])
