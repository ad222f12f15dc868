"""Turn an image file into an array: its colors, orientation, shape and size are decided here alone.

file -> decoded -> upright -> gray or RGB on white -> crop, stretch or pad -> (C, H, W)

`prepare` makes the images of which a model learns with it, and whoever has a file for that model later does the same.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import BadImageError
from hourglass.data.prepared import Bytes

MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485  # of one image, Pillow's limit; more is refused before decoding
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")  # Pillow knows others: for EPS it starts Ghostscript
PNG_START = b"\x89PNG\r\n\x1a\n"
TIFF_DEFLATE = (8, 32946)  # numbers of the one compression of TIFF that has a checksum
TIFF_PLACES = ((273, 279), (324, 325))  # tags of where strips or tiles of pixels are, and of their lengths
MAX_UNPACKED = 8 * MAX_PIXELS  # bytes of a TIFF's pixels: four channels of 16 bits
PIECE = 1 << 20  # bytes
MODES = {"gray": "L", "rgb": "RGB"}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what undoes each orientation of EXIF
SWAPPED = (5, 6, 7, 8)  # orientations under which height and width change places
KNOWN = {
    "color": tuple(MODES),
    "resize": ("crop", "stretch", "pad"),
    "resample": tuple(resample.name.lower() for resample in Image.Resampling),
    "orientation": ("exif",),
}


class PreparedImage(NamedTuple):
    """An image as a model sees it."""

    pixels: Bytes  # (C, H, W)
    cropped: float  # the part of the file's pixels that was cut away, 0 to 1


@dataclass(frozen=True)
class Preparation:
    """All that turns an image file into an array.

    Args:
        color: gray (ITU-R 601 luma, one channel) or rgb (three channels); what is transparent becomes white.
        size: Height and width, None for those of the file.
        resize: crop (cut out the middle in the shape of `size`, then scale), stretch (scale the whole) or pad (scale
            the whole so that it fits, centered on black).
        resample: The filter that scales: nearest, box, bilinear, hamming, bicubic or lanczos.
        orientation: exif (photos are turned as their EXIF data says).
    """

    color: str
    size: tuple[int, int] | None
    resize: str = "crop"
    resample: str = "lanczos"
    orientation: str = "exif"

    def __post_init__(self) -> None:
        if self.size is not None and math.prod(self.size) > MAX_PIXELS:
            raise ValueError(f"expected at most {MAX_PIXELS:,} pixels, got {self.size[0]:,} x {self.size[1]:,}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Preparation":
        """Return what `values()` came from; raise UserError if that is nothing that this version can do."""
        wanted = ", ".join(field.name for field in fields(cls))
        if set(values) != set(wanted.split(", ")):
            raise UserError(f"preparation: expected {wanted}, got {', '.join(values)}: write it again")
        for name, known in KNOWN.items():
            if values[name] not in known:
                raise UserError(f"preparation: expected {name} {' or '.join(known)}, got {values[name]}")
        size = values["size"]
        if size is not None and not (isinstance(size, list) and list(map(type, size)) == [int, int] and min(size) > 0):
            raise UserError(f"preparation: expected size [height, width], got {size}")
        try:
            return cls(**{**values, "size": None if size is None else (size[0], size[1])})
        except ValueError as error:
            raise UserError(f"preparation: size: {error}") from None

    def values(self) -> dict[str, Any]:
        """Return all as it stands in JSON files."""
        return asdict(self) | {"size": None if self.size is None else list(self.size)}

    @property
    def channels(self) -> int:
        """The number of channels of an image, 1 or 3."""
        return len(MODES[self.color])

    def __call__(self, data: bytes, name: str) -> PreparedImage:
        """Decode an image file.

        Args:
            data: The bytes of the file.
            name: What messages call it.

        Raises:
            BadImageError: It is no image, or a damaged one, or none that can be used.
        """
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                _check_header(image, name)
                _check_png(image, data)
                _check_tiff(image, data)
                image.load()  # here damaged pixels raise; Pillow's second attempt at them would not
                return self.prepare(image, name)
        except (BadImageError, MemoryError):
            raise
        except UnidentifiedImageError:
            raise BadImageError(f"{name}: expected an image, got {_describe(data)}") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise BadImageError(f"{name}: expected at most {MAX_PIXELS:,} pixels, got more") from None
        except Exception as error:  # Pillow's many decoders raise a dozen kinds on damaged files
            raise BadImageError(f"{name}: expected a whole image, got a damaged one ({error})") from None

    def prepare(self, image: Image.Image, name: str) -> PreparedImage:
        """Prepare an image that is decoded already; raise BadImageError if it is none that can be used."""
        flat = _flattened(_upright(image), MODES[self.color], name)
        pixels = np.asarray(self._resized(flat))
        channels_first = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return PreparedImage(channels_first, self.cropped(flat.height, flat.width))

    def cropped(self, height: int, width: int) -> float:
        """Return the part of the pixels of an upright image that is cut away."""
        if self.size is None or self.resize != "crop":
            return 0.0
        kept, whole = sorted((height * self.size[1], width * self.size[0]))
        return 1 - kept / whole

    def _resized(self, image: Image.Image) -> Image.Image:
        if self.size is None:
            return image
        target = (self.size[1], self.size[0])  # Pillow counts width first
        if image.size == target:
            return image
        resample = Image.Resampling[self.resample.upper()]
        if self.resize == "crop":
            return ImageOps.fit(image, target, resample)
        if self.resize == "pad":
            return ImageOps.pad(image, target, resample)
        return image.resize(target, resample)


def upright_size(data: bytes, name: str) -> tuple[int, int]:
    """Return height and width of an image file from its header alone; raise BadImageError if it has none."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_header(image, name)
            # Pillow's own method for PNG would decode all pixels first; for TIFF it turns the size itself.
            sideways = image.format != "TIFF" and _orientation(Image.Image.getexif(image)) in SWAPPED
            return image.size if sideways else (image.height, image.width)
    except Exception as error:
        raise BadImageError(f"{name}: expected an image, got none ({error})") from None


