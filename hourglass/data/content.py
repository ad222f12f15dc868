"""Hashes of what images show: they name an image, and a whole split, whatever their files are called."""

import hashlib
from collections.abc import Iterable

from hourglass.data.prepared import Bytes

DIGEST_BYTES = 16
ID_DIGITS = 5


def digest(image: Bytes) -> bytes:
    """Return the BLAKE2b hash, 16 bytes, of an image (C, H, W): equal for exact copies and for nothing else."""
    return hashlib.blake2b(image.tobytes(), digest_size=DIGEST_BYTES).digest()


def content_hash(digests: Iterable[bytes]) -> str:
    """Return the SHA-256 of a set of images, from the digest of each: their order and their names change nothing."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def split_id(images: Iterable[Bytes]) -> int:
    """Return the content hash of images (C, H, W) as a number of five digits, short enough for a file of metrics.

    Scores of two commits compare only where it is the same: another number is another set of images.
    """
    smallest = 10 ** (ID_DIGITS - 1)
    return smallest + int(content_hash(digest(image) for image in images), 16) % (9 * smallest)
