"""Read a folder of image files, searched to any depth; their colors, orientation and size are decided here alone."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import AfterValidator

from hourglass.console.errors import UserError
from hourglass.data.names import find_clash, is_litter
from hourglass.data.preparation.raw import BadImageError, RawImages, Target
from hourglass.data.prepared import Bytes

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485  # of one image, Pillow's limit; more is refused before decoding
MODES = {"gray": "L", "rgb": "RGB"}
Resize = Literal["crop", "stretch"]
Resample = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"expected a regular expression, got '{value}' ({error})") from None
    return value


RegularExpression = Annotated[str, AfterValidator(_regular_expression)]


def read(
    folder: Path,
    target: Target,
    *,
    labels: Literal["folder", "pattern", "none"] | None = None,
    pattern: RegularExpression | None = None,
    test: RegularExpression | None = None,
    resize: Resize = "crop",
    resample: Resample = "lanczos",
) -> RawImages:
    """List the images in `folder`; they are decoded when they are asked for.

    Args:
        folder: The upstream files.
        target: The size and the color of the images.
        labels: Where classes come from. pattern: the group `label` of `pattern`, the default if it has one; folder:
            the name of the folder that an image lies in, the default if not; none: there are none.
        pattern: A regular expression that every file's name without its suffix has to match whole; its named groups
            `label` and `group` are the class and who is in the picture.
        test: A regular expression that is searched in paths: what it finds are the publisher's test images.
        resize: How images get another shape. crop: cut out the middle, then scale; stretch: scale the whole.
        resample: The filter that scales.

    Raises:
        UserError: There are no images, their names do not match `pattern` or could be mixed up, or `labels: pattern`
            lacks the group.
    """
    if labels == "pattern" and "label" not in re.compile(pattern or "").groupindex:
        raise UserError("`labels: pattern` expects a `pattern` with a group (?P<label>...)")
    paths = find_images(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    matches = [_match(pattern, path) for path in paths] if pattern else []
    return RawImages(
        images=FolderImages(paths, Decoder(target.size, target.color, resize, resample)),
        sources=names,
        labels=_labels(labels, paths, matches),
        groups=[match["group"] for match in matches] if matches and "group" in matches[0].groupdict() else None,
        official_test=np.array([bool(re.search(test, name)) for name in names]) if test else None,
    )


@dataclass(frozen=True)
class FolderImages:
    """Image files as a sequence of arrays, decoded when they are asked for."""

    paths: Sequence[Path]
    decoder: "Decoder"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> Bytes:
        return self.decoder(self.paths[index])


def find_images(folder: Path) -> list[Path]:
    """Find all image files below `folder`, sorted; raise UserError if there are none or if two could be mixed up."""
    files = [path for path in _files_below(folder) if not is_litter(path.name)]
    paths = sorted((path for path in files if path.suffix.lower() in SUFFIXES), key=_natural)
    if not paths:
        raise UserError(f"{folder}: expected images ({', '.join(SUFFIXES)}), found none among {len(files)} files")
    if len(paths) < len(files):
        print(f"{folder}: {len(files) - len(paths)} files of other types left aside")
    for path in paths:
        if not str(path).isprintable():  # bytes that are no UTF-8 are not printable either
            raise UserError(f"expected names of printable characters, got {str(path)!r}: rename it")
    if twins := find_clash(paths):
        raise UserError(
            f"expected names that differ by more than their capitals, got {twins[0]} and {twins[1]}: rename one"
        )
    return paths


def _natural(path: Path) -> list[tuple[int, int | str]]:
    """Return a key that sorts frame9 before frame10: neighbors in a video stay neighbors."""
    pieces = re.split(r"([0-9]+)", path.as_posix())
    return [(0, int(piece)) if piece.isdecimal() else (1, piece) for piece in pieces]


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder; links to folders are followed, but no folder is entered twice."""

    def refuse(error: OSError) -> None:
        raise UserError(f"expected a folder that can be read, got {error.filename}: {error.strerror}")

    visited = set()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        visited.add(os.path.realpath(parent))
        folders[:] = [name for name in folders if os.path.realpath(Path(parent, name)) not in visited]
        yield from (Path(parent, name) for name in names)


def _match(pattern: str, path: Path) -> re.Match[str]:
    """Match a file's name without its suffix; raise UserError if it, or a named group, does not match."""
    match = re.fullmatch(pattern, path.stem)
    if match is None or None in match.groupdict().values():
        raise UserError(f"{path}: expected a name that matches the pattern {pattern}, got {path.stem}")
    return match


def _labels(kind: str | None, paths: list[Path], matches: list[re.Match[str]]) -> list[str] | None:
    """Return the class of each image, None if there are not two."""
    if kind is None and matches and "label" in matches[0].groupdict():
        kind = "pattern"
    if kind == "none":
        return None
    labels = [match["label"] for match in matches] if kind == "pattern" else [path.parent.name for path in paths]
    return labels if len(set(labels)) > 1 else None  # one class tells nothing


@dataclass(frozen=True)
class Decoder:
    """Decode image files to arrays of one color and size.

    Args:
        size: Height and width, None for those of the file.
        color: gray or rgb.
        resize: crop (cut out the middle in the shape of `size`, then scale) or stretch.
        resample: The filter that scales.
    """

    size: tuple[int, int] | None
    color: str
    resize: Resize = "crop"
    resample: Resample = "lanczos"

    def __call__(self, path: Path) -> Bytes:
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
        resample = Image.Resampling[self.resample.upper()]
        if self.resize == "crop":
            return ImageOps.fit(image, target, resample)
        return image.resize(target, resample)


def _check_header(image: Image.Image, path: Path) -> None:
    """Refuse, from the header alone, what must not be decoded."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImageError(f"{path}: expected at most {MAX_PIXELS:,} pixels, got more")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a photo first, and then what the camera adds to it
        raise BadImageError(f"{path}: expected one image, got an animation or a stack of {frames}")


def _upright(image: Image.Image) -> Image.Image:
    """Turn a photo as its EXIF data says; where those are nonsense, leave it as it is."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        image.load()  # raises if it was the pixels that are damaged
        return image


def _flattened(image: Image.Image, mode: str, path: Path) -> Image.Image:
    """Convert any colors to gray (ITU-R 601 luma) or RGB of 8 bits; what is transparent becomes white."""
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
    """Return what a file that is no image looks like."""
    start = path.read_bytes()[:64] if path.stat().st_size < 1 << 20 else b"?"
    if not start:
        return "an empty file"
    return "text" if start.isascii() and start.decode("ascii").isprintable() else "something else"
