"""Formats of image files, each with the settings by which Pillow writes it: `CODECS` is the registry.

Encoders run in one thread, so that the same image gives the same bytes each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, features

from hourglass.data.prepared import Bytes

FULL_COLOR = (
    90  # quality of JPEG from which on chroma is whole: below it costs more than it brings; libvips does so too
)
LOSSLESS = (100,)  # the quality of a file that has one setting alone


@dataclass(frozen=True)
class ImageCodec:
    """A format and how its files are written.

    Attributes:
        format: Its name in Pillow.
        feature: What Pillow is built with if it can write the format, as `PIL.features` names it.
        libraries: What may write it, as `PIL.features` names them: the first one that is there does.
        kind: Whether what comes out is what went in.
        max_side: Pixels of the larger side of an image, at most.
        qualities: Those that are swept, from the smallest files to the largest.
        options: Of `PIL.Image.Image.save`.
        chroma: Chroma subsampling of color images in the files, as J:a:b.
        gray_chroma: That of gray images; "4:0:0" for a file without chroma.
    """

    format: str
    feature: str
    libraries: tuple[str, ...]
    kind: Literal["image codec", "lossless"]
    max_side: int
    qualities: tuple[int, ...]
    options: Mapping[str, object] = field(default_factory=dict)
    chroma: str = "4:4:4"
    gray_chroma: str = "4:0:0"

    def why_not(self, height: int, width: int) -> str:
        """Return the reason why images of this size cannot be written, or "" if they can."""
        if not features.check(self.feature):
            return f"expected Pillow with {self.format}, got a build without it"
        if max(height, width) > self.max_side:
            return f"expected sides of at most {self.max_side:,} pixels, got {height}x{width}"
        return ""

    def encode(self, pixels: Bytes, quality: int) -> bytes:
        """Return the file of an image, uint8 (H, W) or (H, W, 3).

        Args:
            pixels: The image.
            quality: As the format has it, which means something else in each; a lossless one takes no notice of it.
        """
        options = dict(self.options)
        if self.kind == "image codec":
            options["quality"] = quality
            color = pixels.ndim == 3
            if self.format == "AVIF" or (self.format == "JPEG" and color):  # others leave no choice
                options["subsampling"] = self.subsampling(quality, color=color)
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, self.format, **options)
        return buffer.getvalue()

    def subsampling(self, quality: int, *, color: bool) -> str:
        """Return the chroma subsampling of a file."""
        if not color:
            return self.gray_chroma
        return "4:4:4" if self.format == "JPEG" and quality >= FULL_COLOR else self.chroma


def decode(data: bytes, *, color: bool) -> Bytes:
    """Return the pixels of an image file, uint8 (H, W), or (H, W, 3) in color."""
    with Image.open(BytesIO(data)) as image:
        # Where a format has no gray, the channels of a gray image come back equal.
        return np.asarray(image.convert("RGB" if color else "L"))


SWEPT = (1, 5, 12, 25, 45, 70, 90, 98)
JPEG = ImageCodec(
    "JPEG", "jpg", ("libjpeg_turbo", "jpg"), "image codec", 65_500, SWEPT, {"optimize": True}, chroma="4:2:0"
)
CODECS = {
    "JPEG": JPEG,
    "WebP": ImageCodec(
        "WEBP", "webp", ("webp",), "image codec", 16_383, SWEPT, {"method": 6}, chroma="4:2:0", gray_chroma="4:2:0"
    ),
    # Speed 4 costs three to eight times the seconds of 6, which is Pillow's own, and saves 1% to 8% of the bytes.
    "AVIF": ImageCodec(
        "AVIF",
        "avif",
        ("avif",),
        "image codec",
        65_536,
        (1, 10, 20, 30, 40, 55, 70, 85),
        {"speed": 6, "max_threads": 1},
    ),
    "PNG": ImageCodec("PNG", "zlib", ("zlib_ng", "zlib"), "lossless", 2**31 - 1, LOSSLESS, {"optimize": True}),
    "WebP lossless": ImageCodec(
        "WEBP", "webp", ("webp",), "lossless", 16_383, LOSSLESS, {"lossless": True, "method": 4}
    ),
}
