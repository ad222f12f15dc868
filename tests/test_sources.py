"""Files and folders of this machine are copied only if they are regular, inside what was named, and not of this project."""

import os
import socket
from pathlib import Path

import pytest

from hourglass.console.errors import UserError
from hourglass.data.names import is_unstored
from hourglass.data.remote.fetch import fetch

from .conftest import ROOT


def refusal(target: Path, url: str | Path, max_bytes: int = 10**6) -> str:
    """Return what is said of a source that is refused."""
    with pytest.raises(UserError) as refused:
        fetch(target, [str(url)], (), "", max_bytes)
    assert not target.exists()
    return str(refused.value)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.csv").write_text("1,2")
    (tmp_path / "mirror" / "b.csv").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "socket"))
    for source in ("/dev/zero", tmp_path / "pipe", tmp_path / "socket", tmp_path / "link", tmp_path / "mirror"):
        assert "expected a regular file, got a device, pipe or socket" in refusal(tmp_path / "raw" / "a.csv", source)


def test_names_that_are_no_paths(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for source in ("a\0b", "x" * 300, "x/" * 3000, tmp_path / "one"):
        assert "expected one of its sources to give it" in refusal(tmp_path / "raw" / "a.csv", source)


def test_a_package_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "somepackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.csv").write_text("1,2")
    (tmp_path / "secret").write_text("1,2")
    (package / "b.csv").symlink_to(tmp_path / "secret")  # as uv installs with UV_LINK_MODE=symlink
    monkeypatch.syspath_prepend(tmp_path)
    for path in ("../secret", "../somepackage/../secret", "x/../../secret", "/etc/hostname", ".."):
        assert "leads out of it" in refusal(tmp_path / "raw" / "c.csv", f"package:somepackage/{path}")
    assert "is not installed" in refusal(tmp_path / "raw" / "b.csv", "package:../x/")
    for name in ("a.csv", "b.csv"):
        fetch(tmp_path / "raw" / name, ["package:somepackage/"], (), "")
        assert (tmp_path / "raw" / name).read_text() == "1,2"


@pytest.mark.parametrize("source", [".", "..", "data", "data/raw", "link"])
def test_no_folder_is_copied_into_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    (project / "a.csv").write_text("1,2")
    (project / "link").symlink_to("..")
    (project / "data" / "raw" / "mine").mkdir(parents=True)
    assert "expected a folder outside of this project" in refusal(Path("data/raw/mine/images"), source)


def test_links_to_folders_are_followed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "a").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(b"1")
    (mirror / "b").symlink_to(tmp_path / "elsewhere")
    (mirror / "a" / "2.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (mirror / "a" / "up").symlink_to("..")
    fetch(tmp_path / "raw" / "images", [str(mirror)], (), "")
    copied = {path.relative_to(tmp_path / "raw" / "images").as_posix() for path in (tmp_path / "raw").rglob("*.png")}
    assert copied == {"a/2.png", "b/1.png"}
    assert not any(path.is_symlink() for path in (tmp_path / "raw").rglob("*"))
    assert f"{mirror}: 1 files or folders left aside" in capsys.readouterr().out


def test_what_dvc_does_not_store_is_left_aside_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "__pycache__").mkdir(parents=True)
    for name in ("1.png", ".DS_Store", ".dvcignore", "2.png.partial", "__pycache__/3.png"):
        (mirror / name).write_bytes(b"1")
    fetch(tmp_path / "raw" / "images", [str(mirror)], (), "")
    assert [path.name for path in (tmp_path / "raw" / "images").iterdir()] == ["1.png"]
    assert f"warning: {mirror}: 4 files or folders left aside" in capsys.readouterr().out


def test_dvcignore_names_what_is_not_stored() -> None:
    lines = (ROOT / ".dvcignore").read_text().splitlines()
    patterns = [line.replace("*", "x") for line in lines if line and not line.startswith("#")]
    assert len(patterns) > 5
    assert [pattern for pattern in patterns if not is_unstored(f"a/{pattern}/b")] == []


def test_a_limit_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    for name in "abc":
        (tmp_path / "mirror" / name).write_bytes(bytes(400))
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 40)
    assert "expected at most 1,000 bytes (`max_bytes`)" in refusal(tmp_path / "raw" / "a", tmp_path / "sparse", 1000)
    assert "`max_bytes`" in refusal(tmp_path / "raw" / "a", tmp_path / "mirror", 1000)
    fetch(tmp_path / "raw" / "a", [f"{tmp_path}/mirror"], (), "", 1200)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "mirror" / "deep").mkdir(parents=True)
    assert "expected a folder of files, got an empty one" in refusal(tmp_path / "raw" / "a", tmp_path / "mirror")
