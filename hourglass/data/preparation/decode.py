"""Decode all images of a data set, in parallel and in order, into one file of bytes: memory stays flat."""

import os
import warnings
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.data.content import DIGEST_BYTES, digest
from hourglass.data.image import Preparation
from hourglass.data.preparation.cache import Cache, Found, bytes_key, known_key
from hourglass.data.preparation.copies import first_copies
from hourglass.data.preparation.raw import BadImageError, EncodedImage, RawImages
from hourglass.data.preparation.survey import Sample, look, tell_what_is_dark, tell_what_is_lost
from hourglass.data.prepared import Bytes

ImageShape = tuple[int, int, int]  # (C, H, W)
TASK_BYTES = 1 << 22  # of decoded images, for one task of a thread
TASK_IMAGES = 256  # at most: small images would otherwise cost more to hand over than to decode
NAMED = 5  # bad images that an error message lists


class ConstantImageError(BadImageError):
    """An image of one single value."""


class Row(NamedTuple):
    """One decoded image."""

    shape: ImageShape
    data: bytes
    digest: bytes
    key: bytes  # in the cache; b"" for what was no image file
    cropped: float
    brightest: int


@dataclass(frozen=True)
class Decoded:
    """N images of one shape in a file, one after the other without a header, and what was found on the way."""

    path: Path
    image_shape: ImageShape
    kept: NDArray[np.int64]  # (N,), the upstream index of each
    digests: NDArray[np.uint8]  # (N, 16), of each image's content
    copies: NDArray[np.int64]  # (N,), for each the position here of its first exact copy
    skipped: list[str]  # for each image that was not kept, why
    encoded: NDArray[np.int64]  # (M,), the positions of those that were image files
    keys: NDArray[np.uint8]  # (M, 16), of those in the cache
    cropped: NDArray[np.float32]  # (M,), the part of each one's pixels that was cut away

    @property
    def image_bytes(self) -> int:
        """The bytes of one image."""
        return int(np.prod(self.image_shape))

    @property
    def cropped_mean(self) -> float:
        """The mean part of pixels that was cut away."""
        return float(self.cropped.mean(dtype=np.float64)) if len(self.cropped) else 0.0

    @property
    def cropped_max(self) -> float:
        """The largest part of an image's pixels that was cut away."""
        return float(self.cropped.max(initial=0))

    def read(self, positions: NDArray[np.int64]) -> Iterator[Bytes]:
        """Yield the images (C, H, W) at these positions."""
        size = self.image_bytes
        with self.path.open("rb", buffering=0) as file:
            for position in positions.tolist():
                data = os.pread(file.fileno(), size, position * size)
                yield np.frombuffer(data, np.uint8).reshape(self.image_shape)


def decode(
    raw: RawImages,
    path: Path,
    preparation: Preparation,
    *,
    skip_bad: bool,
    max_skipped: float,
    allow_constant: bool,
    cache: Cache | None,
    name: str,
) -> Decoded:
    """Write every image to `path` as (C, H, W) bytes; without a size that of the first image holds for all.

    Args:
        raw: The images.
        path: The file to write.
        preparation: How to decode them.
        skip_bad: Leave out images that cannot be decoded or are constant, and list them.
        max_skipped: The part of the images that may be left out.
        allow_constant: Keep images of one single value.
        cache: The decoded images of the last run, if they are kept.
        name: The data set's name, for messages and the progress bar.

    Raises:
        UserError: An image cannot be used (unless `skip_bad`), too many cannot, one differs in shape, or there is none.
    """
    Image.init()  # not safe in threads, and a file without a name needs it
    results = _Results((preparation.channels, *preparation.size) if preparation.size else None, skip_bad)
    worker = _Worker(raw, preparation, cache, allow_constant)
    with path.open("wb") as file, progress(len(raw.images), name, "img") as bar, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # an error, which a decoder explains
        sample = look(raw)
        tell_what_is_lost(sample, raw, preparation, name)
        step = _task_images(sample, preparation)
        tasks = [range(start, min(start + step, len(raw.images))) for start in range(0, len(raw.images), step)]
        for rows in _in_parallel(worker, tasks) if sample.gains_from_threads else map(worker, tasks):
            for row in rows:
                if data := results.add(row, raw):
                    file.write(data)
            bar.update(len(rows))
    decoded = results.decoded(path, max_skipped, name)
    if len(decoded.encoded):
        tell_what_is_dark(results.brightest, name)
    return decoded


