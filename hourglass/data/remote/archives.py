"""Unpack an archive whose author is not trusted: every member is checked before anything is written.

`zipfile` and `tarfile`, with its data filter, write no more bytes of a member than the archive announces, and none
outside the folder. What they would rename or accept, odd names, links and bombs, is refused here.
"""

import errno
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from hourglass.console.errors import UserError
from hourglass.data.names import find_clash, is_litter

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# Images hardly compress: no honest archive of them unpacks to a larger multiple of its size.
MAX_EXPANSION = 100
ALWAYS_ALLOWED = 100 << 20  # bytes that any archive may unpack to
# What the libraries raise on damaged archives.
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, NotImplementedError, OSError, ValueError,
)  # fmt: skip
DISK_TROUBLE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EACCES, errno.EIO)


@dataclass(frozen=True)
class Member:
    """What an archive announces about one file in it."""

    name: str
    size: int  # bytes
    is_link: bool = False  # or a device
    is_encrypted: bool = False


def is_archive(path: Path) -> bool:
    """Tell an archive by its name."""
    return path.name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path) -> int:
    """Write all files in `archive` below `folder`, and return their number; raise UserError if any is not safe."""
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as opened:
                return _unpack_zip(opened, archive, folder)
        with tarfile.open(archive) as opened_tar:
            return _unpack_tar(opened_tar, archive, folder)
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
            raise
        raise UserError(
            f"{archive.name}: expected a whole archive, got a damaged one ({error}): fetch it again"
        ) from None


def _unpack_zip(opened: zipfile.ZipFile, archive: Path, folder: Path) -> int:
    files = [info for info in opened.infolist() if not info.is_dir() and not is_litter(info.filename)]
    members = [
        Member(info.filename, info.file_size, stat.S_ISLNK(info.external_attr >> 16), bool(info.flag_bits & 1))
        for info in files
    ]
    for info, name in zip(files, _checked_names(members, archive, folder), strict=True):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(info) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    return len(files)


def _unpack_tar(opened: tarfile.TarFile, archive: Path, folder: Path) -> int:
    files = [info for info in opened if not info.isdir() and not is_litter(info.name)]
    names = _checked_names([Member(info.name, info.size, not info.isreg()) for info in files], archive, folder)
    # Permissions and times are this machine's: an archive's may lie outside what a disk can hold.
    plain = [
        info.replace(name=str(name), mode=None, mtime=None, deep=False)  # type: ignore[arg-type]
        for info, name in zip(files, names, strict=True)
    ]
    opened.extractall(folder, plain, filter="data")
    _read_to_end(opened)
    return len(files)


def _read_to_end(archive: tarfile.TarFile) -> None:
    """Read what lies behind the last member: only there is the checksum of the whole."""
    assert archive.fileobj is not None
    while archive.fileobj.read(1 << 20):
        pass


def _checked_names(members: Sequence[Member], archive: Path, folder: Path) -> list[PurePosixPath]:
    """Return where below `folder` each member is written; raise UserError if any member must not be."""
    total, packed = sum(member.size for member in members), archive.stat().st_size
    if total > max(ALWAYS_ALLOWED, MAX_EXPANSION * packed):
        raise UserError(
            f"{archive.name}: expected at most {MAX_EXPANSION} times its {packed:,} bytes, got {total:,} when unpacked"
        )
    names = [_checked_name(member, archive) for member in members]
    _check_clashes(names, archive)
    for name in names:
        if (folder / name).exists():
            raise UserError(f"{archive.name}: expected new names, got {name}, which another file has")
    return names


def _checked_name(member: Member, archive: Path) -> PurePosixPath:
    """Return a member's name as a path; raise UserError if it is no plain file with a place inside a folder."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.name or "\0" in member.name or not path.parts:
        raise UserError(f"{archive.name}: expected names inside its own folder, got {member.name!r}")
    if member.is_link:
        raise UserError(f"{archive.name}: expected files and folders alone, got a link or device, {member.name!r}")
    if member.is_encrypted:
        raise UserError(f"{archive.name}: expected files without a password, got {member.name!r} with one")
    return path


def _check_clashes(names: Sequence[PurePosixPath], archive: Path) -> None:
    """Refuse names that a disk without capitals would mix up, of files and of the folders that they lie in."""
    if not names:
        raise UserError(f"{archive.name}: expected files, got none")
    paths = [Path(path) for name in names for path in (name, *name.parents)]
    if len(set(names)) < len(names) or find_clash(paths):
        raise UserError(f"{archive.name}: expected every name once, whatever its capitals, got two alike")
