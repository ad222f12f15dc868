"""Messages about data say what is so: no None, no empty list, no remedy that would not help."""

import json
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hourglass.console.errors import UserError
from hourglass.data.image import Preparation
from hourglass.data.preparation import splits
from hourglass.data.preparation.decode import decode
from hourglass.data.preparation.formats import reader
from hourglass.data.preparation.raw import Annotations, Target
from hourglass.data.readers import npy, parquet, webdataset

from .test_webdataset import write_shard

TARGET = Target((3, 5), "gray")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 3, 5), np.uint8)
SEVENS = ",".join(["7"] * 14)


def arrays(**others: str) -> Callable[[Path], object]:
    """Write images.npy, and files of text beside it."""

    def write(folder: Path) -> None:
        np.save(folder / "images.npy", PIXELS)
        for name, text in others.items():
            (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")

    return write


def array(values: object) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / "images.npy", np.asarray(values))


def archive(**arrays: Any) -> Callable[[Path], object]:  # noqa: ANN401
    return lambda folder: np.savez(folder / "set.npz", **arrays)


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content, encoding="utf-8")


def described(row: dict[str, object]) -> Callable[[Path], object]:
    """Write an image, and what metadata.jsonl says of it."""

    def write(folder: Path) -> None:
        (folder / "1.png").write_bytes(b"x")
        (folder / "metadata.jsonl").write_text(json.dumps(row), encoding="utf-8")

    return write


def shard(**members: str) -> Callable[[Path], object]:
    return lambda folder: write_shard(
        folder / "a.tar", {name.replace("_", "."): content for name, content in members.items()}
    )


CASES: dict[str, tuple[str, Callable[[Path], object], dict[str, object], str]] = {
    "black": ("npy", array(PIXELS * 0), {}, "/images.npy: expected images, got the value 0 everywhere: see `source`"),
    "black table": ("csv", text("a.csv", f"{','.join('0' * 15)}\n" * 2), {"header": False}, "got the value 0 everywhere"),
    "labels of another format": (
        "npy", arrays(labels_json="[]"), {"labels": "labels.json"}, "/labels.json: expected a .npy, .csv or .txt, beside the images: see `options`",
    ),
    "no labels": ("npy", arrays(), {"labels": "labels.txt"}, "expected {}/labels.txt, found none: see `options`"),
    "images are no file": ("npy", arrays(), {"images": "faces"}, "/images.npy: expected its name as `images`, got 'faces'"),
    "images are another file": ("npy", arrays(), {"images": "a/b.npy"}, "expected {}/a/b.npy, found none: see `options`"),
    "a key of labels": ("npy", archive(a=PIXELS, b=np.arange(5)), {"images": "a", "labels": "b"}, "/set.npz/b: expected one value for each of 6"),
    "a large integer": ("csv", text("a.csv", f"{SEVENS},7\n{SEVENS},{2**64}\n"), {"header": False}, "got 7 to 1.84467e+19: set `options: {{white: ...}}`"),
    "a column of truth": ("csv", text("a.csv", f"{SEVENS},True\n" * 2), {"header": False}, "got 'True' in row 1, column 15"),
    "an empty idx": ("idx", text("images-idx3-ubyte", ""), {}, "expected an idx header for 3 dimensions of bytes, got none"),
    "no column": ("parquet", lambda folder: pq.write_table(pa.table({}), folder / "a.parquet"), {}, "expected a column of image files' bytes, got none: see `image`"),
    "null": ("folder", described({"file_name": "1.png", "label": None}), {}, "line 1: expected a name as label, got null"),
    "no row": ("folder", described({}), {"label": "metadata"}, "line 1: expected the column file_name, got none: see `options`"),
    "a long list": ("folder", described({"file_name": "1.png", "label": [1] * 999}), {}, f"expected a name as label, got [{'1, ' * 13}"),
    "a long name": ("folder", described({"file_name": "1" * 9999, "label": "a"}), {}, f"found none called {'1' * 400}: remove the line"),
    "no class": ("webdataset", shard(a_png="x"), {"label": "cls"}, "a.tar/a.png: expected a name as the text of key.cls, got none: see `options`"),
    "no key": ("webdataset", shard(a_png="x", a_json="{}"), {"label": "json"}, "expected a name as text or a whole number of `label_key: label` in key.json, got none: see"),
    "a long class": ("webdataset", shard(a_png="x", a_cls="a\n" * 999), {}, r"got 'a\na\na\na\na\na\na\na\na\na\na\na\na\na\na\na\na\na\na...'"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "write", "options", "message"), CASES.values(), ids=CASES)
