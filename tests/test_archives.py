"""An archive is unpacked whole and inside its folder, or not at all."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hourglass.console.errors import UserError
from hourglass.data.remote.archives import is_archive, unpack

FILES = {"faces/Zoë 1.png": b"one", "faces/deep/two.png": b"two"}


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def plain(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def unpacked(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_all_files_come_out_but_not_the_litter(tmp_path: Path, suffix: str) -> None:
    litter = {"__MACOSX/faces/._one.png": b"x", "faces/.DS_Store": b"x", "faces/._two.png": b"x"}
    path = tmp_path / f"images.{suffix}"
    if suffix == "zip":
        make_zip(path, FILES | litter)
    else:
        make_tar(path, *((plain(name), data) for name, data in (FILES | litter).items()))
    assert is_archive(path.name)
    assert unpack(path, tmp_path / "out") == 2
    assert unpacked(tmp_path / "out") == FILES


EVIL_NAMES = ["../evil.png", "faces/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:\\evil.png", "C:evil.png"]


@pytest.mark.parametrize("name", EVIL_NAMES)
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_name_outside_the_folder(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"images.{suffix}"
    if suffix == "zip":
        make_zip(path, FILES | {name: b"evil"})
    else:
        make_tar(path, (plain("good.png"), b"good"), (plain(name), b"evil"))
    with pytest.raises(UserError, match="expected names inside its own folder"):
        unpack(path, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists()  # not even the good ones


def zip_with_link(path: Path) -> Path:
    info = zipfile.ZipInfo("link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return path


LINKS: list[Callable[[Path], Path]] = [
    lambda folder: zip_with_link(folder / "images.zip"),
    lambda folder: make_tar(folder / "images.tar.gz", (plain("link.png", tarfile.SYMTYPE, "/etc/passwd"), b"")),
    lambda folder: make_tar(folder / "images.tar.gz", (plain("link.png", tarfile.LNKTYPE, "../other"), b"")),
    lambda folder: make_tar(folder / "images.tar.gz", (plain("pipe.png", tarfile.FIFOTYPE), b"")),
]


@pytest.mark.parametrize("make", LINKS)
def test_a_link(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(UserError, match="expected files and folders alone, got a link or device"):
        unpack(make(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(3):
            archive.writestr(f"{index}.png", bytes(50 << 20))
    with pytest.raises(UserError, match=r"expected at most 104,857,600 bytes when unpacked, .*, got 157,286,400"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "images.zip", {"one.png": b"x" * 1000})
    data = path.read_bytes()
    # The size is declared in the directory at the end of the file, where it is read from.
    at = data.rindex(b"PK\x01\x02") + 24
    path.write_bytes(data[:at] + (10).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(UserError, match="damaged"):
        unpack(path, tmp_path / "out")
    assert all(len(content) <= 10 for content in unpacked(tmp_path / "out").values())  # no more than announced


def test_permissions_owners_and_times_are_not_the_archives(tmp_path: Path) -> None:
    info = plain("one.png")
    info.mode, info.uid, info.mtime = 0o7777, 12345, 2**62
    unpack(make_tar(tmp_path / "images.tar.gz", (info, b"one")), tmp_path / "out")
    (tmp_path / "own").write_bytes(b"")
    ours, theirs = ((path.stat().st_mode, path.stat().st_uid) for path in (tmp_path / "own", tmp_path / "out/one.png"))
    assert theirs == ours


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_names_are_written_the_same_on_every_system(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"images.{suffix}"
    names = ("./a/one.png", "b\\two.png")
    if suffix == "zip":
        make_zip(path, dict.fromkeys(names, b"1"))
    else:
        make_tar(path, *((plain(name), b"1") for name in names))
    unpack(path, tmp_path / "out")
    assert unpacked(tmp_path / "out") == {"a/one.png": b"1", "b/two.png": b"1"}


def test_a_password(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "images.zip", {"one.png": b"secret"})
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the flag that a member is encrypted
    path.write_bytes(data)
    with pytest.raises(UserError, match="expected files without a password"):
        unpack(path, tmp_path / "out")


def test_a_tar_whose_bytes_were_damaged(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "images.tar.gz", (plain("one.png"), np.random.default_rng(0).bytes(100_000)))
    data = bytearray(path.read_bytes())
    data[50_000] ^= 255
    data[50_001] ^= 255
    path.write_bytes(data)
    with pytest.raises(UserError, match="expected a whole archive, got a damaged one"):
        unpack(path, tmp_path / "out")


def test_an_archive_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected files, got none"):
        unpack(make_zip(tmp_path / "images.zip", {".DS_Store": b"x"}), tmp_path / "out")


@pytest.mark.parametrize("names", [("a/One.png", "a/one.png"), ("A/1.png", "a/2.png")])
def test_names_that_differ_by_capitals_alone(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(UserError, match="expected every name once, whatever its capitals"):
        unpack(make_zip(tmp_path / "images.zip", dict.fromkeys(names, b"1")), tmp_path / "out")


def test_a_name_that_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "out" / "faces").mkdir(parents=True)
    (tmp_path / "out" / "faces" / "one.png").write_bytes(b"first")
    with pytest.raises(UserError, match=r"expected new names, got faces/one\.png"):
        unpack(make_zip(tmp_path / "images.zip", {"faces/one.png": b"second"}), tmp_path / "out")
    assert unpacked(tmp_path / "out") == {"faces/one.png": b"first"}


@pytest.mark.parametrize("name", ["images.zip", "images.tar.gz"])
def test_a_damaged_archive(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("zip"):
        make_zip(path, {"one.png": bytes(range(256)) * 50})
    else:
        make_tar(path, (plain("one.png"), bytes(range(256)) * 50))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(UserError, match=r"expected a whole archive, got a damaged one .*: fetch it again"):
        unpack(path, tmp_path / "out")
