"""JPEG at the bytes of another file: what everybody has, to compare a model with."""

from typing import NamedTuple

from hourglass.data.prepared import Bytes
from hourglass.image_codecs.formats import JPEG, decode

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
    low, high = 0, BEST  # `low` fits, or is 0; qualities above `high` do not fit
    best = JPEG.encode(pixels, 1)
    fits = len(best) <= limit
    while low < high and fits:
        middle = (low + high + 1) // 2
        data = JPEG.encode(pixels, middle)
        if len(data) <= limit:
            low, best = middle, data
        else:
            high = middle - 1
    return Jpeg(max(1, low), len(best), decode(best, color=pixels.ndim == 3), fits)