def _check_header(image: Image.Image, name: str) -> None:
    """Refuse, from the header alone, what must not be decoded."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImageError(f"{name}: expected at most {MAX_PIXELS:,} pixels, got more")
    # Not counted: in a TIFF of many pages that takes for ever. MPO is a photo, and then what the camera adds to it.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise BadImageError(f"{name}: expected one image, got an animation or a stack of several")


def _check_png(image: Image.Image, data: bytes) -> None:
    """Compare the checksums of a PNG's pixels, which Pillow does not look at; raise ValueError if one is wrong."""
    at = len(PNG_START)
    while image.format == "PNG" and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT" and zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise ValueError("wrong checksum of its pixels")
        at = end + 4


def _check_tiff(image: Image.Image, data: bytes) -> None:
    """Compare the checksums of a TIFF's pixels, which libtiff seldom reaches; raise ValueError if one is wrong."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    if tags.get(ExifTags.Base.Compression) not in TIFF_DEFLATE:
        return
    unpacked = 0
    for places, lengths in TIFF_PLACES:
        for start, length in zip(tags.get(places, ()), tags.get(lengths, ()), strict=False):
            part = zlib.decompressobj()
            left = data[start : start + length]
            while not part.eof:
                unpacked += len(part.decompress(left, PIECE))  # raises where the checksum is wrong
                left = part.unconsumed_tail
                if unpacked > MAX_UNPACKED or not (left or part.eof):
                    raise ValueError("its compressed pixels do not end where they should")


def _upright(image: Image.Image) -> Image.Image:
    """Turn a photo as its EXIF data says; where those are nonsense, leave it as it is."""
    try:
        turn = TURNS.get(_orientation(image.getexif()))
    except Exception:
        return image
    return image if turn is None else image.transpose(turn)


def _orientation(exif: Image.Exif) -> Any:  # noqa: ANN401 - a file may say anything
    return exif.get(ExifTags.Base.Orientation)


def _flattened(image: Image.Image, mode: str, name: str) -> Image.Image:
    """Convert any colors to gray (ITU-R 601 luma) or RGB of 8 bits; what is transparent becomes white."""
    if image.mode.startswith("I;16"):
        # 65,535 becomes 255: Pillow's own conversion would cut off instead of scaling.
        scaled = (np.asarray(image).astype(np.uint32) * 255 + 32767) // 65535
        return Image.fromarray(scaled.astype(np.uint8)).convert(mode)
    if image.mode in ("I", "F"):
        raise BadImageError(f"{name}: expected 8 or 16 bits a channel, got 32 (mode {image.mode}): convert it first")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    return image.convert(mode)  # palettes and CMYK too


def _describe(data: bytes) -> str:
    """Return what a file that is no image looks like."""
    start = data[:64]
    if not start:
        return "an empty file"
    is_text = start.isascii() and start.decode("ascii").isprintable()
    return "text" if is_text else f"something else than {', '.join(FORMATS)}"
