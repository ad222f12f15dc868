"""JPEG at the bytes of another file: what everybody has, to compare a model with."""

from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from hourglass.data.prepared import Bytes

BEST = 100  # quality


class Jpeg(NamedTuple):
    """An image that went through a JPEG file.

    Attributes:
        quality: Of Pillow, 1 to 100.
        size: Bytes of the file.
        pixels: What it is decoded to, uint8 (H, W[, C]).
        fits: Whether the file is as small as it was to be.
    """

    quality: int
    size: int
    pixels: Bytes
    fits: bool


def jpeg_within(pixels: Bytes, limit: int) -> Jpeg:
    """Return an image (H, W[, C]) through the JPEG file of the largest quality that has at most `limit` bytes.

    The quality is searched by halves, as the bytes grow with it but for a few. Where even the smallest file has more
    bytes, it is that one.
    """
    image = Image.fromarray(pixels)
    low, high = 0, BEST  # `low` fits, or is 0; qualities above `high` do not fit
    best = _file(image, 1)
    fits = len(best) <= limit
    while low < high and fits:
        middle = (low + high + 1) // 2
        data = _file(image, middle)
        if len(data) <= limit:
            low, best = middle, data
        else:
            high = middle - 1
    with Image.open(BytesIO(best)) as decoded:
        return Jpeg(max(1, low), len(best), np.asarray(decoded), fits)


def _file(image: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
