"""The list of a folder's images: written the same from the same files, and never believed when it is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hourglass.commands.manifest import write_manifest
from hourglass.console.errors import UserError
from hourglass.data.image import Preparation
from hourglass.data.manifest import check_unchanged, read_manifest
from hourglass.data.preparation.cache import Cache
from hourglass.data.preparation.decode import decode
from hourglass.data.preparation.raw import Target
from hourglass.data.readers.folder import read

from .conftest import ROOT

NAMES = ("cats/10.png", "cats/2.png", "dogs/a, b.png", 'dogs/"quoted".jpg', "dogs/Zoë ☕.PNG")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of images, and of files that are none."""
    folder = tmp_path / "photos"
    for seed, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 9), np.uint8)
        Image.fromarray(pixels).save(folder / name)
        os.utime(folder / name, ns=(10**18, 10**18 + seed))
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    (folder / "cats" / "._2.png").write_bytes(b"litter")
    return folder


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "hourglass", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("by_content", [False, True])
def test_it_is_written_and_read(photos: Path, by_content: bool) -> None:
    manifest = photos / "manifest.csv"
    assert write_manifest(photos, manifest, by_content) == len(NAMES)
    text = manifest.read_bytes()
    assert text.startswith(b"path,sha256\ncats/10.png," if by_content else b"path,size,mtime_ns\ncats/10.png,")
    assert b"\r" not in text
    found = read_manifest(manifest)
    assert found.root == photos
    assert found.paths == sorted(NAMES)
    assert len(set(found.hashes)) == len(NAMES)
    write_manifest(photos, manifest, by_content)
    assert manifest.read_bytes() == text


