"""Image files, decoded as `prepare` decodes them."""

import io
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hourglass.data.image import Preparation
from tests.fuzz.harness import Target


def photo() -> Image.Image:
    """Return a smooth color image with a little noise, as photos are."""
    rows, columns = np.arange(48)[:, None, None], np.arange(40)[None, :, None]
    waves = 128 + 100 * np.sin(rows / 9 + columns / (5 + np.arange(3)))
    return Image.fromarray((waves + np.random.default_rng(0).integers(0, 9, waves.shape)).astype(np.uint8))


def encoded(kind: str, **options: object) -> bytes:
    """Return the photo as a file of one format."""
    file = io.BytesIO()
    photo().save(file, kind, **options)
    return file.getvalue()


def decoded(path: Path) -> NDArray[np.uint8]:
    """Decode a file to (C, H, W)."""
    return Preparation("rgb", None)(path.read_bytes(), str(path)).pixels


def flip_pixel(content: bytes, draw: random.Random) -> bytes:
    """Flip a bit of a TIFF's one strip, which begins behind 8 bytes and is followed by 200 bytes of tags at most."""
    damaged = bytearray(content)
    damaged[draw.randrange(8, len(content) - 200)] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def target(name: str, good: Callable[[], bytes], *, has_checksum: bool = False) -> Target:
    """Return the target of a format."""
    return Target(name, good, decoded, f"photo.{name}", same=np.array_equal if has_checksum else None)


TIFF = partial(encoded, "TIFF", compression="tiff_adobe_deflate")
TARGETS = (
    target("png", partial(encoded, "PNG"), has_checksum=True),
    target("jpeg", partial(encoded, "JPEG")),
    target("tiff", TIFF),
    Target("tiff-pixels", TIFF, decoded, "photo.tif", same=np.array_equal, mutations=flip_pixel),
    target("bmp", partial(encoded, "BMP")),
    target("webp", partial(encoded, "WEBP")),
    target("gif", partial(encoded, "GIF")),
)
