"""Unpack an archive whose author is not trusted: all of it or nothing, and in bounded memory.

`zipfile` and `tarfile`, with its data filter, write no more bytes of a member than the archive announces, and none
outside the folder. What they would rename or accept, odd names, links and bombs, is refused here; so is what they take
for the end of an archive though it is not.
"""

import bz2
import errno
import gzip
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Never, cast

from hourglass.console.errors import UserError
from hourglass.data.remote.bounded import MAX_BYTES, MAX_MEMBERS, BoundedFile
from hourglass.data.remote.members import (
    Member,
    checked_names,
    expansion_limit,
    is_kept,
    refuse_bomb,
    refuse_many,
)

Opener = Callable[[Path], Any]  # of a file of bytes

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
CHUNK = 1 << 20  # bytes
MAX_DIRECTORY = 64 << 20  # bytes of the directory of a .zip: half a million members of 134
MAX_HEADER = 64 << 10  # bytes that describe one member of a .tar; a path has 4096 at the most
MAX_GLOBAL = 100  # values that describe all members of a .tar; git writes one
MAX_XZ_MEMORY = 128 << 20  # bytes that an .xz may ask for; `xz -9` asks for 65 MiB
BLOCK = tarfile.BLOCKSIZE
LOCAL_HEADER = 30  # bytes at least before the content of a member of a .zip
MAX_END = 22 + 0xFFFF  # bytes of the end of a .zip, its comment included
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others in as much memory as they say
DIGITS = re.compile(rb"\d{256}")  # over longer numbers, Python before 3.11.10 takes the square of their length
OPENERS: dict[bytes, Opener] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
# What the libraries raise on damaged archives.
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError,
    LookupError, OSError, OverflowError, RecursionError, ValueError,
)  # fmt: skip
DISK_TROUBLE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)


def is_archive(name: str) -> bool:
    """Tell an archive by its name."""
    return name.lower().endswith(SUFFIXES)


def begins_as_archive(path: Path, name: str) -> bool:
    """Return whether a file is what its name says, as far as a .zip's end or a .tar's first header tells."""
    if _is_zip(name):
        return zipfile.is_zipfile(path)
    try:
        with _opener(path)(path) as file:
            tarfile.TarInfo.frombuf(file.read(BLOCK), "utf-8", "surrogateescape")
    except (*DAMAGED, MemoryError):
        return False
    return True


def unpack(archive: Path, folder: Path, max_bytes: int = MAX_BYTES) -> int:
    """Write all files in `archive` below `folder`, and return their number; raise UserError if any is not safe."""
    try:
        return (_unpack_zip if _is_zip(archive.name) else _unpack_tar)(archive, folder, max_bytes)
    except DAMAGED as error:
        if isinstance(error, OSError) and (error.filename or error.errno in DISK_TROUBLE):
            raise
        _refuse_damage(archive, error)


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _refuse_damage(archive: Path, what: object) -> Never:
    raise UserError(f"{archive.name}: expected a whole archive, got a damaged one ({what}): fetch it again") from None


def _unpack_zip(archive: Path, folder: Path, max_bytes: int) -> int:
    def refuse(_: str) -> Never:
        _refuse_damage(archive, f"a directory of more than {MAX_DIRECTORY:,} bytes")

    with archive.open("rb") as file:
        end = archive.stat().st_size
        opened = zipfile.ZipFile(cast(BinaryIO, BoundedFile(file, end, MAX_DIRECTORY, refuse)))
        aside: list[str] = []
        infos = opened.infolist()
        if len(infos) > MAX_MEMBERS:
            refuse_many(archive)
        _check_directory(infos, file, archive)
        files = [info for info in infos if not info.is_dir() and is_kept(info.filename, aside)]
        names = checked_names([_zip_member(info) for info in files], aside, archive, folder, max_bytes)
        for info, name in zip(files, names, strict=True):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(info) as source, target.open("xb") as written:
                shutil.copyfileobj(source, written, CHUNK)
    return len(files)


def _zip_member(info: zipfile.ZipInfo) -> Member:
    return Member(info.filename, info.file_size, stat.S_ISLNK(info.external_attr >> 16), bool(info.flag_bits & 1))


