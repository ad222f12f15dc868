"""Images as people have them, as the arrays that a model was trained on."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from hourglass.coding.file import Size
from hourglass.console.errors import UserError
from hourglass.data.image import FORMATS, TURNS, Preparation, PreparedImage, upright_size
from hourglass.data.preparation.raw import MAX_BYTES, BadImageError
from hourglass.data.prepared import Bytes

ONE = "for one image, image[None]"

ImageLike = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]


class ImageList:
    """Images of any kind, each prepared as the training images were when it is asked for.

    Args:
        images: Paths, Pillow images or arrays uint8 (H, W[, C]); one array (N, H, W[, C]), or (N, H * W * C) of images
            that have the model's shape; or a single path or Pillow image.
        preparation: What the training images went through.
        image_shape: (C, H, W) of the model.

    Raises:
        UserError: If they are nothing of this kind.
    """

    def __init__(
        self, images: ImageLike | Sequence[ImageLike], preparation: Preparation, image_shape: tuple[int, int, int]
    ) -> None:
        self.preparation, self.shape = preparation, image_shape
        self.images = _as_sequence(images, image_shape)
        self.sizes: dict[int, Size] = {}  # of images that were made as large as the model's
        self.kinds: Counter[str] = Counter()  # of what else was done to images

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, size: int) -> Iterator[Bytes]:
        """Yield uint8 arrays (n, C, H, W) of `size` images each."""
        for start in range(0, len(self), size):
            yield np.stack([self.prepared(index) for index in range(start, min(start + size, len(self)))])

    def name(self, index: int) -> str:
        """Return what messages and tables call an image."""
        image = self.images[index]
        return os.fspath(image) if isinstance(image, str | os.PathLike) else f"image {index}"

    def prepared(self, index: int) -> Bytes:
        """Return image `index` as uint8 (C, H, W); raise BadImageError if it is none that can be used."""
        image, name = self.images[index], self.name(index)
        if isinstance(image, str | os.PathLike):
            data = read_file(Path(image), name, "an image")
            prepared = self.preparation(data, name)
            with Image.open(BytesIO(data), formats=FORMATS) as header:
                return self._fitted(index, prepared, upright_size(data, name), header)
        if not isinstance(image, Image.Image):
            array = _checked(image, name)
            channels_first = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
            if channels_first.shape == self.shape:
                return np.ascontiguousarray(channels_first)
            image = Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)
        try:
            upright = ImageOps.exif_transpose(image)
            if not min(upright.size):
                raise ValueError("no pixels")
            prepared = self.preparation.prepare(upright, name)
        except (BadImageError, MemoryError):
            raise
        except Exception as error:  # a closed or truncated one, of no pixels, or of a mode that Pillow cannot convert
            size = f"{image.height}x{image.width} of mode {image.mode}"
            raise BadImageError(f"{name}: expected an image that is gray or in color, got {size} ({error})") from None
        return self._fitted(index, prepared, (upright.height, upright.width), image)

    def _fitted(self, index: int, prepared: PreparedImage, size: Size, before: Image.Image) -> Bytes:
        """Return the pixels, and remember what the image was before if that is not what the model takes."""
        if size != self.shape[1:]:
            self.sizes[index] = size
        self.kinds.update(_kinds(before, self.shape[0]))
        return prepared.pixels

    def change(self) -> str:
        """Return a line about images that were no such images as the model takes, "" if all were."""
        changes = [self._resized()] if self.sizes else []
        changes += [f"{count} image{'s' if count > 1 else ''} {kind}" for kind, count in sorted(self.kinds.items())]
        return f"{'; '.join(changes)}, as the training images were" if changes else ""

    def _resized(self) -> str:
        channels, height, width = self.shape
        how = {"crop": "cropped and scaled", "stretch": "stretched", "pad": "scaled and padded"}[
            self.preparation.resize
        ]
        sizes = sorted({f"{size[0]}x{size[1]}" for size in self.sizes.values()})
        of = f"of {sizes[0]}" if len(sizes) == 1 else f"of {len(sizes)} sizes, {sizes[0]} for one,"
        count = f"{len(self.sizes)} image{'s' if len(self.sizes) > 1 else ''}"
        kind = "gray" if channels == 1 else "RGB"
        return f"{count} {of} {how} to {height}x{width} {kind}"


def channels_last(images: Bytes) -> Bytes:
    """(..., C, H, W) -> (..., H, W) of gray images, (..., H, W, C) of others, as Pillow and scikit-image have them."""
    return images[..., 0, :, :] if images.shape[-3] == 1 else np.ascontiguousarray(np.moveaxis(images, -3, -1))


def _as_sequence(images: Any, image_shape: tuple[int, int, int]) -> "Sequence[Any] | NDArray[Any]":  # noqa: ANN401 - anything may come
    channels, height, width = image_shape
    if isinstance(images, str | os.PathLike | Image.Image):
        return [images]
    if isinstance(images, np.ndarray) or hasattr(images, "to_numpy"):
        array = images if isinstance(images, np.ndarray) else images.to_numpy()
        if array.dtype.kind in "OU" and array.ndim:  # of paths, for one
            return list(array)
        if array.ndim == 2:
            if array.shape[1] != channels * height * width:
                raise UserError(
                    f"expected images (N, H, W) or (N, H, W, C), or flat ones (N, {channels * height * width}) as the "
                    f"model was trained on, got an array of {array.shape}: {ONE}"
                )
            array = array.reshape(-1, height, width, channels)
        if array.ndim not in (3, 4):
            raise UserError(f"expected images (N, H, W) or (N, H, W, C), got an array of {array.shape}")
        if array.ndim == 3 and array.shape[2] in (3, 4) and width != array.shape[2]:
            raise UserError(f"expected images (N, H, W) or (N, H, W, C), got an array of {array.shape}: {ONE}")
        return array
    if not hasattr(images, "__iter__"):
        raise UserError(f"expected paths, Pillow images or arrays, got {type(images).__name__}")
    return list(images)


def _checked(image: Any, name: str) -> NDArray[np.uint8]:  # noqa: ANN401 - anything may come
    """Return an array that is an image; raise UserError for others."""
    if not isinstance(image, np.ndarray):
        raise UserError(f"{name}: expected a path, a Pillow image or an array, got {type(image).__name__}")
    if image.dtype != np.uint8:
        advice = "images in [0, 1] become it by (255 * images).round().astype('uint8')"
        raise UserError(f"{name}: expected bytes (uint8) of 0 to 255, got {image.dtype}: {advice}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)) or not image.size:
        raise UserError(f"{name}: expected an image (H, W) or (H, W, C) of 1, 3 or 4 channels, got {image.shape}")
    return image


def _kinds(image: Image.Image, channels: int) -> Iterator[str]:
    """Yield what an image goes through besides a change of its size."""
    colored = image.mode not in ("1", "L", "LA", "La") and not image.mode.startswith("I;16")
    if colored and channels == 1:  # of the other way, nothing is lost
        yield "made gray"
    if image.mode.startswith("I;16"):
        yield "of 16 bits scaled to 8"
    if image.has_transparency_data:
        yield "put on white"
    with suppress(Exception):  # nonsense in its EXIF data, of which nothing was done
        # Pillow's own method for PNG would decode all pixels first.
        if Image.Image.getexif(image).get(ExifTags.Base.Orientation) in TURNS:
            yield "turned as EXIF says"


def read_file(path: Path, name: str, what: str) -> bytes:
    """Return the bytes of a file; `name` and `what` are what messages call it, and what it should be.

    Raises:
        BadImageError: If it is none that can be read, or larger than any image: a pipe never ends.
    """
    try:
        if not path.is_file() and path.exists():
            raise BadImageError(f"{name}: expected {what}, got a folder, a pipe or a device")
        if path.stat().st_size > MAX_BYTES:
            raise BadImageError(f"{name}: expected {what} of at most {MAX_BYTES:,} bytes, got more")
        return path.read_bytes()
    except OSError as error:
        raise BadImageError(f"{name}: expected {what}, got: {error.strerror}") from None
    except ValueError as error:  # a NUL in the path
        raise BadImageError(f"{name!r}: expected {what}, got: {error}") from None
