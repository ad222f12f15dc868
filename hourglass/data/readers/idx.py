"""Read the idx format of MNIST: a big-endian header, then bytes, as the page of MNIST describes it."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from hourglass.config.types import Text
from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import RawImages, Target
from hourglass.data.prepared import Bytes

PARTS = {"train": "train", "t10k": "test"}  # file name prefix -> the publisher's split
UNSIGNED_BYTE = 0x08
PIECE = 1 << 22  # bytes


def read(folder: Path, _target: Target, *, class_names: tuple[Text, ...] | None = None) -> RawImages:
    """Read {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz] in `folder`.

    Args:
        folder: The upstream files.
        class_names: What the labels 0, 1, ... stand for; by default the numbers are the names.

    Raises:
        UserError: A file is missing or damaged, or the files do not fit together.
    """
    images, official_test = [], []
    labels: list[str] = []
    sources: list[str] = []
    for prefix, part in PARTS.items():
        image_file = _find(folder, f"{prefix}-images-idx3-ubyte")
        label_file = _find(folder, f"{prefix}-labels-idx1-ubyte")
        part_images, part_labels = read_idx(image_file, 3), read_idx(label_file, 1)
        if len(part_images) != len(part_labels):
            raise UserError(f"{label_file}: expected a label for {len(part_images)} images, got {len(part_labels)}")
        images.append(part_images)
        if class_names and part_labels.max(initial=0) >= len(class_names):
            raise UserError(f"{label_file}: expected labels below {len(class_names)}, got {part_labels.max()}")
        labels += (class_names[label] if class_names else str(label) for label in part_labels.tolist())
        sources += [f"{part}[{index}]" for index in range(len(part_images))]
        official_test += [part == "test"] * len(part_images)
    if images[0].shape[1:] != images[1].shape[1:]:
        raise UserError(f"{folder}: expected images of one size, got {images[0].shape[1:]} and {images[1].shape[1:]}")
    return RawImages(np.concatenate(images), sources, labels, official_test=np.array(official_test))


def read_idx(path: Path, dimensions: int) -> Bytes:
    """Read one idx file of unsigned bytes; raise UserError if its header and its size do not agree."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with cast(BinaryIO, opener(path, "rb")) as file:
            magic = file.read(4)
            if magic != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
                raise UserError(
                    f"{path}: expected an idx header for {dimensions} dimensions of bytes, got {magic.hex()}"
                )
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            expected = int(np.prod(shape, dtype=np.uint64))
            # One byte more than announced shows a header that lies, and a bomb is never unpacked whole.
            data = _read_at_most(file, expected + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise UserError(f"{path}: expected a whole idx file, got a damaged one ({error}): fetch it again") from None
    if len(data) != expected:
        came = f"{len(data)} bytes" if len(data) < expected else "more"
        raise UserError(f"{path}: expected {expected} bytes for the shape {shape} in its header, got {came}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_at_most(file: BinaryIO, limit: int) -> bytes:
    """Read up to `limit` bytes, in pieces: memory is taken for what is there, not for what a header announces."""
    data = bytearray()
    while len(data) < limit and (piece := file.read(min(PIECE, limit - len(data)))):
        data += piece
    return bytes(data)


def _find(folder: Path, stem: str) -> Path:
    """Return the file of this name, packed or not; raise UserError if there is neither."""
    for path in (folder / f"{stem}.gz", folder / stem):
        if path.exists():
            return path
    raise UserError(f"{folder}: expected {stem}.gz or {stem}, found neither: see `source`")
