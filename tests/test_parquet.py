"""Parquet files are read as `datasets` of Hugging Face writes them, one row group at a time."""

import contextlib
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hourglass.console.errors import UserError
from hourglass.data.preparation import parquet_images
from hourglass.data.preparation.raw import BadImageError, EncodedImage, RawImages, Target
from hourglass.data.readers import parquet

TARGET = Target((4, 6), "gray")
CLASSES = ["cat", "dog", "bird"]
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
FEATURES: dict[str, Any] = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 6), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def write(
    path: Path,
    values: Sequence[int],
    columns: dict[str, Any] | None = None,
    features: dict[str, Any] | None = FEATURES,
    image: str = "image",
) -> None:
    """Write images of one value each, labeled by these modulo 3, in row groups of two, as `datasets` does."""
    files = pa.array([{"bytes": png(value), "path": f"{value}.png"} for value in values], IMAGE)
    columns = {"label": pa.array([value % 3 for value in values], pa.int64())} if columns is None else columns
    table = pa.table({image: files, **columns})
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)


def values(raw: RawImages) -> list[int]:
    """Decode all images, and return the one value of each."""
    found = []
    for index in range(len(raw.images)):
        item = raw.images[index]
        assert isinstance(item, EncodedImage)
        assert item.name == raw.sources[index]
        array = np.asarray(Image.open(io.BytesIO(item.read())))
        assert array.shape == (4, 6)
        found.append(int(array[0, 0]))
    return found


def test_one_file(tmp_path: Path) -> None:
    write(tmp_path / "train-00000-of-00001.parquet", range(5))
    for source in (tmp_path, tmp_path / "train-00000-of-00001.parquet"):
        raw = parquet.read(source, TARGET)
        assert values(raw) == [0, 1, 2, 3, 4]
        assert raw.labels == ["cat", "dog", "bird", "cat", "dog"]
        assert raw.sources[4] == "train-00000-of-00001.parquet[4]"
        assert raw.groups is None
        assert raw.official is None


NAMES = {
    "export": "data/{}-0000{}-of-00002.parquet",
    "convert": "plain_text/{}/000{}.parquet",
    "older": "mnist-{}-0000{}-of-00002.parquet",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_publishers_split(tmp_path: Path, name: str) -> None:
    for split, shard, numbers in (
        ("test", 0, [7, 8, 9]),
        ("train", 1, [3, 4]),
        ("train", 0, [0, 1, 2]),
        ("validation", 0, [5, 6]),
    ):
        write(tmp_path / name.format(split, shard), numbers)
    raw = parquet.read(tmp_path, TARGET)
    assert values(raw) == list(range(10))
    assert raw.official == ["train"] * 5 + ["val"] * 2 + ["test"] * 3
    assert raw.labels == [CLASSES[value % 3] for value in range(10)]
    assert len(set(raw.sources)) == 10


def test_shards_are_in_natural_order(tmp_path: Path) -> None:
    for shard in range(12):
        write(tmp_path / f"train-{shard}.parquet", [shard])
    raw = parquet.read(tmp_path, TARGET)
    assert values(raw) == list(range(12))
    assert raw.official is None


def test_a_split_in_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "train-0.parquet", [1])
    write(tmp_path / "validation-0.parquet", [2])
    assert parquet.read(tmp_path, TARGET).official is None
    assert "no test images: all images are split anew, train and val alike" in capsys.readouterr().out
    write(tmp_path / "extra-0.parquet", [3])
    with pytest.raises(UserError, match=r"extra-0.parquet: expected train, validation or test in its name"):
        parquet.read(tmp_path, TARGET)


def test_columns_are_found_or_named(tmp_path: Path) -> None:
    path = tmp_path / "train-0.parquet"
    fine = {"names": ["a", "b"], "_type": "ClassLabel"}
    columns = {"fine_label": [0, 1], "coarse_label": [1, 0], "who": ["ann", "bob"], "thumb": [b"x", b"y"]}
    write(path, [1, 2], columns, {"img": {"_type": "Image"}, "fine_label": fine, "coarse_label": fine}, image="img")
    with pytest.raises(UserError, match=r"one column for `label`, got fine_label, coarse_label: set `options: {label:"):
        parquet.read(tmp_path, TARGET)
    raw = parquet.read(tmp_path, TARGET, label="fine_label", group="who")
    assert values(raw) == [1, 2]
    assert (raw.labels, raw.groups) == (["a", "b"], ["ann", "bob"])
    assert parquet.read(tmp_path, TARGET, label="who").labels == ["ann", "bob"]
    assert parquet.read(tmp_path, TARGET, label="none").labels is None
    assert parquet.read(tmp_path, TARGET, label="fine_label", class_names=("x", "y")).labels == ["x", "y"]
    assert parquet.read(tmp_path, TARGET, label="none", image="thumb").images[1].read() == b"y"
    with pytest.raises(UserError, match="expected a column 'whom' for `group`, found none; did you mean 'who'"):
        parquet.read(tmp_path, TARGET, label="none", group="whom")
    with pytest.raises(UserError, match="expected a column of image files' bytes, got who: see `image`"):
        parquet.read(tmp_path, TARGET, label="none", image="who")


