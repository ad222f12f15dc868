"""Decode all images of a data set, in parallel and in order, into one file of bytes: memory stays flat."""

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.data.preparation.raw import BadImageError, RawImages
from hourglass.data.prepared import Bytes

ImageShape = tuple[int, int, int]  # (C, H, W)
TASK_BYTES = 1 << 22  # of decoded images, for one task of a thread


@dataclass(frozen=True)
class Decoded:
    """N images of one shape in a file, one after the other without a header, and what was found on the way."""

    path: Path
    image_shape: ImageShape
    kept: NDArray[np.int64]  # (N,), the upstream index of each
    copies: NDArray[np.int64]  # (N,), for each the position here of its first exact copy
    skipped: list[str]  # for each image that was not kept, why

    def read(self, positions: NDArray[np.int64]) -> Iterator[Bytes]:
        """Yield the images (C, H, W) at these positions."""
        values = int(np.prod(self.image_shape))
        with self.path.open("rb") as file:
            for position in positions:
                file.seek(int(position) * values)
                yield np.frombuffer(file.read(values), np.uint8).reshape(self.image_shape)


def decode(
    raw: RawImages, path: Path, channels: int, size: tuple[int, int] | None, skip_bad: bool, name: str
) -> Decoded:
    """Write every image to `path` as (C, H, W) bytes; without `size` that of the first image holds for all.

    Args:
        raw: The images.
        path: The file to write.
        channels: 1 or 3.
        size: Height and width.
        skip_bad: Leave out images that cannot be decoded, and list them.
        name: The data set's name, for the progress bar.

    Raises:
        UserError: An image cannot be used (unless `skip_bad`), differs in shape, or there is none.
    """
    image_shape = (channels, *size) if size else None
    kept: list[int] = []
    copies: list[int] = []
    skipped: list[str] = []
    first_of: dict[bytes, int] = {}
    with path.open("wb") as file, progress(len(raw.images), name, "img") as bar, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # an error, which a reader explains
        for index, image in enumerate(_in_parallel(raw, image_shape)):
            bar.update()
            if isinstance(image, BadImageError):
                if not skip_bad:
                    raise UserError(f"{image}; `on_bad_image: skip` leaves such files out")
                skipped.append(str(image))
                continue
            channels_first = _channels_first(image, channels, image_shape, raw.sources[index])
            image_shape = image_shape or channels_first.shape
            data = channels_first.tobytes()
            file.write(data)
            digest = hashlib.blake2b(data, digest_size=16).digest()
            copies.append(first_of.setdefault(digest, len(kept)))
            kept.append(index)
    if image_shape is None or not kept:
        raise UserError(f"expected at least one image that can be used, got none; {'; '.join(skipped[:3])}")
    return Decoded(path, image_shape, np.array(kept), np.array(copies), skipped)


def _in_parallel(raw: RawImages, image_shape: ImageShape | None) -> Iterator[Bytes | BadImageError]:
    """Yield each image in turn, or its error, decoding a few ahead in threads that Pillow does not block."""
    workers = os.cpu_count() or 1
    # A task is a few images: small ones would otherwise cost more to hand over than to decode.
    step = min(64, max(1, TASK_BYTES // int(np.prod(image_shape)))) if image_shape else 1
    waiting: deque[Future[list[Bytes | BadImageError]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for start in range(0, len(raw.images), step):
                waiting.append(pool.submit(_some, raw, range(start, min(start + step, len(raw.images)))))
                if len(waiting) > 2 * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _some(raw: RawImages, indices: range) -> list[Bytes | BadImageError]:
    return [_one(raw, index) for index in indices]


def _one(raw: RawImages, index: int) -> Bytes | BadImageError:
    """Return an image, or its error: one that is raised would end the thread's whole task."""
    try:
        return raw.images[index]
    except BadImageError as error:
        return error


def _channels_first(image: Bytes, channels: int, image_shape: ImageShape | None, source: str) -> Bytes:
    """Return (H, W) or (H, W, C) as (C, H, W); raise UserError if that is not the shape of all."""
    moved = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    if len(moved) != channels:
        raise UserError(f"{source}: expected {channels} channels, as `color` says, got {len(moved)}")
    if image_shape is not None and moved.shape != image_shape:
        expected, got = (f"{height}x{width}" for _, height, width in (image_shape, moved.shape))
        raise UserError(f"{source}: expected {expected} like all others, got {got}: see `size`")
    return moved
