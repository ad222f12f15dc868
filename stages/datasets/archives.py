"""Unpack an archive whose author is not to be trusted: every member is checked before anything is written."""

import errno
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from stages.common.errors import UserError
from stages.common.files import clash, litter

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# Images hardly compress, and no honest archive of them unpacks to so many times its size.
MOST_EXPANSION = 100
ALWAYS_ALLOWED = 100 << 20  # bytes that any archive may unpack to
# What the libraries raise on archives that are not what they say.
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, NotImplementedError, OSError, ValueError,
)  # fmt: skip
DISK_TROUBLE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EACCES, errno.EIO)


@dataclass(frozen=True)
class Member:
    """One file in an archive."""

    name: str
    size: int  # bytes, as declared
    is_link: bool
    is_encrypted: bool
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Tell an archive by its name."""
    return path.name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path) -> int:
    """Write all files in `archive` below `folder`, and return how many; raise UserError if any is not safe."""
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as opened:
                return _write(list(_zip_members(opened)), archive, folder)
        with tarfile.open(archive) as opened_tar:
            count = _write(list(_tar_members(opened_tar)), archive, folder)
            _read_to_end(opened_tar)
            return count
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
            raise
        raise UserError(
            f"{archive.name}: expected a whole archive, got a damaged one ({error}): fetch it again"
        ) from None


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        if not info.is_dir():
            yield Member(
                info.filename,
                info.file_size,
                is_link=stat.S_ISLNK(info.external_attr >> 16),
                is_encrypted=bool(info.flag_bits & 1),
                open=partial(archive.open, info),
            )


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    def opener(info: tarfile.TarInfo) -> IO[bytes]:
        file = archive.extractfile(info)
        assert file is not None  # links and devices were refused before
        return file

    for info in archive:
        if not info.isdir():
            yield Member(
                info.name,
                info.size,
                is_link=not info.isreg(),
                is_encrypted=False,
                open=partial(opener, info),
            )


def _write(members: list[Member], archive: Path, folder: Path) -> int:
    wanted = [member for member in members if not litter(member.name)]
    _check_size(wanted, archive)
    targets = [_checked_target(member, archive, folder) for member in wanted]
    _check_clashes(targets, archive)
    for member, target in zip(wanted, targets, strict=True):
        if target.exists():
            raise UserError(f"{archive.name}: expected new names, got {member.name}, which another file has")
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, target.open("xb") as file:
            shutil.copyfileobj(Limited(source, member, archive), file, 1 << 20)
    return len(wanted)


def _check_clashes(targets: list[Path], archive: Path) -> None:
    """Refuse names that a disk without capitals would mix up, of files and of the folders that they lie in."""
    if not targets:
        raise UserError(f"{archive.name}: expected files, got none")
    paths = [path for target in targets for path in (target, *target.parents)]
    if len(set(targets)) < len(targets) or clash(paths):
        raise UserError(f"{archive.name}: expected every name once, whatever its capitals, got two alike")


def _read_to_end(archive: tarfile.TarFile) -> None:
    """Read what lies behind the last member: only there is the checksum of the whole."""
    assert archive.fileobj is not None
    while archive.fileobj.read(1 << 20):
        pass


def _check_size(members: list[Member], archive: Path) -> None:
    total, packed = sum(member.size for member in members), archive.stat().st_size
    if total > max(ALWAYS_ALLOWED, MOST_EXPANSION * packed):
        raise UserError(
            f"{archive.name}: expected at most {MOST_EXPANSION} times its {packed:,} bytes, got {total:,} when unpacked"
        )


def _checked_target(member: Member, archive: Path, folder: Path) -> Path:
    """Give the path that a member is written to; raise UserError if it is no plain file inside `folder`."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.name or "\0" in member.name or not path.parts:
        raise UserError(f"{archive.name}: expected names inside its own folder, got {member.name!r}")
    if member.is_link:
        raise UserError(f"{archive.name}: expected files and folders alone, got a link or device, {member.name!r}")
    if member.is_encrypted:
        raise UserError(f"{archive.name}: expected files without a password, got {member.name!r} with one")
    return folder.joinpath(*path.parts)


@dataclass
class Limited:
    """A file that gives no more bytes than its archive declared."""

    source: IO[bytes]
    member: Member
    archive: Path
    given: int = 0

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; raise UserError past the declared end."""
        data = self.source.read(size)
        self.given += len(data)
        if self.given > self.member.size:
            raise UserError(
                f"{self.archive.name}: expected {self.member.size:,} bytes in {self.member.name!r}, got more"
            )
        return data
