"""Decode one image file: its colours, its orientation and its size, each decided in this one place."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from stages.common.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485  # of one image, Pillow's limit; more is refused before decoding
RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MODES = {"grey": "L", "rgb": "RGB"}


class BadImageError(UserError):
    """A file that is no image, or not one that can be used."""


@dataclass(frozen=True)
class Decoder:
    """How files become arrays: `size` is (height, width), None for that of the file; `color` grey or rgb.

    `resize` is "crop" (cut out the middle in the shape of `size`, then scale) or "stretch"; `resample` is the filter.
    """

    size: tuple[int, int] | None
    color: str
    resize: str = "crop"
    resample: str = "lanczos"

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Decode one file to uint8 (H, W) or (H, W, 3); raise BadImageError, which names it."""
        try:
            with Image.open(path) as image:
                _check_header(image, path)
                return np.asarray(self._resized(_flattened(_upright(image), MODES[self.color], path)))
        except (BadImageError, MemoryError):
            raise
        except UnidentifiedImageError:
            raise BadImageError(f"{path}: expected an image, got {_describe(path)}") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise BadImageError(f"{path}: expected at most {MAX_PIXELS:,} pixels, got more") from None
        except Exception as error:  # Pillow's many decoders raise a dozen kinds on damaged files
            raise BadImageError(f"{path}: expected a whole image, got a damaged one ({error})") from None

    def _resized(self, image: Image.Image) -> Image.Image:
        if self.size is None:
            return image
        target = (self.size[1], self.size[0])  # Pillow counts width first
        if image.size == target:
            return image
        if self.resize == "crop":
            return ImageOps.fit(image, target, RESAMPLING[self.resample])
        return image.resize(target, RESAMPLING[self.resample])


def _check_header(image: Image.Image, path: Path) -> None:
    """Refuse, from the header alone, what must not be decoded."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImageError(f"{path}: expected at most {MAX_PIXELS:,} pixels, got more")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a photo first, and then what the camera adds to it
        raise BadImageError(f"{path}: expected one image, got an animation or a stack of {frames}")


def _upright(image: Image.Image) -> Image.Image:
    """Turn a photo as its EXIF data asks; where those are nonsense, leave it as it is."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        image.load()  # if it was the pixels that are damaged, say so
        return image


def _flattened(image: Image.Image, mode: str, path: Path) -> Image.Image:
    """Turn any colours into grey (ITU-R 601 luma) or RGB of 8 bits; what is transparent becomes white."""
    if image.mode.startswith("I;16"):
        # 65,535 becomes 255: Pillow's own conversion would cut off instead of scaling.
        scaled = (np.asarray(image).astype(np.uint32) * 255 + 32767) // 65535
        return Image.fromarray(scaled.astype(np.uint8)).convert(mode)
    if image.mode in ("I", "F"):
        raise BadImageError(f"{path}: expected 8 or 16 bits a channel, got 32 (mode {image.mode}): convert it first")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    return image.convert(mode)  # palettes and CMYK too


def _describe(path: Path) -> str:
    start = path.read_bytes()[:64] if path.stat().st_size < 1 << 20 else b"?"
    if not start:
        return "an empty file"
    return "text" if start.isascii() and start.decode("ascii").isprintable() else "something else"
