"""Keep the decoded images of a data set, so that the next `prepare` decodes only what is new.

cache = Cache.open(folder, preparation)       of the last run; empty if that prepared in another way, or is damaged
decoded = decode(raw, path, ..., cache=cache)    reads from it what it has
cache.keep(decoded)                           moves the file that `decode` wrote to `folder`, once all else is written

<folder>/images        M images (C, H, W) of bytes, one after the other
<folder>/rows.npy      of those that were image files: key, digest, cropped and position among the M
<folder>/cache.json    what made them, their shape and number, and the SHA-256 of these and of rows.npy

An image's key is the hash of its file's bytes, or of what its reader knows of it (`EncodedImage.known_hash`): then the
file need not even be read. Every image that is taken from here is compared with its digest.
"""

import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray

from hourglass.data import image
from hourglass.data.content import DIGEST_BYTES, digest
from hourglass.data.image import Preparation
from hourglass.data.prepared import Bytes
from hourglass.files import sha256, whole_folder, write_json

if TYPE_CHECKING:
    from hourglass.data.preparation.decoded import Decoded

ROW = np.dtype(
    [
        ("key", np.uint8, DIGEST_BYTES),
        ("digest", np.uint8, DIGEST_BYTES),
        ("cropped", np.float32),
        ("position", np.int64),
    ]
)
Rows = NDArray[Any]  # of ROW


class Found(NamedTuple):
    """A decoded image."""

    pixels: Bytes  # (C, H, W)
    cropped: float
    digest: bytes | None  # if it is known


def known_key(known_hash: str) -> bytes:
    """Return the key of a file of which a reader knows a hash, b"" if it knows none."""
    if not known_hash:
        return b""
    return hashlib.blake2b(known_hash.encode(), digest_size=DIGEST_BYTES, person=b"known").digest()


def bytes_key(data: bytes) -> bytes:
    """Return the key of a file from its bytes."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES, person=b"bytes").digest()


def how(preparation: Preparation) -> dict[str, Any]:
    """Return all that decides what an image file becomes: the preparation, Pillow and the code of `image`."""
    return {"preparation": preparation.values(), "pillow": PIL.__version__, "code": sha256(Path(image.__file__))}


class Cache:
    """The decoded images of one data set's last run, found by their keys.

    Args:
        folder: Where they are kept.
        preparation: How they are prepared.
        image_shape: (C, H, W) of those that are there.
        rows: What is known of each.
    """

    def __init__(
        self, folder: Path, preparation: Preparation, image_shape: tuple[int, ...] = (), rows: Rows | None = None
    ) -> None:
        self.folder = folder
        self.preparation = preparation
        self.image_shape = image_shape
        rows = np.empty(0, ROW) if rows is None else rows
        prefixes = _prefixes(rows["key"])
        self._rows = rows[np.argsort(prefixes, kind="stable")]
        self._prefixes = _prefixes(self._rows["key"])
        self._file = os.open(folder / "images", os.O_RDONLY | getattr(os, "O_BINARY", 0)) if len(rows) else None

    @classmethod
    def open(cls, folder: Path, preparation: Preparation) -> "Cache":
        """Open what is there; a cache that is damaged, or was made in another way, is an empty one."""
        try:
            about = json.loads((folder / "cache.json").read_text(encoding="utf-8"))
            data = (folder / "rows.npy").read_bytes()
            image_shape, count = tuple(about["image_shape"]), about["images"]
            is_sealed = about["seal"] == _seal(about["how"], image_shape, count, data)
            is_whole = is_sealed and (folder / "images").stat().st_size == count * math.prod(image_shape)
            if is_whole and about["how"] == how(preparation):
                rows = np.load(io.BytesIO(data), allow_pickle=False)
                if rows.dtype != ROW:  # of another version
                    raise ValueError(f"expected {ROW}, got {rows.dtype}")
                return cls(folder, preparation, image_shape, rows)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        return cls(folder, preparation)

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, keys: Sequence[bytes]) -> list[Found | None]:
        """Return the image of each key, None if it is not here or damaged; b"" is the key of none."""
        if not len(self):
            return [None] * len(keys)
        wanted = np.frombuffer(b"".join(key or bytes(DIGEST_BYTES) for key in keys), np.uint8).reshape(-1, DIGEST_BYTES)
        rows = self._rows[np.minimum(np.searchsorted(self._prefixes, _prefixes(wanted)), len(self) - 1)]
        here = (rows["key"] == wanted).all(axis=1)
        columns = (rows["digest"].copy(), rows["cropped"].tolist(), rows["position"].tolist())
        return [self._read(*row) if found else None for found, *row in zip(here, *columns, strict=True)]

    def _read(self, digest_row: NDArray[np.uint8], cropped: float, position: int) -> Found | None:
        assert self._file is not None
        size = math.prod(self.image_shape)
        data = os.pread(self._file, size, position * size)
        expected = digest_row.tobytes()
        if len(data) != size:
            return None
        pixels = np.frombuffer(data, np.uint8).reshape(self.image_shape)
        return Found(pixels, cropped, expected) if digest(pixels) == expected else None

    def keep(self, decoded: "Decoded") -> None:
        """Replace what is here by the images of a run, whose file is moved; remove it if none was an image file."""
        self.close()
        rows = np.empty(len(decoded.encoded), ROW)
        if not len(rows):
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        rows["key"], rows["digest"] = decoded.keys, decoded.digests[decoded.encoded]
        rows["cropped"], rows["position"] = decoded.cropped, decoded.encoded
        with whole_folder(self.folder) as folder:
            np.save(folder / "rows.npy", rows)
            made, count, data = how(self.preparation), len(decoded.kept), (folder / "rows.npy").read_bytes()
            about = {
                "how": made,
                "image_shape": decoded.image_shape,
                "images": count,
                "seal": _seal(made, decoded.image_shape, count, data),
            }
            write_json(folder / "cache.json", about)
            shutil.move(decoded.path, folder / "images")

    def close(self) -> None:
        """Close the file of images."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
        self._rows = self._rows[:0]


def _seal(made: dict[str, Any], image_shape: tuple[int, ...], count: int, rows: bytes) -> str:
    """Return the SHA-256 of all that is kept beside the images, each of which has a digest of its own."""
    values = json.dumps([made, image_shape, count], sort_keys=True)
    return hashlib.sha256(values.encode() + rows).hexdigest()


def _prefixes(keys: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first 8 bytes of each key as a number, of which two are hardly ever the same."""
    return np.ascontiguousarray(keys[:, :8]).view(np.uint64).reshape(-1)