def test_files_that_describe_images_are_listed(photos: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,label\n", encoding="utf-8")
    write_manifest(photos, photos / "manifest.csv")
    assert "metadata.csv" in read_manifest(photos / "manifest.csv").paths


def test_the_command(photos: Path, tmp_path: Path) -> None:
    done = run("manifest", photos)
    assert (done.returncode, done.stdout) == (0, f"{photos}/manifest.csv: 5 files\n"), done.stderr
    above = tmp_path / "photos.csv"
    assert run("manifest", photos, "--sha256", "--output", above).returncode == 0
    assert read_manifest(above).paths == [f"photos/{name}" for name in sorted(NAMES)]
    assert all(known.startswith("sha256:") for known in read_manifest(above).hashes)
    link = tmp_path / "link"
    link.symlink_to(photos)
    assert run("manifest", link, "--output", tmp_path / "linked.csv").returncode == 0
    assert read_manifest(tmp_path / "linked.csv").paths[0] == "link/cats/10.png"
    elsewhere = run("manifest", photos, "--output", tmp_path / "other" / "m.csv")
    assert elsewhere.returncode == 1
    assert elsewhere.stderr.startswith("error: ")
    assert elsewhere.stderr.count("\n") == 1
    assert not (tmp_path / "other").exists()
    assert "manifest" in run("--help").stdout
    assert run().returncode == 2


def test_what_cannot_be_listed(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no folder"):
        write_manifest(photos / "none", tmp_path / "m.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"expected images .*, found none"):
        write_manifest(tmp_path / "empty", tmp_path / "m.csv")
    (photos / "gone.png").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"gone\.png: expected a file that can be read"):
        write_manifest(photos, photos / "m.csv")
    (photos / "gone.png").unlink()
    os.mkfifo(photos / "pipe.png")
    for by_content in (False, True):
        with pytest.raises(UserError, match=r"pipe\.png: expected a regular file"):
            write_manifest(photos, photos / "m.csv", by_content)
    (photos / "pipe.png").rename(photos / "two\nlines.png")
    with pytest.raises(UserError, match="expected names of printable characters"):
        write_manifest(photos, photos / "m.csv")
    assert not list(photos.glob("*.csv"))
    assert not list(photos.glob(".*"))


BAD = [
    ("", "line 1: expected the columns path,size,mtime_ns or path,sha256"),
    ("path,md5\na.png,1\n", "line 1: expected the columns path,size,mtime_ns or path,sha256"),
    ("path,size,mtime_ns\na.png,1,2\nb.png,1\n", "line 3: expected path,size,mtime_ns, got 2 values"),
    ("path,size,mtime_ns\n/etc/a.png,1,2\n", "line 2: expected a path below the manifest's folder, got '/etc/a.png'"),
    ("path,size,mtime_ns\n../a.png,1,2\n", "line 2: expected a path below the manifest's folder, got '../a.png'"),
    ("path,size,mtime_ns\nb/../../a.png,1,2\n", "line 2: expected a path below the manifest's folder"),
    ("path,size,mtime_ns\n,1,2\n", "line 2: expected a path below the manifest's folder, got ''"),
    ("path,size,mtime_ns\nb\\a.png,1,2\n", "line 2: expected a path of printable characters with /"),
    ("path,size,mtime_ns\na.png,1,2\nb.png,large,2\n", "line 3: expected size of b.png, got 'large'"),
    ("path,size,mtime_ns\na.png,1,2.5\n", "line 2: expected mtime_ns of a.png, got '2.5'"),
    ("path,sha256\na.png,abc\n", "line 2: expected sha256 of a.png, got 'abc'"),
    ("path,size,mtime_ns\na.png,1,2\na.png,1,2\n", "line 3: expected every file once, got a.png again"),
    ('path,size,mtime_ns\n"a.png,1,2\n', "expected a table (CSV), got"),
    ("path,size,mtime_ns\n\xff,1,2\n", "expected a table (CSV), got"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_row_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError) as refused:
        read_manifest(path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)
    assert "run `hourglass manifest` again" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_million_rows_take_seconds(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    rows = "".join(f"class {index % 100}/{index:07}.png,{index},{10**18 + index}\n" for index in range(100_000))
    path.write_text("path,size,mtime_ns\n" + rows, encoding="utf-8")
    before = os.times()
    assert len(read_manifest(path).paths) == 100_000
    assert os.times().user - before.user < 5  # 0.4 s where it was written: a million in 4


@pytest.mark.parametrize(("by_content", "cached"), [(False, False), (True, False), (False, True)])
def test_an_image_that_changed_is_an_error_and_not_skipped(
    photos: Path, tmp_path: Path, by_content: bool, cached: bool
) -> None:
    manifest = photos / "manifest.csv"
    write_manifest(photos, manifest, by_content)

    def prepare() -> int:
        preparation = Preparation("gray", (9, 9))
        cache = Cache.open(tmp_path / "cache", preparation) if cached else None
        raw = read(manifest, Target((9, 9), "gray"))
        decoded = decode(
            raw,
            tmp_path / "out",
            preparation,
            skip_bad=True,
            max_skipped=0.5,
            allow_constant=False,
            cache=cache,
            name="mine",
        )
        if cache is not None:
            cache.keep(decoded)
        return len(decoded.kept)

    assert prepare() == len(NAMES)
    changed = photos / "cats/2.png"
    same_size = bytearray(changed.read_bytes())
    same_size[-1] ^= 1
    changed.write_bytes(same_size)  # now, which is another time
    with pytest.raises(
        UserError, match=r"cats/2\.png: expected the file that the manifest lists, .*run `hourglass man"
    ):
        prepare()


def test_hashes_follow_what_they_are_of(photos: Path) -> None:
    path, name = photos / "cats/2.png", "cats/2.png"
    data = path.read_bytes()
    for by_content in (False, True):
        write_manifest(photos, photos / "manifest.csv", by_content)
        manifest = read_manifest(photos / "manifest.csv")
        known = dict(zip(manifest.paths, manifest.hashes, strict=True))[name]
        check_unchanged(known, name, str(path), data)
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        if by_content:
            check_unchanged(known, name, str(path), data)
            with pytest.raises(UserError):
                check_unchanged(known, name, str(path), data + b" ")
        else:
            with pytest.raises(UserError):
                check_unchanged(known, name, str(path), data)


def test_the_cache_tells_copies_of_a_folder_apart(tmp_path: Path) -> None:
    preparation, link = Preparation("gray", (9, 9)), tmp_path / "link"

    def prepare(manifest: Path) -> bytes:
        cache = Cache.open(tmp_path / f"cache of {manifest.name}", preparation)
        decoded = decode(
            read(manifest, Target((9, 9), "gray")),
            tmp_path / "out",
            preparation,
            skip_bad=False,
            max_skipped=0,
            allow_constant=False,
            cache=cache,
            name="mine",
        )
        data = decoded.path.read_bytes()
        cache.keep(decoded)
        return data

    made = []
    for number in range(2):
        folder = tmp_path / f"v{number}"
        folder.mkdir()
        pixels = np.random.default_rng(number).integers(0, 256, (9, 9), np.uint8)
        Image.fromarray(pixels).save(folder / "1.bmp")  # of one size, whatever is in it
        os.utime(folder / "1.bmp", ns=(10**18, 10**18))
        write_manifest(folder, folder / "manifest.csv")
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
        write_manifest(link, tmp_path / "linked.csv")
        made.append(pixels.tobytes())
        assert prepare(folder / "manifest.csv") == pixels.tobytes()
        assert prepare(tmp_path / "linked.csv") == pixels.tobytes()
    assert made[0] != made[1]
    assert (tmp_path / "v0/manifest.csv").read_bytes() == (tmp_path / "v1/manifest.csv").read_bytes()
