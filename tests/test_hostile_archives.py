"""A hostile archive ends in one line, before it has filled a disk, the memory or the day."""

import bz2
import gzip
import io
import lzma
import resource
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hourglass.console.errors import UserError
from hourglass.data.remote.archives import unpack

from .test_archives import make_tar, make_zip, plain, unpacked

BLOCK = 512


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    """Return a header of a .tar, which may lie about its size."""
    info = plain(name, kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def member(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    return header(name, kind, len(data)) + padded(data)


END = bytes(2 * BLOCK)
TWO = member("one.png", b"1" * 700) + member("two.png", b"2" * 700)
RECORDS = b"".join(b"%d k%06d=\n" % (12, number) for number in range(4000))


@contextmanager
def memory(limit: int) -> Iterator[None]:
    """Let the process have no more than `limit` bytes beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def refusal(folder: Path, name: str, content: bytes, max_bytes: int = 10**10) -> str:
    """Return what is said of an archive that is refused, soon, in little memory, and with nothing written."""
    (folder / name).write_bytes(content)
    started = time.monotonic()
    with memory(256 << 20), pytest.raises(UserError) as refused:
        unpack(folder / name, folder / "out", max_bytes)
    assert time.monotonic() - started < 10
    assert not (folder / "out").exists()
    return str(refused.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_without_its_end(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    name = "images.tar"  # what is inside is told by the content
    assert "its end is missing" in refusal(tmp_path, name, pack(TWO))
    assert "damaged" in refusal(tmp_path, name, pack(TWO[:-BLOCK]))
    half = len(TWO) // 2
    assert "its end is missing" in refusal(tmp_path, name, pack(TWO[:half]))
    assert "a header is wrong" in refusal(tmp_path, name, pack(TWO[:half] + b"?" + TWO[half + 1 :] + END))
    assert "more behind its end" in refusal(tmp_path, name, pack(TWO + END + TWO + END))
    (tmp_path / name).write_bytes(pack(TWO + END[:BLOCK]))  # as some programs do
    assert unpack(tmp_path / name, tmp_path / "out") == 2


LONG = b"n" * (1 << 20)
BOMBS: dict[str, tuple[bytes, str]] = {
    "long name": (member("x", LONG, tarfile.GNUTYPE_LONGNAME) + TWO + END, "headers of at most"),
    "long link": (member("x", LONG, tarfile.GNUTYPE_LONGLINK) + TWO + END, "headers of at most"),
    "pax header": (member("x", LONG, tarfile.XHDTYPE) + TWO + END, "headers of at most"),
    "pax header of digits": (member("x", b"1" * 60_000, tarfile.XHDTYPE) + TWO + END, "256 digits"),
    "global header": (member("x", RECORDS, tarfile.XGLTYPE) + TWO + END, "oddly described"),
    "chain of headers": (member("x", b"9 k=v\n", tarfile.XGLTYPE) * 5000 + TWO + END, "got"),
    "huge": (header("x.png", size=1 << 50) + TWO + END, "when unpacked"),
    "long name of a size that lies": (header("x", tarfile.GNUTYPE_LONGNAME, 1 << 50) + TWO + END, "damaged"),
    "pax header of a size that lies": (header("x", tarfile.XHDTYPE, 1 << 50) + TWO + END, "damaged"),
    "negative size": (header("x.png", size=-1024) + TWO + END, "damaged"),
    "negative pax header": (header("x", tarfile.XHDTYPE, -1024) + TWO + END, "damaged"),
    "sparse": (header("x.png", tarfile.GNUTYPE_SPARSE, 0) + TWO + END, "sparse"),
    "sparse map": (
        member("x", b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n25 GNU.sparse.name=x.png\n", tarfile.XHDTYPE)
        + member("x.png", b"99999999999\n" + b"1\n" * (1 << 20))
        + END,
        "headers of at most",
    ),
    "sparse header": (
        header("x.png", tarfile.GNUTYPE_SPARSE, 0)[:482] + b"\1" + bytes(29) + (b"1" * 504 + b"\1" * 8) * 5000 + END,
        "damaged",
    ),
}


@pytest.mark.parametrize("name", ["images.tar", "images.tar.gz"])
@pytest.mark.parametrize("kind", BOMBS)
def test_a_tar_that_invents(tmp_path: Path, kind: str, name: str) -> None:
    content, said = BOMBS[kind]
    message = refusal(tmp_path, name, gzip.compress(content, 1) if name.endswith("gz") else content)
    assert said in message


def test_many_members_without_content(tmp_path: Path) -> None:
    folders = b"".join(header(f"{number}/", tarfile.DIRTYPE) for number in range(200))
    files = b"".join(header(f"{number}/x.png") for number in range(200))
    (tmp_path / "images.tar").write_bytes(folders + files + END)
    assert unpack(tmp_path / "images.tar", tmp_path / "out") == 200


def test_an_xz_that_asks_for_gigabytes(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 200 << 20}]
    packed = lzma.compress(TWO + END, filters=filters)
    assert "Memory usage limit" in refusal(tmp_path, "images.tar.xz", packed)
    assert "Memory usage limit" in refusal(tmp_path, "images.tar.xz", lzma.compress(TWO) + bytes(4) + packed)


def test_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hourglass.data.remote.members.ALWAYS_ALLOWED", 1 << 20)
    behind_the_end = gzip.compress(TWO + bytes(2 << 20))
    assert "when unpacked" in refusal(tmp_path, "images.tar.gz", behind_the_end)
    assert "when unpacked" in refusal(
        tmp_path, "images.tar.bz2", bz2.compress(header("x", size=1 << 40) + bytes(2 << 20))
    )


def zip_of(count: int, size: int) -> bytes:
    """Return a .zip whose members all share the same bytes."""
    data = b"1" * size
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, size, size, 1, 0) + b"x" + data
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, size, size, 1, 0, 0, 0, 0, 0, 0) + b"x"
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, min(count, 65535), min(count, 65535), len(entry) * count, len(local), 0
    )
    return local + entry * count + end


def test_members_of_a_zip_that_overlap(tmp_path: Path) -> None:
    assert "overlap" in refusal(tmp_path, "images.zip", zip_of(100, 1000))


def test_more_members_than_are_listed(tmp_path: Path) -> None:
    data = make_zip(tmp_path / "good.zip", {"one.png": b"1", "two.png": b"2"}).read_bytes()
    at = data.rindex(b"PK\1\2") - len("one.png") - 16  # the length of the comment of the first, to swallow the second
    swallowed = data[: at + 2] + struct.pack("<H", 46 + len("two.png")) + data[at + 4 :]
    message = refusal(tmp_path, "images.zip", swallowed)
    assert "1 of 2 members" in message


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hourglass.data.remote.archives.MAX_MEMBERS", 50)
    assert "files and folders, got more: keep that many images packed" in refusal(tmp_path, "images.zip", zip_of(51, 0))
    monkeypatch.setattr("hourglass.data.remote.archives.MAX_DIRECTORY", 50 * 47)
    assert "a directory of more than 2,350 bytes" in refusal(tmp_path, "images.zip", zip_of(51, 0))


def test_too_many_members_of_a_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hourglass.data.remote.archives.MAX_MEMBERS", 50)
    assert "files and folders, got more" in refusal(tmp_path, "images.tar.gz", gzip.compress(header("x.png") * 51))


def test_folders_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hourglass.data.remote.members.MAX_MEMBERS", 50)
    archive = make_zip(tmp_path / "images.zip", {f"{'a/' * number}x.png": b"" for number in range(20, 40)})
    with pytest.raises(UserError, match="files and folders, got more"):
        unpack(archive, tmp_path / "out")


def test_methods_that_unpack_without_bounds(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("one.png", bytes(1 << 20))
        assert "expected members that are stored or deflated, got 'one.png'" in refusal(
            tmp_path, "images.zip", buffer.getvalue()
        )


# Newer versions of Python look whether an entry ends before the next thing in the file begins (CPython's issue 109858).
OVERLAP_IS_REFUSED = hasattr(zipfile.ZipInfo("x"), "_end_offset")


@pytest.mark.parametrize("at", [10, 12, 16, 20, 24, 42])  # of an entry: method, time, CRC, sizes, offset
def test_a_zip_that_lies(tmp_path: Path, at: int) -> None:
    data = make_zip(tmp_path / "good.zip", {"one.png": b"1" * 1000}).read_bytes()
    entry = data.rindex(b"PK\1\2")
    (tmp_path / "images.zip").write_bytes(data[: entry + at] + b"\x0c\x0c" + data[entry + at + 2 :])
    if at in (10, 16, 42) or (at == 20 and OVERLAP_IS_REFUSED):
        with pytest.raises(UserError, match=r"damaged|stored or deflated"):
            unpack(tmp_path / "images.zip", tmp_path / "out")
    else:  # what the checksum is of is there
        unpack(tmp_path / "images.zip", tmp_path / "out")
        assert unpacked(tmp_path / "out") == {"one.png": b"1" * 1000}


def test_a_zip_of_64_bits_that_lies(tmp_path: Path) -> None:
    data = make_zip(tmp_path / "good.zip", {"one.png": b"1" * 1000}).read_bytes()
    entry, end = data.rindex(b"PK\1\2"), data.rindex(b"PK\5\6")
    for size, offset in ((2**63, 0), (0, 2**63), (2**64 - 1, 2**64 - 1), (60, 2**40)):
        end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, offset)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
        marked = data[end : end + 8] + b"\xff" * 12 + data[end + 20 :]
        message = refusal(tmp_path, "images.zip", data[:end] + end64 + locator + marked)
        assert "expected a whole archive" in message or "expected files, got none" in message
    extra = struct.pack("<HHQQQ", 1, 24, 2**63, 2**63, 2**63)
    wide = data[: entry + 20] + b"\xff" * 8 + data[entry + 28 : entry + 30] + struct.pack("<H", len(extra))
    wide += data[entry + 32 : entry + 42] + b"\xff" * 4 + data[entry + 46 : end] + extra
    tail = data[end : end + 12] + struct.pack("<2L", len(wide) - entry, entry) + data[end + 20 :]
    assert "when unpacked" in refusal(tmp_path, "images.zip", wide + tail)


ALIKE = [("Zoe\u0308.png", "Zoë.png"), ("Zoe\u0308/1.png", "Zoë/2.png"), ("a", "a/b.png"), ("a.png", "./a.png")]


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
@pytest.mark.parametrize("names", ALIKE)
def test_names_that_some_disk_mixes_up(tmp_path: Path, names: tuple[str, str], suffix: str) -> None:
    path = tmp_path / f"images.{suffix}"
    if suffix == "zip":
        make_zip(path, dict.fromkeys(names, b"1"))
    else:
        make_tar(path, *((plain(name), b"1") for name in names))
    with pytest.raises(UserError, match="expected every name once"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["x" * 256, "é" * 128, "a/" * 600 + "x"])
def test_names_that_no_disk_takes(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="expected names of at most 255 bytes and paths of at most 1000"):
        unpack(make_zip(tmp_path / "images.zip", {name: b"1"}), tmp_path / "out")


def test_what_is_not_unpacked_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("one.png", "__MACOSX/._one.png", "two.png.partial", ".dvcignore", ".git/config", "a/__pycache__/x.pyc")
    assert unpack(make_zip(tmp_path / "images.zip", dict.fromkeys(names, b"1")), tmp_path / "out") == 1
    assert unpacked(tmp_path / "out") == {"one.png": b"1"}
    told = "warning: images.zip: 5 files or folders left aside, which operating systems leave or DVC does not store"
    assert told in capsys.readouterr().out


def test_a_limit_of_bytes(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "images.zip", {"one.png": b"1" * 1000})
    with pytest.raises(UserError, match=r"expected at most 999 bytes when unpacked, .*`max_bytes`, got 1,000"):
        unpack(archive, tmp_path / "out", 999)
    assert unpack(archive, tmp_path / "out", 1000) == 1
