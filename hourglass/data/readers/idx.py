"""Read the idx format of MNIST: a big-endian header, then bytes, as the page of MNIST describes it."""

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from hourglass.config.types import Text
from hourglass.console.errors import UserError
from hourglass.data.preparation.labels import class_texts
from hourglass.data.preparation.raw import RawImages, Target, regular, unpacked_limit
from hourglass.data.prepared import Bytes

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
NAME = re.compile(r"(?:(?P<prefix>.+)-)?(?P<kind>(?:images[-.]idx3|labels[-.]idx1)-ubyte)(?:\.gz)?")
SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test", "t10k": "test"}  # ends of prefixes
UNSIGNED_BYTE = 0x08
PIECE = 1 << 22  # bytes


def read(source: Path, _target: Target, *, class_names: tuple[Text, ...] | None = None) -> RawImages:
    """Read train-images-idx3-ubyte, train-labels-idx1-ubyte and the same of t10k, or any one such pair; .gz or not.

    Files of train and of t10k (or test) are the publisher's split. Images without labels will do.

    Args:
        source: The folder of the files, or a file of images.
        class_names: What the labels 0, 1, ... stand for, for example [cat, dog]; by default the numbers are the names.

    Raises:
        UserError: A file is missing or damaged, or the files do not fit together.
    """
    files = _find(source)
    images, official = [], []
    labels: list[str] = []
    sources: list[str] = []
    for prefix, (image_file, label_file) in files.items():
        images.append(read_idx(image_file, 3))
        count = len(images[-1])
        if label_file is not None:
            numbers = read_idx(label_file, 1)
            if len(numbers) != count:
                raise UserError(f"{label_file}: expected a label for {count} images, got {len(numbers)}")
            labels += class_texts(numbers, label_file, class_names)
        side = _side(prefix)
        sources += [f"{side or prefix or 'images'}[{index}]" for index in range(count)]
        official += [side or ""] * count
    shapes = {part.shape[1:]: None for part in images}
    if len(shapes) > 1:
        raise UserError(f"{source}: expected images of one size, got {' and '.join(map(str, shapes))}")
    return RawImages(np.concatenate(images), sources, labels or None, official=official if len(files) > 1 else None)


def _side(prefix: str) -> str | None:
    """Return the publisher's split that the beginning of a file's name is of: `emnist-letters-train` is of train."""
    return SPLITS.get(prefix.rpartition("-")[2])


def _find(source: Path) -> dict[str, tuple[Path, Path | None]]:
    """Return the images and the labels of each prefix; raise UserError if these are no pair, or pairs of splits."""
    images, labels = _listed(source, "images"), _listed(source, "labels")
    if not images:
        raise UserError(f"{source}: expected a file such as train-{IMAGES}.gz, found none: see `source`")
    if source.is_file() and _listed(source.parent, "labels").keys() & images.keys():
        raise UserError(f"{source}: there are labels beside it: set `source` to the folder of both, {source.parent}")
    if lonely := sorted(labels.keys() - images.keys()):
        raise UserError(f"{labels[lonely[0]]}: expected its images, {_name(lonely[0], IMAGES)}, beside it, found none")
    if labels and (lonely := sorted(images.keys() - labels.keys())):
        raise UserError(f"{images[lonely[0]]}: expected its labels, {_name(lonely[0], LABELS)}, beside it, found none")
    sides = {_side(prefix) or prefix: prefix for prefix in images}
    if len(images) > 1 and (len(sides) < len(images) or not {"train", "test"} <= sides.keys() <= set(SPLITS.values())):
        names = ", ".join(path.name for path in images.values())
        raise UserError(
            f"{source}: expected one file of images, or one of train and one of t10k, got {names}: see `source`"
        )
    order = sorted(images, key=lambda prefix: ("train", "val", "test").index(_side(prefix) or "train"))
    return {prefix: (images[prefix], labels.get(prefix)) for prefix in order}


def _listed(source: Path, kind: str) -> dict[str, Path]:
    """Return the files of images or of labels by prefix, the packed one where a file is there twice."""
    found = {}
    for path in [source] if source.is_file() else sorted(source.iterdir()):
        match = NAME.fullmatch(path.name)
        if match and match["kind"].startswith(kind):
            found[match["prefix"] or ""] = path  # a.gz comes after a
    return found


def _name(prefix: str, kind: str) -> str:
    return f"{prefix}-{kind}" if prefix else kind


def read_idx(path: Path, dimensions: int) -> Bytes:
    """Read one idx file of unsigned bytes; raise UserError if its header and its size do not agree."""
    opener = gzip.open if regular(path).suffix == ".gz" else open
    try:
        with cast(BinaryIO, opener(path, "rb")) as file:
            magic = file.read(4)
            if magic != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
                raise UserError(
                    f"{path}: expected an idx header for {dimensions} dimensions of bytes, got {magic.hex() or 'none'}"
                )
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            expected = math.prod(shape)
            if not expected:
                raise UserError(f"{path}: expected at least one value, got the shape {shape}")
            if opener is gzip.open and expected > (limit := unpacked_limit(path)):
                raise UserError(f"{path}: expected at most {limit:,} bytes, unpacked, got {expected:,}: unpack it")
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
