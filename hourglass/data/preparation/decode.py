"""Decode all images of a data set, in parallel and in order, into one file of bytes: memory stays flat."""

import os
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np
from PIL import Image

from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.data.content import digest
from hourglass.data.image import Preparation
from hourglass.data.preparation.cache import Cache, Found, bytes_key, known_key
from hourglass.data.preparation.decoded import ConstantImageError, Decoded, Results, Row
from hourglass.data.preparation.raw import BadImageError, EncodedImage, RawImages
from hourglass.data.preparation.survey import Sample, look, tell_what_is_dark, tell_what_is_lost
from hourglass.data.prepared import Bytes

TASK_BYTES = 1 << 22  # of decoded images, for one task of a thread
TASK_IMAGES = 256  # at most: small images would otherwise cost more to hand over than to decode
IN_FLIGHT = 1 << 31  # bytes that threads may hold, as far as the sizes of some images tell
PIXEL_BYTES = 16  # that decoding takes for each pixel of a file: as it is there, on white, converted, as an array


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
    results = Results((preparation.channels, *preparation.size) if preparation.size else None, skip_bad)
    worker = _Worker(raw, preparation, cache, allow_constant)
    with path.open("wb") as file, progress(len(raw.images), name, "img") as bar, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # an error, which a decoder explains
        sample = look(raw)
        _check_room(sample, len(raw.images), preparation, path.parent, name)
        tell_what_is_lost(sample, raw, preparation, name)
        step = _task_images(sample, preparation)
        tasks = [range(start, min(start + step, len(raw.images))) for start in range(0, len(raw.images), step)]
        workers = _workers(sample, step * _pixels(sample, preparation) * preparation.channels)
        for rows in _in_parallel(worker, tasks, workers) if sample.gains_from_threads else map(worker, tasks):
            for row in rows:
                if data := results.add(row, raw):
                    file.write(data)
            bar.update(len(rows))
    decoded = results.decoded(path, max_skipped, name)
    if len(decoded.encoded):
        tell_what_is_dark(results.brightest, name)
    return decoded


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


def _in_parallel(worker: _Worker, tasks: Sequence[range], workers: int) -> Iterator[list[Row | BadImageError]]:
    """Yield the rows of some images in turn, made a few ahead in threads that Pillow does not block."""
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
    return min(TASK_IMAGES, max(1, TASK_BYTES // (_pixels(sample, preparation) * preparation.channels)))


def _pixels(sample: Sample, preparation: Preparation) -> int:
    """Return the pixels of a prepared image, as far as they are known."""
    return preparation.size[0] * preparation.size[1] if preparation.size else sample.pixels or TASK_BYTES


def _workers(sample: Sample, task_bytes: int) -> int:
    """Return how many threads decode: one for each CPU, fewer where images are so large that memory would not do."""
    of_thread = sample.most_pixels * PIXEL_BYTES + 3 * task_bytes  # one that it makes, two that wait
    return max(1, min(os.cpu_count() or 1, IN_FLIGHT // max(1, of_thread)))


def _check_room(sample: Sample, count: int, preparation: Preparation, folder: Path, name: str) -> None:
    """Raise UserError if all images, decoded and then split, are more than the disk has room for."""
    if not sample.sizes:
        return
    height, width = preparation.size or sample.sizes[0][1:]
    needed, disk = 2 * count * preparation.channels * height * width, disk_usage(folder)
    if needed > disk.free and disk.total:  # some disks of a network say 0 of all
        raise UserError(
            f"{name}: expected {needed / 1e9:,.1f} GB free in {folder} for {count:,} images of {height}x{width} and "
            f"their copies while they are split, got {disk.free / 1e9:,.1f} GB: make room, or see `size`"
        )
