"""WebDataset's shards are read where they lie: every image with its own label, and damage is named."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import BadImageError, RawImages, Target
from hourglass.data.readers import webdataset

TARGET = Target((3, 5), "gray")


def write_shard(path: Path, members: Mapping[str, bytes | str]) -> Path:
    """Write a shard as the library webdataset does: uncompressed, members of one key one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            shard.addfile(info, io.BytesIO(data))
    return path


def contents(raw: RawImages) -> list[bytes]:
    return [raw.images[index].read() for index in range(len(raw.images))]


def test_images_have_the_classes_beside_them(tmp_path: Path) -> None:
    for shard in (10, 2):
        members = {f"{key:04}.{suffix}": f"{shard} {key} {suffix}" for key in range(3) for suffix in ("jpg", "cls")}
        write_shard(tmp_path / f"part-{shard}.tar", members)
    raw = webdataset.read(tmp_path, TARGET)
    assert raw.sources == [f"part-{shard}.tar/{key:04}.jpg" for shard in (2, 10) for key in range(3)]
    assert contents(raw) == [f"{shard} {key} jpg".encode() for shard in (2, 10) for key in range(3)]
    assert raw.labels == [f"{shard} {key} cls" for shard in (2, 10) for key in range(3)]
    assert raw.images[0].name == str(tmp_path / "part-2.tar/0000.jpg")
    assert raw.official is None
    assert raw.groups is None
    assert webdataset.read(tmp_path, TARGET, label="none").labels is None
    assert webdataset.read(tmp_path / "part-2.tar", TARGET).sources == raw.sources[:3]


def test_images_without_labels(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", {"x/1.PNG": "1", "y/1.png": "2", "x/1.txt": "a caption", "y/1.json": "{}"})
    raw = webdataset.read(tmp_path, TARGET)
    assert raw.labels is None
    assert contents(raw) == [b"1", b"2"]
    with pytest.raises(UserError, match=r"a\.tar/x/1\.png: expected a name as the text of key\.cls, got none"):
        webdataset.read(tmp_path, TARGET, label="cls")


def test_json_tells_classes_and_groups(tmp_path: Path) -> None:
    known = [{"label": 7, "species": "cat", "who": "007"}, {"label": 12, "species": "NA", "who": 3}]
    members = {
        f"{key}.{suffix}": text
        for key, values in enumerate(known)
        for suffix, text in (("json", json.dumps(values)), ("webp", "x"))
    }
    write_shard(tmp_path / "a.tar", members)
    assert webdataset.read(tmp_path, TARGET).labels == ["7", "12"]
    raw = webdataset.read(tmp_path, TARGET, label_key="species", group_key="who")
    assert (raw.labels, raw.groups) == (["cat", "NA"], ["007", "3"])
    with pytest.raises(
        UserError,
        match=r"a\.tar/0\.webp: expected a name as text or a whole number of `group_key: patient` in key\.json, got none",
    ):
        webdataset.read(tmp_path, TARGET, group_key="patient")
    with pytest.raises(UserError, match=r"whole number of `label_key: kind` in key\.json"):
        webdataset.read(tmp_path, TARGET, label="json", label_key="kind")


def test_a_class_that_one_image_lacks_is_an_error(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", {"1.jpg": "1", "1.cls": "0\n", "2.jpg": "2", "2.cls": "1", "3.jpg": "3"})
    with pytest.raises(UserError, match=r"^a\.tar/3\.jpg: expected a name as the text of key\.cls"):
        webdataset.read(tmp_path, TARGET)


@pytest.mark.parametrize("layout", ["{}-0000.tar", "{}/0000.tar", "data/{}_1-of-2.tar", "{}0.tar", "cifar-{}-0000.tar"])
def test_shards_names_tell_the_publishers_split(tmp_path: Path, layout: str) -> None:
    for part in ("train", "validation", "test"):
        write_shard(tmp_path / layout.format(part), {"1.jpg": part})
    raw = webdataset.read(tmp_path, TARGET)
    assert contents(raw) == [b"test", b"train", b"validation"]
    assert raw.official == ["test", "train", "val"]
    write_shard(tmp_path / "more-0000.tar", {"1.jpg": ""})
    with pytest.raises(UserError, match=r"expected nothing beside the publisher's splits .*, got more-0000\.tar"):
        webdataset.read(tmp_path, TARGET)


def test_images_of_dotted_suffixes_are_refused_and_not_dropped(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", {"1.jpg": "1", "2.input.PNG": "2", "2.target.png": "3"})
    with pytest.raises(
        UserError, match=r"a\.tar: expected the image of 2 as 2\.png, got 2\.input\.png: write the shard"
    ):
        webdataset.read(tmp_path, TARGET)


def test_train_shards_alone_are_no_published_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shard(tmp_path / "train-0.tar", {"1.jpg": "1"})
    assert webdataset.read(tmp_path, TARGET).official is None
    write_shard(tmp_path / "val-0.tar", {"1.jpg": "1"})
    assert webdataset.read(tmp_path, TARGET).official is None
    assert "train-0.tar, val-0.tar lack train or test" in capsys.readouterr().out


def test_long_names_and_threads(tmp_path: Path) -> None:
    members = {f"{'folder/' * 40}{key}.png": bytes([key]) * (key + 1) for key in range(200)}
    raw = webdataset.read(write_shard(tmp_path / "a.tar", members), TARGET)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda index: raw.images[index].read(), range(200))) == list(members.values())


def test_a_shard_that_was_cut_after_it_was_listed(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", {"1.jpg": "x" * 1000})
    raw = webdataset.read(path, TARGET)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"a\.tar: expected a file that stays, got one that changed"):
        raw.images[0].read()
    path.unlink()
    with pytest.raises(BadImageError, match=r"a\.tar: expected a file that can be read, got: No such file"):
        raw.images[0].read()


WHOLE = {f"{key}.jpg": "x" * 600 for key in range(3)}  # a header and two blocks each, 1536 bytes


@pytest.mark.parametrize("cut", [0, 100, 700, 1536 + 700, 1536 + 100, 1536])
def test_a_truncated_shard(tmp_path: Path, cut: int) -> None:
    path = write_shard(tmp_path / "a.tar", WHOLE)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"a\.tar: expected a whole \.tar file, not compressed, got: ") as refused:
        webdataset.read(path, TARGET)
    assert "\n" not in str(refused.value)


