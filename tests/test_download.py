"""The files of one entry of `downloads` do not replace each other, and a full disk is named."""

import resource
import signal
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hourglass.console.errors import UserError
from stages.download import main

from .params import to_yaml
from .test_archives import make_tar, make_zip, plain


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the project's, without its mirror."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("HOURGLASS_MIRROR", raising=False)
    return tmp_path


def download(*files: dict[str, Any]) -> None:
    """Run the stage for an entry of these files."""
    Path("params.yaml").write_text(to_yaml({"downloads": {"mine": list(files)}}), encoding="utf-8")
    main("mine")


def left() -> list[str]:
    """Return what is in data/raw."""
    return sorted(path.name for path in Path("data/raw").iterdir())


def test_files_of_one_entry_have_names_of_their_own(here: Path) -> None:
    make_zip(here / "a.zip", {"one.csv": b"unpacked"})
    (here / "one.csv").write_text("downloaded")
    archive = {"file": "a.zip", "urls": [f"{here}/"]}
    table = {"file": "one.csv", "urls": [f"{here}/"]}
    with pytest.raises(UserError, match=r"one\.csv: expected a new name, got that of a file that came before it"):
        download(archive, table)
    with pytest.raises(UserError, match=r"a\.zip: expected new names, got one\.csv, which another file has"):
        download(table, archive)
    with pytest.raises(UserError, match=r"one\.csv: expected a new name"):
        download(table, table)
    assert left() == []
    download(table)
    assert Path("data/raw/mine/one.csv").read_text() == "downloaded"


def test_a_damaged_archive_leaves_what_was_there(here: Path) -> None:
    entry = {"file": "a.tar", "urls": [f"{here}/"]}
    make_tar(here / "a.tar", (plain("one.png"), b"1" * 999), (plain("two.png"), b"2" * 999))
    download(entry)
    with tarfile.open(here / "a.tar", "w") as archive:
        archive.addfile(plain("three.png"))
    whole = (here / "a.tar").read_bytes()
    (here / "a.tar").write_bytes(whole[:512])
    with pytest.raises(UserError, match="its end is missing"):
        download(entry)
    assert sorted(path.name for path in Path("data/raw/mine").iterdir()) == ["one.png", "two.png"]


def test_a_folder_in_place_of_an_archive(here: Path) -> None:
    (here / "a.zip").mkdir()
    (here / "a.zip" / "one.png").write_bytes(b"1")
    download({"file": "a.zip", "urls": [f"{here}/"]})
    assert Path("data/raw/mine/a.zip/one.png").read_bytes() == b"1"


def test_max_bytes(here: Path) -> None:
    with zipfile.ZipFile(here / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.png", bytes(10_000))
    for limit, said in ((100, r"at most 100 bytes \(`max_bytes`\)"), (9000, "at most 9,000 bytes when unpacked")):
        with pytest.raises(UserError, match=said):
            download({"file": "a.zip", "urls": [f"{here}/"], "max_bytes": limit})
    download({"file": "a.zip", "urls": [f"{here}/"], "max_bytes": 10_000})
    assert left() == ["mine"]


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file grow beyond 50,000 bytes."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", ["a.csv", "a.zip"])
def test_a_full_disk_is_named(here: Path, name: str, request: pytest.FixtureRequest) -> None:
    with zipfile.ZipFile(here / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.png", bytes(100_000))
    if name == "a.csv":
        (here / name).write_bytes(b"1," * 50_000)
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError, match="File too large") as full:
        download({"file": name, "urls": [f"{here}/"]})
    assert str(full.value.filename).startswith("data/raw/")
    assert left() == []
