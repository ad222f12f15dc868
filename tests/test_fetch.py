"""A file is taken from the first source that gives it intact."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages import config
from stages.datasets.fetch import fetch
from stages.errors import UserError

from .conftest import Project

CONTENT = b"grey values" * 1000
SHA256 = (hashlib.sha256(CONTENT).hexdigest(),)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve a folder without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder on this machine: the folder, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_sources_are_tried_in_turn(tmp_path: Path, served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "images.gz").write_bytes(CONTENT)
    (folder / "other.gz").write_bytes(b"<html>not what you asked for</html>")
    wrong = [f"{tmp_path}/nowhere/", "package:no_such_package/", f"{address}other.gz", f"{address}absent/"]
    target = tmp_path / "raw" / "images.gz"
    assert fetch(target, [*wrong, address], SHA256, "set") == f"{address}images.gz"
    assert target.read_bytes() == CONTENT


def test_no_source_says_all_that_was_tried_and_leaves_nothing(tmp_path: Path, served: tuple[Path, str]) -> None:
    _, address = served
    target = tmp_path / "raw" / "images.gz"
    with pytest.raises(UserError) as refused:
        fetch(target, [f"{tmp_path}/nowhere/", address, "http://127.0.0.1:9/"], SHA256, "my-set")
    message = str(refused.value)
    assert f"{tmp_path}/nowhere/images.gz: No such file" in message
    assert f"{address}images.gz: HTTP status 404" in message
    assert "http://127.0.0.1:9/images.gz: no connection" in message
    assert "save it as <folder>/my-set/images.gz and set HOURGLASS_MIRROR=<folder>" in message
    assert list(target.parent.iterdir()) == []


def test_wrong_checksum_names_both_and_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "images.gz").write_bytes(CONTENT[:-1])
    target = tmp_path / "images.gz"
    target.write_bytes(CONTENT)
    with pytest.raises(UserError, match=f"expected SHA-256 {SHA256[0]}, got [0-9a-f]{{64}}"):
        fetch(target, [f"{tmp_path}/mirror/"], SHA256, "set")
    assert target.read_bytes() == CONTENT


def test_mirror_comes_first_and_a_failed_stage_leaves_nothing(fresh: Project, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "olivetti").mkdir(parents=True)
    (mirror / "olivetti" / "olivettifaces.mat").write_bytes(b"not faces")
    text = (fresh.folder / "params.yaml").read_text(encoding="utf-8")
    for address in config.load(fresh.folder / "params.yaml").download("olivetti")[0].urls:
        text = text.replace(address, "http://127.0.0.1:9/olivettifaces.mat")
    (fresh.folder / "params.yaml").write_text(text, encoding="utf-8")
    done = fresh.run("python", "-m", "stages.download", "olivetti", mirror=str(mirror))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.index(f"{mirror}/olivetti/olivettifaces.mat: expected SHA-256") < done.stderr.index(
        "127.0.0.1:9"
    )
    assert not list((fresh.folder / "data" / "raw").iterdir())
