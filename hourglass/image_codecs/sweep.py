"""Rate and distortion of image codecs: each image's own file at several qualities, decoded again and scored.

    images uint8 (N, C, H, W) -> encode -> bytes -> decode -> images uint8 (N, C, H, W) -> PSNR, SSIM of each

Of tiny images most of a file is its header, so that all of them are stored as one picture too: a sheet.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hourglass.arrays.spread import CODED, spread
from hourglass.console.progress import progress
from hourglass.data.prepared import Bytes, Images
from hourglass.image_codecs.formats import CODECS, ImageCodec, decode
from hourglass.metrics.quality import METRICS

SCORES = ("psnr_db", "ssim")
TINY = 64 * 64  # pixels of an image; above it a header matters less
BLOCK, GRAY = 8, 128  # side of a picture in pixels, and the value of all of them
BATCH_VALUES = 2**20  # of the images that are in memory at once
RGB = 3  # channels of a color image

Row = dict[str, float | str]


@dataclass(frozen=True)
class Way:
    """A way to store images: in a file each, or all in one.

    Attributes:
        name: Of the codec, and "sheet" if all are in one file.
        codec: The format.
        sheet: Whether all are in one file.
    """

    name: str
    codec: ImageCodec
    sheet: bool = False


def ways(images: int, image_shape: tuple[int, ...]) -> tuple[list[Way], dict[str, str]]:
    """Return how images (C, H, W) of a split of so many are stored, and what is left out, with the reason."""
    _, height, width = image_shape
    kept, left_out = [], {}
    for name, codec in CODECS.items():
        forms = {name: (height, width)}
        if height * width <= TINY:
            rows, columns = grid(min(images, CODED))
            forms[f"{name} sheet"] = rows * height, columns * width
        for form, size in forms.items():
            if reason := codec.why_not(*size):
                left_out[form] = reason
            else:
                kept.append(Way(form, codec, form != name))
    if height * width > TINY:
        left_out["sheet"] = f"expected images of at most {TINY:,} pixels, got {height}x{width}"
    return kept, left_out


def sweep(images: Images, stored: Sequence[Way]) -> list[Row]:
    """Return a row for each way and quality: mean bytes of an image, its mean scores, and bytes of a header.

    Args:
        images: uint8 (N, C, H, W), of which at most 256 are taken, at equal distances.
        stored: How.
    """
    chosen = np.array(spread(len(images), CODED))
    settings = [(way, quality) for way in stored for quality in way.codec.qualities]
    with progress(len(chosen) * len(settings), "encode", "image") as bar:
        return [measure(*setting, images, chosen, bar.update) for setting in settings]


def measure(way: Way, quality: int, images: Images, chosen: NDArray[np.int64], advance: Callable[[int], object]) -> Row:
    """Return the row of one way and quality, of the images (N, C, H, W) at the indices `chosen`."""
    image_shape, size = images.shape[1:], 0
    values: dict[str, list[NDArray[np.float64]]] = {
        name: [] for name in SCORES if not METRICS[name].why_not(image_shape)
    }
    at_once = len(chosen) if way.sheet else max(1, BATCH_VALUES // math.prod(image_shape))
    for start in range(0, len(chosen), at_once):
        batch = images[chosen[start : start + at_once]]
        more, decoded = store_sheet(batch, way.codec, quality) if way.sheet else store_each(batch, way.codec, quality)
        size += more
        pair = _scaled(batch), _scaled(decoded)
        for name, scores in values.items():
            scores.append(METRICS[name].function(*pair))
        advance(len(batch))
    means = {name: float(np.concatenate(scores).mean()) for name, scores in values.items()}
    header = header_bytes(way.codec, quality, image_shape[0]) / (len(chosen) if way.sheet else 1)
    return {"codec": way.name, "quality": quality, "bytes": size / len(chosen), **means, "header_bytes": header}


def store_each(images: Bytes, codec: ImageCodec, quality: int) -> tuple[int, Bytes]:
    """Return the bytes of a file for each image, all together, and what they are decoded to.

    Args:
        images: uint8 (N, C, H, W).
        codec: The format.
        quality: Of the files.
    """
    color, size, decoded = images.shape[1] == RGB, 0, np.empty_like(images)
    for image, target in zip(images, decoded, strict=True):
        data = codec.encode(_channels_last(image), quality)
        size += len(data)
        target[:] = decode(data, color=color).reshape(*image.shape[1:], -1).transpose(2, 0, 1)
    return size, decoded


def store_sheet(images: Bytes, codec: ImageCodec, quality: int) -> tuple[int, Bytes]:
    """Return the bytes of one file of all images, edge to edge in a grid, and what it is decoded to.

    With a margin that fills whole blocks of 8x8 or 16x16 pixels, the files grow by more than the images gain.

    Args:
        images: uint8 (N, C, H, W).
        codec: The format.
        quality: Of the file.
    """
    count, channels, height, width = images.shape
    rows, columns = grid(count)
    cells = np.zeros((rows * columns, channels, height, width), np.uint8)
    cells[:count] = images
    sheet = cells.reshape(rows, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    data = codec.encode(_channels_last(sheet.reshape(channels, rows * height, columns * width)), quality)
    pixels = decode(data, color=channels == RGB).reshape(rows, height, columns, width, channels)
    return len(data), pixels.transpose(0, 2, 4, 1, 3).reshape(-1, channels, height, width)[:count]


def grid(images: int) -> tuple[int, int]:
    """Return rows and columns of a sheet, about as many of both."""
    columns = math.ceil(math.sqrt(images))
    return -(-images // columns), columns


def header_bytes(codec: ImageCodec, quality: int, channels: int) -> int:
    """Return the bytes of a file that says next to nothing: of 8x8 pixels, one block, all in one gray."""
    return len(codec.encode(_channels_last(np.full((channels, BLOCK, BLOCK), GRAY, np.uint8)), quality))


def _channels_last(image: Bytes) -> Bytes:
    """Return an image (C, H, W) as Pillow has it: (H, W), or (H, W, 3) in color."""
    return image[0] if len(image) == 1 else image.transpose(1, 2, 0)


def _scaled(images: Bytes) -> NDArray[np.float32]:
    return images.astype(np.float32) / np.float32(255)
