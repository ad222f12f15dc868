"""The file of compressed images, `.hg`.

    magic, version, bits, hash of the model | name of the model | names of the images | their sizes | latents | CRC-32

All numbers are little-endian. A file is of one image or of many, whose latents are coded together and are read together
alone. The header is then a small part: 28x28 pixels take fewer bytes than that.
"""

import json
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hourglass.coding.entropy import decode, encode
from hourglass.coding.quantizer import MAX_BITS, MIN_BITS, Latents, Quantizer, from_symbols
from hourglass.console.errors import UserError

SUFFIX = ".hg"
MAGIC = b"\x89HG\n"  # no text, and damaged by a transfer as text
VERSION = 1
HEADER = struct.Struct("<4sBB8sBIII")  # up to the lengths of the names: of the model, images, and images' names
SIZE = struct.Struct("<II")
CHECKSUM = struct.Struct("<I")
MAX_VALUES = 1 << 24  # numbers in one file: 64 MiB as float32
MAX_NAMES = 1 << 26  # bytes of all names of images
STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"')  # of JSON
CHUNK_VALUES = 1 << 20  # numbers that are coded together

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class ModelId:
    """Which model a file is of: its name, and eight bytes of the SHA-256 of its weights and its quantizer."""

    name: str
    digest: bytes


@dataclass(frozen=True)
class Compressed:
    """What a file holds.

    Attributes:
        latents: (N, D), as they are after quantization.
        bits: Of each number.
        names: Of the images; none in a file of one image, which is named after it.
        sizes: Height and width of each image before it was made as large as the model's; none if no image was.
    """

    latents: Latents
    bits: int
    names: Sequence[str] = ()
    sizes: Sequence[Size] = ()


def write(
    latents: Latents,
    quantizer: Quantizer,
    bits: int,
    model: ModelId,
    names: Sequence[str] = (),
    sizes: Sequence[Size] = (),
) -> bytes:
    """Code latents (N, D) as the bytes of a file.

    Raises:
        UserError: If they are none, too many for one file, or not finite.
    """
    count, latent_dim = latents.shape
    if not 0 < latents.size <= MAX_VALUES:
        raise UserError(f"expected 1 to {MAX_VALUES // latent_dim:,} images in one file, got {count:,}")
    name = model.name.encode()[:255]
    packed_names = zlib.compress(json.dumps(list(names)).encode(), 9) if names else b""
    packed_sizes = b"".join(SIZE.pack(*size) for size in sizes)
    parts = [HEADER.pack(MAGIC, VERSION, bits, model.digest, len(name), count, len(packed_names), len(packed_sizes))]
    parts += [name, packed_names, packed_sizes]
    ticks = quantizer.ticks(latents)
    for start, end in pairwise(_chunks(count, latent_dim)):
        coded = encode(ticks[start:end].reshape(-1, len(quantizer.mean)), quantizer, bits)
        parts += [struct.pack("<I", len(coded)), coded] if count > 1 else [coded]
    body = b"".join(parts)
    return body + CHECKSUM.pack(zlib.crc32(body))


def read(data: bytes, quantizer: Quantizer, latent_dim: int, model: ModelId, title: str) -> Compressed:
    """Decode the bytes of a file; `title` is what messages call it.

    Raises:
        UserError: If they are no such file, a damaged one, or one of another model.
    """
    if not data.startswith(MAGIC):
        raise UserError(f"{title}: expected a file of compressed images, got {'another' if data else 'an empty one'}")
    if len(data) > 4 and data[4] != VERSION:
        raise UserError(f"{title}: expected version {VERSION} of the format, got {data[4]}: use another `hourglass`")
    body, checksum = data[: -CHECKSUM.size], data[-CHECKSUM.size :]
    if len(body) < HEADER.size or CHECKSUM.unpack(checksum)[0] != zlib.crc32(body):
        raise UserError(f"{title}: expected a whole file, got a truncated or altered one: its checksum is wrong")
    _, _, bits, digest, name_length, count, names_length, sizes_length = HEADER.unpack_from(body)
    at = HEADER.size
    name, at = body[at : at + name_length].decode(errors="replace"), at + name_length
    if digest != model.digest:
        other = f"another version of {model.name}" if name == model.name else name
        raise UserError(f"{title}: expected a file that {model.name} made, got one of {other}")
    if not MIN_BITS <= bits <= MAX_BITS or not 0 < count * latent_dim <= MAX_VALUES:
        most = MAX_VALUES // latent_dim
        raise UserError(f"{title}: expected 1 to {most:,} images of {latent_dim} numbers, got {count:,}")
    names, at = _read_names(body[at : at + names_length], count, title), at + names_length
    sizes, at = _read_sizes(body[at : at + sizes_length]), at + sizes_length
    if sizes and len(sizes) != count:
        raise UserError(f"{title}: expected {count} sizes, got {len(sizes)}")
    latents = np.empty((count, latent_dim), np.float32)
    try:
        _read_latents(body[at:], latents, quantizer, bits)
    except (UserError, ValueError, struct.error) as error:  # constriction raises ValueError
        raise UserError(f"{title}: {error}") from None
    return Compressed(latents, bits, names, sizes)


def _read_latents(data: bytes, latents: Latents, quantizer: Quantizer, bits: int) -> None:
    """Fill `latents` (N, D)."""
    count, latent_dim = latents.shape
    at = 0
    for start, end in pairwise(_chunks(count, latent_dim)):
        length = len(data)
        if count > 1:
            (length,) = struct.unpack_from("<I", data, at)
            at += 4
        rows = (end - start) * latent_dim // len(quantizer.mean)
        symbols = decode(data[at : at + length], rows, quantizer, bits)
        latents[start:end] = quantizer.latents(from_symbols(symbols, bits).reshape(end - start, latent_dim))
        at += length
    if at != len(data):
        raise UserError("expected coded latents, got more bytes than those")


def _chunks(count: int, latent_dim: int) -> list[int]:
    """Return where the images that are coded together start, and the end."""
    return [*range(0, count, max(1, CHUNK_VALUES // latent_dim)), count]


def _read_names(data: bytes, count: int, title: str) -> list[str]:
    """Return names of images, none if the file has none."""
    if not data:
        return []
    try:
        unpacked = zlib.decompressobj().decompress(data, MAX_NAMES)
        # As `write` has them, and no more: a file of a few bytes could unpack to millions of objects.
        rest, found = STRING.subn(b"", unpacked, count + 1)
        if rest != b"[" + b", " * (count - 1) + b"]":
            raise UserError(f"{title}: expected {count} names, got {'more' if found > count else found}")
        return list(map(str, json.loads(unpacked)))
    except (ValueError, zlib.error) as error:
        raise UserError(f"{title}: expected names of images, got {error}") from None


def _read_sizes(data: bytes) -> list[Size]:
    whole = len(data) // SIZE.size * SIZE.size
    return [(height, width) for height, width in SIZE.iter_unpack(data[:whole])]