@dataclass
class _Results:
    """What is found image by image; compact, for there may be millions."""

    image_shape: ImageShape | None
    skip_bad: bool
    images: int = 0
    brightest: int = 0  # value of all image files
    skipped: list[str] = field(default_factory=list)
    kept: "array[int]" = field(default_factory=lambda: array("q"))
    digests: bytearray = field(default_factory=bytearray)
    encoded: "array[int]" = field(default_factory=lambda: array("q"))
    keys: bytearray = field(default_factory=bytearray)
    cropped: "array[float]" = field(default_factory=lambda: array("f"))

    def add(self, row: Row | BadImageError, raw: RawImages) -> bytes | None:
        """Add the next image; return its bytes, None if it is left out."""
        index = self.images
        self.images += 1
        if isinstance(row, BadImageError):
            if not self.skip_bad:
                others = ", `allow_constant: true` keeps them" if isinstance(row, ConstantImageError) else ""
                raise UserError(f"{row}; `on_bad_image: skip` leaves such files out{others}")
            self.skipped.append(str(row))
            return None
        self.image_shape = self.image_shape or row.shape
        if row.shape != self.image_shape:
            expected, got = (f"{height}x{width}" for _, height, width in (self.image_shape, row.shape))
            raise UserError(f"{raw.sources[index]}: expected {expected} like all others, got {got}: see `size`")
        if row.key:
            self.encoded.append(len(self.kept))
            self.keys += row.key
            self.cropped.append(row.cropped)
            self.brightest = max(self.brightest, row.brightest)
        self.kept.append(index)
        self.digests += row.digest
        return row.data

    def decoded(self, path: Path, max_skipped: float, name: str) -> Decoded:
        """Return everything as arrays; raise UserError if too many images were left out."""
        named = "; ".join(self.skipped[:NAMED]) + ("; ..." if len(self.skipped) > NAMED else "")
        if self.image_shape is None or not self.kept:
            raise UserError(f"expected at least one image that can be used, got none; {named}")
        if len(self.skipped) > max_skipped * self.images:
            raise UserError(
                f"{name}: expected at most {max_skipped:.1%} bad images, got {len(self.skipped):,} of "
                f"{self.images:,}: mend or remove them, or raise `max_skipped`: {named}"
            )
        digests = np.frombuffer(self.digests, np.uint8).reshape(-1, DIGEST_BYTES)
        return Decoded(
            path=path,
            image_shape=self.image_shape,
            kept=np.frombuffer(self.kept, np.int64),
            digests=digests,
            copies=first_copies(digests),
            skipped=self.skipped,
            encoded=np.frombuffer(self.encoded, np.int64),
            keys=np.frombuffer(self.keys, np.uint8).reshape(-1, DIGEST_BYTES),
            cropped=np.frombuffer(self.cropped, np.float32),
        )


@dataclass(frozen=True)
class _Worker:
    """Make rows of images, in any thread."""

    raw: RawImages
    preparation: Preparation
    cache: Cache | None
    allow_constant: bool

    def __call__(self, indices: range) -> list[Row | BadImageError]:
        """Return a row for each image, or its error: one that is raised would end the thread's whole task."""
        images = [self.raw.images[index] for index in indices]
        keys = [known_key(image.known_hash) if isinstance(image, EncodedImage) else b"" for image in images]
        found = self.cache.find(keys) if self.cache and any(keys) else [None] * len(images)
        return [self._row(*each) for each in zip(indices, images, keys, found, strict=True)]

    def _row(self, index: int, image: Bytes | EncodedImage, key: bytes, found: Found | None) -> Row | BadImageError:
        name = image.name if isinstance(image, EncodedImage) else self.raw.sources[index]
        try:
            if not isinstance(image, EncodedImage):
                found = Found(_channels_first(image, self.preparation.channels, name), 0.0, None)
            elif found is None:
                found, key = self._decoded(image, key)
            elif image.check is not None:
                image.check()
        except BadImageError as error:
            return error
        data = found.pixels.tobytes()
        if not self.allow_constant and data == data[:1] * len(data):
            return ConstantImageError(f"{name}: expected an image, got the one value {data[0]} everywhere")
        channels, height, width = found.pixels.shape
        known_digest = found.digest or digest(found.pixels)
        return Row((channels, height, width), data, known_digest, key, found.cropped, int(found.pixels.max()))

    def _decoded(self, image: EncodedImage, key: bytes) -> tuple[Found, bytes]:
        """Read and decode an image file, unless its bytes are known; return its key too."""
        data = image.read()
        if not key:
            key = bytes_key(data)
            if self.cache and (found := self.cache.find([key])[0]):
                return found, key
        pixels, cropped = self.preparation(data, image.name)
        return Found(pixels, cropped, None), key


def _in_parallel(worker: _Worker, tasks: Sequence[range]) -> Iterator[list[Row | BadImageError]]:
    """Yield the rows of some images in turn, made a few ahead in threads that Pillow does not block."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[list[Row | BadImageError]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(worker, task))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _channels_first(image: Bytes, channels: int, source: str) -> Bytes:
    """Return (H, W) or (H, W, C) as (C, H, W); raise UserError if the channels are not those that `color` says."""
    moved = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    if len(moved) != channels:
        raise UserError(f"{source}: expected {channels} channels, as `color` says, got {len(moved)}")
    return moved


def _task_images(sample: Sample, preparation: Preparation) -> int:
    """Return how many images are decoded at a time."""
    pixels = preparation.size[0] * preparation.size[1] if preparation.size else sample.pixels or TASK_BYTES
    return min(TASK_IMAGES, max(1, TASK_BYTES // (pixels * preparation.channels)))