def _check_directory(infos: Sequence[zipfile.ZipInfo], file: BinaryIO, archive: Path) -> None:
    """Raise UserError if a .zip lists fewer members than it says, or members that share bytes, which makes bombs."""
    file.seek(max(0, archive.stat().st_size - MAX_END))
    count = int.from_bytes(file.read().rpartition(b"PK\5\6")[2][6:8], "little")
    if count not in (len(infos) & 0xFFFF, 0xFFFF):  # the latter where it stands elsewhere, in 64 bits
        _refuse_damage(archive, f"{len(infos)} of {count} members")
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for info, following in pairwise(ordered):
        if info.header_offset + LOCAL_HEADER + info.compress_size > following.header_offset:
            _refuse_damage(archive, f"{info.filename!r} and {following.filename!r} overlap")
    if others := [info for info in ordered if info.compress_type not in METHODS]:
        raise UserError(
            f"{archive.name}: expected members that are stored or deflated, got {others[0].filename!r}, compressed by "
            f"method {others[0].compress_type}: pack it again"
        )


class _Headers(BoundedFile):
    """A .tar of which headers are read."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes."""
        data = super().read(size)
        if DIGITS.search(data):
            raise tarfile.HeaderError("a number of more than 256 digits")
        return data


def _unpack_tar(archive: Path, folder: Path, max_bytes: int) -> int:
    def refuse(limit: str) -> Never:
        if limit == "end":
            refuse_bomb(archive, max_bytes)
        raise UserError(f"{archive.name}: expected headers of at most {MAX_HEADER:,} bytes, got more")

    limit = expansion_limit(archive, max_bytes)
    opener = _opener(archive)
    if opener is lzma.open:
        _check_memory(archive)
    with (
        opener(archive) as file,
        _Headers(file, limit, MAX_HEADER, refuse) as headers,
        tarfile.open(fileobj=cast(BinaryIO, headers), mode="r:") as opened,
    ):
        aside: list[str] = []
        files = [info for info in _members(opened, headers, archive) if not info.isdir() and is_kept(info.name, aside)]
        if not _ends_at(opened.offset, file, limit):
            refuse_bomb(archive, max_bytes)
        members = [Member(info.name, info.size, not info.isreg()) for info in files]
        names = checked_names(members, aside, archive, folder, max_bytes)
        # Permissions and times are this machine's: an archive's may lie outside what a disk can hold.
        plain = [
            info.replace(name=name, mode=None, mtime=None, deep=False)  # type: ignore[arg-type]
            for info, name in zip(files, names, strict=True)
        ]
        opened.fileobj = file
        opened.extractall(folder, plain, filter="data")
    return len(files)


def _members(opened: tarfile.TarFile, headers: _Headers, archive: Path) -> Iterator[tarfile.TarInfo]:
    """Yield what a .tar announces of each member; raise UserError where that alone would fill the memory."""
    end = 0
    for count, info in enumerate(opened, 1):
        if count > MAX_MEMBERS:
            refuse_many(archive)
        if opened.offset <= end:  # Python before 3.11.14 would go round in circles
            raise tarfile.HeaderError("a negative size")
        if info.issparse() or len(opened.pax_headers) > MAX_GLOBAL:
            raise UserError(
                f"{archive.name}: expected plain files, got {info.name[:80]!r}, sparse or oddly described: pack it "
                "again, without -S"
            )
        info.pax_headers = {}
        end = opened.offset
        yield info
        headers.seek(headers.tell())  # tarfile does not where there is no content


def _ends_at(offset: int, file: BinaryIO, limit: int) -> bool:
    """Read all behind the last member, where the checksum of a compressed file is; return False if that is endless.

    Raises:
        tarfile.ReadError: There is no mark of the end, or something behind it.
    """
    file.seek(offset)
    if file.read(BLOCK) != bytes(BLOCK):
        raise tarfile.ReadError("its end is missing, or a header is wrong")
    while chunk := file.read(CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("more behind its end")
        if file.tell() > limit:
            return False
    return True


def _opener(path: Path) -> Opener:
    """Return what opens a .tar, compressed or not, by its first bytes."""
    with path.open("rb") as file:
        magic = file.read(6)
    return next((OPENERS[start] for start in OPENERS if magic.startswith(start)), partial(open, mode="rb"))


def _check_memory(path: Path) -> None:
    """Raise LZMAError if an .xz asks for more memory than an honest one; `lzma.open` gives it any."""
    decoder, data, left = lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY), b"", expansion_limit(path, MAX_BYTES)
    with path.open("rb") as file:
        while left > 0:
            if decoder.eof:  # another stream may follow, behind zeros
                data = decoder.unused_data.lstrip(b"\0") or file.read(CHUNK).lstrip(b"\0")
                decoder = lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY)
            else:
                data = file.read(CHUNK) if decoder.needs_input else b""
            if decoder.needs_input and not data:
                break
            left -= len(decoder.decompress(data, CHUNK))