def test_what_came_is_what_is_said(
    tmp_path: Path, kind: str, write: Callable[[Path], object], options: dict[str, object], message: str
) -> None:
    write(tmp_path)
    with pytest.raises(UserError) as refused:
        reader(kind)(tmp_path, TARGET, **options)
    assert message.format(tmp_path) in str(refused.value)
    assert len(str(refused.value)) < 600


def test_arrays_in_folders_of_files_and_of_archives(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "images.npy", PIXELS)
    np.save(tmp_path / "a/labels.npy", np.arange(6))
    assert npy.read(tmp_path, TARGET, images="images.npy", labels="a/labels.npy").labels == list("012345")
    archive(**{"of/images": PIXELS, "of/labels": np.arange(6)})(tmp_path / "a")
    raw = npy.read(tmp_path / "a/set.npz", TARGET, images="of/images", labels="of/labels")
    assert raw.labels == list("012345")


def test_a_table_of_no_images(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), tmp_path / "a.parquet")
    raw = parquet.read(tmp_path, TARGET)
    with pytest.raises(UserError, match=r"^mine: expected at least one image .* got none: see `source`$"):
        decode(
            raw,
            tmp_path / "decoded",
            Preparation("gray", (3, 5)),
            skip_bad=True,
            max_skipped=1,
            allow_constant=False,
            cache=None,
            name="mine",
        )


SAME = np.zeros((12, 16), np.uint8)
DIFFERENT = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
SOURCES = [str(index) for index in range(12)]
COPIES = "12 images are copies of {}, and copies stay together: add different images"


@pytest.mark.parametrize(
    ("groups", "official", "digests", "remedy"),
    [
        (None, None, SAME, COPIES.format(1)),
        (None, None, np.repeat(DIFFERENT[:2], 6, axis=0), COPIES.format(2)),
        (
            ["ann"] * 6 + ["bob"] * 6,
            None,
            DIFFERENT,
            "stay together, and there are 2: add some, or use `split: random`",
        ),
        (SOURCES, None, SAME, "groups that share an image stay together, and there are 12: add some"),
        (None, ["train"] + ["test"] * 11, DIFFERENT, "'test': 11}: add images, or change `fractions`"),
        (None, ["train"] * 9 + ["test"] * 3, SAME, "no copies of the publisher's test images, found none: add some"),
    ],
)
def test_an_empty_split_has_a_remedy_that_helps(
    groups: Sequence[str] | None, official: Sequence[str] | None, digests: splits.Digests, remedy: str
) -> None:
    with pytest.raises(UserError) as refused:
        splits.split(Annotations(SOURCES, None, groups, official), digests, None, None, 0)
    assert remedy in str(refused.value)


def test_an_array_that_is_cut_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "images.npy"
    np.save(path, np.tile(PIXELS, (5000, 1, 1)))
    raw = npy.read(tmp_path, TARGET)
    assert np.array_equal(raw.images[0], PIXELS[0])
    os.truncate(path, 4096)  # reading what is beyond would be SIGBUS
    with pytest.raises(UserError, match=r"images\.npy: expected a file that stays, got one that changed while it was"):
        raw.images[29_999]


def test_a_shard_that_is_written_again_at_the_same_size(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", {"1.jpg": "x" * 1000})
    raw = webdataset.read(path, TARGET)
    assert raw.images[0].read() == b"x" * 1000
    write_shard(path, {"1.jpg": "y" * 1000})
    with tarfile.open(path) as opened:
        assert opened.getnames() == ["1.jpg"]
    os.utime(path, ns=(0, 0))
    with pytest.raises(UserError, match=r"a\.tar: expected a file that stays, got one that changed while it was read"):
        raw.images[0].read()
