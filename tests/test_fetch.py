"""A file is taken from the first source that gives it intact."""

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hourglass.console.errors import UserError
from hourglass.data.remote.fetch import fetch
from hourglass.data.remote.remote_file import RemoteFile

from .conftest import Project

CHUNK = 1 << 20
CONTENT = bytes(range(256)) * (4 * CHUNK // 256)
SHA256 = (hashlib.sha256(CONTENT).hexdigest(),)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve a folder, and log nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve(handler: Callable[..., SimpleHTTPRequestHandler]) -> Iterator[str]:
    """Serve on this machine, and yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder: the folder, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    with serve(partial(QuietHandler, directory=folder)) as address:
        yield folder, address


def test_sources_are_tried_in_turn(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "images.gz").write_bytes(CONTENT)
    (folder / "other.gz").write_bytes(b"<html>not what you asked for</html>")
    wrong = [f"{tmp_path}/nowhere/", "package:no_such_package/", f"{address}other.gz", f"{address}absent/"]
    target = tmp_path / "raw" / "images.gz"
    assert fetch(target, [*wrong, address], SHA256, "") == f"{address}images.gz"
    assert target.read_bytes() == CONTENT


def test_no_source_says_all_that_was_tried_and_leaves_nothing(tmp_path: Path, served: tuple[Path, str]) -> None:
    _, address = served
    target = tmp_path / "raw" / "images.gz"
    waits: list[float] = []
    with pytest.raises(UserError) as refused:
        fetch(
            target, [f"{tmp_path}/nowhere/", address, "http://127.0.0.1:9/"], SHA256, "By hand: so.", wait=waits.append
        )
    assert waits == [1, 2, 4, 8]  # where nobody answered, and not where the answer was no
    message = str(refused.value)
    assert f"{tmp_path}/nowhere/images.gz: No such file" in message
    assert f"{address}images.gz: HTTP status 404" in message
    assert "http://127.0.0.1:9/images.gz: no connection" in message
    assert message.endswith("By hand: so.")
    assert list(target.parent.iterdir()) == []


class UnreliableHandler(SimpleHTTPRequestHandler):
    """Serve CONTENT, but stop after half of what is asked for, twice; it can resume if `resumes`."""

    resumes = True
    stops = 2

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        start = 0
        if self.resumes and "Range" in self.headers and self.headers["If-Range"] == '"one"':
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        rest = CONTENT[start:]
        asked.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(rest[: len(rest) // 2] if len(asked) <= self.stops else rest)


asked: list[int] = []  # where each answer began


@pytest.mark.parametrize(
    ("resumes", "stops", "begins"),
    [(True, 2, [0, len(CONTENT) // 2, len(CONTENT) * 3 // 4]), (False, 2, [0, 0, 0])],
)
def test_a_server_that_stops_halfway(tmp_path: Path, resumes: bool, stops: int, begins: list[int]) -> None:
    asked.clear()
    handler = type("Handler", (UnreliableHandler,), {"resumes": resumes, "stops": stops})
    with serve(handler) as address:
        target = tmp_path / "images.gz"
        fetch(target, [address], SHA256, "", wait=lambda _: None)
    assert asked == begins
    assert target.read_bytes() == CONTENT


def test_a_folder_is_not_a_file_of_a_known_checksum(tmp_path: Path) -> None:
    (tmp_path / "mirror" / "images.gz").mkdir(parents=True)
    (tmp_path / "mirror" / "images.gz" / "one.png").write_bytes(b"1")
    with pytest.raises(UserError, match="expected a file of a known SHA-256, got a folder"):
        fetch(tmp_path / "images.gz", [f"{tmp_path}/mirror/"], SHA256, "")


def test_an_address_that_is_none_is_not_tried_again(tmp_path: Path) -> None:
    waits: list[float] = []
    for address in ("http://[bad/", f"http://{'a' * 64}.com/"):
        with pytest.raises(UserError, match="expected a valid address"):
            fetch(tmp_path / "images.gz", [address], (), "", wait=waits.append)
    assert waits == []


def test_a_server_that_always_stops_halfway(tmp_path: Path) -> None:
    asked.clear()
    handler = type("Handler", (UnreliableHandler,), {"resumes": False, "stops": 99})
    with serve(handler) as address, pytest.raises(UserError, match="5 times"):
        fetch(tmp_path / "images.gz", [address], (), "", wait=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_an_error_page_with_status_200(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "page.data").write_text("\n<!DOCTYPE html><html>Please log in</html>", encoding="utf-8")
    with pytest.raises(UserError, match=r"expected a file, got a web page \(HTML\)"):
        fetch(tmp_path / "info.csv", [f"{address}page.data"], (), "")
    with pytest.raises(UserError, match="expected an archive, got something else"):
        fetch(tmp_path / "images.zip", [f"{address}page.data"], (), "")
    assert not list(tmp_path.glob("i*"))


def test_a_gz_may_be_packed_in_another_way(tmp_path: Path) -> None:
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "images.gz").write_bytes(gzip.compress(CONTENT, compresslevel=1))
    target = tmp_path / "images.gz"
    fetch(target, [f"{tmp_path}/debian/"], SHA256, "")
    assert gzip.decompress(target.read_bytes()) == CONTENT
    with pytest.raises(UserError, match="expected SHA-256"):
        fetch(target, [f"{tmp_path}/debian/"], ("0" * 64,), "")


def test_wrong_checksum_names_both_and_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "images.gz").write_bytes(CONTENT[:-1])
    target = tmp_path / "images.gz"
    target.write_bytes(CONTENT)
    with pytest.raises(UserError, match=f"expected SHA-256 {SHA256[0]}, got [0-9a-f]{{64}}"):
        fetch(target, [f"{tmp_path}/mirror/"], SHA256, "")
    assert target.read_bytes() == CONTENT


def test_mirror_comes_first_and_a_failed_stage_leaves_nothing(fresh: Project, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "olivetti").mkdir(parents=True)
    (mirror / "olivetti" / "olivettifaces.mat").write_bytes(b"not faces")
    entry = {"file": "olivettifaces.mat", "urls": ["http://127.0.0.1:9/"], "sha256": list(SHA256)}
    fresh.change("downloads.olivetti", [entry])
    done = fresh.run("python", "-m", "stages.download", "olivetti", mirror=str(mirror))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.index(f"{mirror}/olivetti/olivettifaces.mat: expected SHA-256") < done.stderr.index(
        "127.0.0.1:9"
    )
    assert "save it as <folder>/olivetti/olivettifaces.mat and set HOURGLASS_MIRROR=<folder>" in done.stderr
    assert not list((fresh.folder / "data" / "raw").iterdir())


def test_what_comes_with_the_dependencies_is_not_looked_for_on_a_mirror() -> None:
    bundled = RemoteFile(file="a.npy", urls=("package:skimage/data/",))
    remote = RemoteFile(file="a.npy", urls=("package:skimage/data/", "https://example.org/"))
    assert bundled.addresses("/mirror/a") == ["package:skimage/data/"]
    assert remote.addresses("/mirror/a") == ["/mirror/a/", "package:skimage/data/", "https://example.org/"]
    assert remote.addresses("") == ["package:skimage/data/", "https://example.org/"]
    assert RemoteFile(file="a.npy").addresses("http://mirror/a/") == ["http://mirror/a/"]