def test_files_that_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    pq.write_table(pa.table({"image": [png(7), png(8)], "class": ["x", "y"]}), path)
    raw = parquet.read(path, TARGET)
    assert values(raw) == [7, 8]
    assert raw.labels == ["x", "y"]
    write(path, [1, 2], {"label": [0, 1]}, features=None)
    assert parquet.read(path, TARGET).labels == ["0", "1"]
    write(path, [1, 2], {}, features=None)
    assert parquet.read(path, TARGET).labels is None
    write(path, [1, 2], {"image2": pa.array([None, None], IMAGE)}, features=None, image="image1")
    with pytest.raises(UserError, match="expected a column of image files' bytes, got image1, image2: see `image`"):
        parquet.read(path, TARGET)


def test_labels_that_are_missing(tmp_path: Path) -> None:
    write(tmp_path / "test-0.parquet", [1, 2], {"label": pa.array([-1, -1], pa.int64())})
    message = r"test-0.parquet: .* got -1 in 'label', which says unlabeled: move that file away, or set .*label: none"
    with pytest.raises(UserError, match=message):
        parquet.read(tmp_path, TARGET)
    assert parquet.read(tmp_path, TARGET, label="none").labels is None
    write(tmp_path / "test-0.parquet", [1, 2], {"label": [-1, 1]}, features=None)
    assert parquet.read(tmp_path, TARGET).labels == ["-1", "1"]
    write(tmp_path / "test-0.parquet", [1, 2], {"label": pa.array([1, None], pa.int64())})
    with pytest.raises(UserError, match="expected numbers or text in 'label', got none in some rows"):
        parquet.read(tmp_path, TARGET)
    write(tmp_path / "test-0.parquet", [1, 2], {"label": [0.5, 1.5]})
    with pytest.raises(UserError, match="expected numbers or text in 'label', got float"):
        parquet.read(tmp_path, TARGET)


def test_an_image_that_is_not_in_the_file(tmp_path: Path) -> None:
    table = pa.table(
        {"image": pa.array([{"bytes": png(1), "path": None}, {"bytes": None, "path": "a.png"}, None], IMAGE)}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    raw = parquet.read(tmp_path, TARGET)
    assert raw.images[0].read() == png(1)
    for index in (1, 2):
        with pytest.raises(BadImageError, match=rf"a.parquet\[{index}\]: expected the bytes of an image, got none"):
            raw.images[index].read()


def test_shards_of_other_columns(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [1, 2])
    write(tmp_path / "train-1.parquet", [1, 2], {})
    with pytest.raises(
        UserError, match=r"train-1.parquet: expected the columns and classes of train-0.parquet, got others"
    ):
        parquet.read(tmp_path, TARGET)


def test_threads_share_few_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_images, "CACHE_BYTES", 1)
    write(tmp_path / "a.parquet", range(60))
    raw = parquet.read(tmp_path, TARGET)
    order = np.random.default_rng(0).permutation(600) % 60
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda index: raw.images[index].read(), order))
    assert found == [png(int(index)) for index in order]
    assert isinstance(raw.images, parquet_images.ParquetImages)
    assert len(raw.images._cache) == 2


def test_a_row_group_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.parquet", range(60))
    raw = parquet.read(tmp_path, TARGET)
    reads = []
    read = pq.ParquetFile.iter_batches

    def counted(self: Any, size: int, groups: list[int], *others: Any, **options: Any) -> Any:  # noqa: ANN401
        reads.extend(groups)
        return read(self, size, groups, *others, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    assert values(raw) == list(range(60))
    assert reads == list(range(30))


def test_a_folder_of_save_to_disk(tmp_path: Path) -> None:
    path = tmp_path / "train/data-00000-of-00001.arrow"
    path.parent.mkdir()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, pa.schema([("label", pa.int64())])):
        pass
    for source in (tmp_path, path):
        with pytest.raises(UserError, match=r"expected .parquet files, got .arrow, .*`ds.to_parquet\("):
            parquet.read(source, TARGET)


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(UserError, match=r"expected .parquet files, found none"):
        parquet.read(tmp_path, TARGET)
    write(path, range(20))
    whole = path.read_bytes()
    for data in (b"", b"<html>", whole[:-9], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(UserError, match="expected a Parquet file, got: ") as error:
            parquet.read(tmp_path, TARGET)
        assert "\n" not in str(error.value)
    for at in range(4, len(whole), 53):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with contextlib.suppress(UserError):  # of which BadImageError is one
            raw = parquet.read(tmp_path, TARGET)
            for index in range(len(raw.images)):
                with contextlib.suppress(BadImageError):
                    raw.images[index].read()