def test_a_shard_with_a_damaged_header_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", WHOLE)
    data = bytearray(path.read_bytes())
    data[1536] ^= 1  # the second name: its check sum is wrong now
    path.write_bytes(data)
    with pytest.raises(
        UserError, match=r"a\.tar: expected a whole \.tar file, not compressed, got: no end of zeros at byte 1,536"
    ):
        webdataset.read(path, TARGET)


def test_two_shards_in_one_file_are_not_taken_for_the_first(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", WHOLE)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(UserError, match=r"a\.tar: expected a whole \.tar file, .*, got: no end of zeros"):
        webdataset.read(path, TARGET)


def test_what_is_no_shard(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", WHOLE)
    (tmp_path / "b.tar").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(UserError, match=r"b\.tar: expected a whole \.tar file, not compressed"):
        webdataset.read(tmp_path, TARGET)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: expected \.tar files, found none"):
        webdataset.read(tmp_path / "empty", TARGET)
    with pytest.raises(UserError, match=r"c\.tar: expected images .* found none"):
        webdataset.read(write_shard(tmp_path / "c.tar", {"1.txt": "x"}), TARGET)
    with pytest.raises(UserError, match=r"d\.tar: expected one image for 1, got \.jpg and \.png"):
        webdataset.read(write_shard(tmp_path / "d.tar", {"1.jpg": "x", "1.png": "x"}), TARGET)
    with pytest.raises(UserError, match=r"e\.tar: expected 1\.json to be JSON, got: "):
        webdataset.read(write_shard(tmp_path / "e.tar", {"1.jpg": "x", "1.json": "{"}), TARGET)


def test_links_in_shards_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        info = tarfile.TarInfo("1.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        shard.addfile(info)
    with pytest.raises(UserError, match=r"expected plain files of printable names, got '1\.jpg'"):
        webdataset.read(tmp_path, TARGET)
