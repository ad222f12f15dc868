"""Decide where the members of an archive whose author is not trusted are written, before any is."""

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Never

from hourglass.console.errors import UserError
from hourglass.data.names import find_clash, is_litter, is_unstored, tell_aside
from hourglass.data.remote.bounded import MAX_MEMBERS

# Images hardly compress: no honest archive of them unpacks to a larger multiple of its size.
MAX_EXPANSION = 100
ALWAYS_ALLOWED = 100 << 20  # bytes that any archive may unpack to
MAX_NAME, MAX_PATH = 255, 1000  # bytes that every disk takes


@dataclass(frozen=True, slots=True)
class Member:
    """What an archive announces about one file in it."""

    name: str
    size: int  # bytes
    is_link: bool = False  # or a device
    is_encrypted: bool = False


def expansion_limit(archive: Path, max_bytes: int) -> int:
    """Return the number of bytes that a compressed file may unpack to."""
    return min(max_bytes, max(ALWAYS_ALLOWED, MAX_EXPANSION * archive.stat().st_size))


def refuse_bomb(archive: Path, max_bytes: int, total: int | None = None) -> Never:
    """Raise UserError about an archive that would unpack to `total` bytes, or to too many to count."""
    raise UserError(
        f"{archive.name}: expected at most {expansion_limit(archive, max_bytes):,} bytes when unpacked, "
        f"{MAX_EXPANSION} times its size or `max_bytes`, got {'more' if total is None else f'{total:,}'}"
    )


def refuse_many(archive: Path) -> Never:
    """Raise UserError about an archive of too many members."""
    raise UserError(
        f"{archive.name}: expected at most {MAX_MEMBERS:,} files and folders, got more: "
        "keep that many images packed, as webdataset or parquet"
    )


def is_kept(name: str, aside: list[str]) -> bool:
    """Return whether a member is unpacked; the names of others are added to `aside`."""
    if is_litter(name) or is_unstored(name):
        aside.append(name)
        return False
    return True


def checked_names(
    members: Sequence[Member], aside: Sequence[str], archive: Path, folder: Path, max_bytes: int
) -> list[str]:
    """Return where below `folder` each member is written; raise UserError if any member must not be."""
    total = sum(member.size for member in members)
    if total > expansion_limit(archive, max_bytes):
        refuse_bomb(archive, max_bytes, total)
    if not members:
        raise UserError(f"{archive.name}: expected files, got none")
    names = [_checked_name(member, archive) for member in members]
    _check_clashes(names, archive)
    for name in names:
        if (folder / name).exists():
            raise UserError(f"{archive.name}: expected new names, got {name}, which another file has")
    tell_aside(archive.name, aside)
    return names


def _checked_name(member: Member, archive: Path) -> str:
    """Return a member's path with "/"; raise UserError if it is no plain file with a place inside a folder."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.name or "\0" in member.name or not path.parts:
        raise UserError(f"{archive.name}: expected names inside its own folder, got {member.name[:MAX_PATH]!r}")
    sizes = [len(os.fsencode(part)) for part in path.parts]
    if max(sizes) > MAX_NAME or sum(sizes) + len(sizes) > MAX_PATH:
        raise UserError(
            f"{archive.name}: expected names of at most {MAX_NAME} bytes and paths of at most {MAX_PATH}, "
            f"got {member.name[:80]!r}..."
        )
    if member.is_link:
        raise UserError(f"{archive.name}: expected files and folders alone, got a link or device, {member.name!r}")
    if member.is_encrypted:
        raise UserError(f"{archive.name}: expected files without a password, got {member.name!r} with one")
    return str(path)


def _check_clashes(names: Sequence[str], archive: Path) -> None:
    """Refuse names that some disk would mix up, of files and of the folders that they lie in."""
    files, folders = set(names), set[str]()
    for name in files:
        above = posixpath.dirname(name)
        while above and above not in folders:
            folders.add(above)
            above = posixpath.dirname(above)
        if len(files) + len(folders) > MAX_MEMBERS:
            refuse_many(archive)
    if both := files & folders:
        raise UserError(f"{archive.name}: expected every name once, got {min(both)!r} as a file and as a folder")
    twins = find_clash([*names, *folders])
    if twins or len(files) < len(names):
        got = f"{twins[0]!r} and {twins[1]!r}" if twins else "one name twice"
        raise UserError(
            f"{archive.name}: expected every name once, whatever its capitals and the form of its accents, got {got}"
        )
