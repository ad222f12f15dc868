"""What is found while images are decoded, image by image and compact, and where they are in the end."""

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.content import DIGEST_BYTES
from hourglass.data.preparation.copies import first_copies
from hourglass.data.preparation.raw import BadImageError, RawImages
from hourglass.data.prepared import Bytes

ImageShape = tuple[int, int, int]  # (C, H, W)
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


@dataclass
class Results:
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
            raise UserError(
                f"{name}: expected at least one image that can be used, got none: {named or 'see `source`'}"
            )
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
