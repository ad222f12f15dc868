"""`prepare` and `download` on a user's own images: what comes out, and what is refused in one line."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML

from hourglass.config.document import Params
from hourglass.console.errors import UserError
from hourglass.data.image import Preparation
from hourglass.data.preparation import contract
from hourglass.data.preparation.decode import decode
from hourglass.data.preparation.description import groups_of, labels_table, split_note
from hourglass.data.preparation.entry import Dataset
from hourglass.data.preparation.raw import RawImages
from hourglass.data.prepared import open_split
from hourglass.data.tables import read_table, write_table
from stages import prepare

from .conftest import ROOT, Project

Settings = dict[str, object]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty project's folder, and work in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def picture(seed: int, height: int = 12, width: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save_photos(folder: Path, stems: Sequence[str]) -> None:
    """Save a different PNG under each name in a new folder."""
    folder.mkdir()
    for seed, stem in enumerate(stems):
        Image.fromarray(picture(seed)).save(folder / f"{stem}.png")


def make_photos(folder: Path, classes: dict[str, int]) -> Path:
    """Make different images in a folder for each class."""
    seed = 0
    for label, count in classes.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.fromarray(picture(seed, 10 + seed % 5, 14)).save(folder / label / f"photo {index}.png")
            seed += 1
    return folder


def configure(folder: Path, **settings: object) -> None:
    """Write a params.yaml with one data set, `mine`."""
    mine = {"source": "photos", "format": "folder", "size": [8, 8]} | settings
    params = {"downloads": {}, "datasets": {"mine": mine}, "models": {}, "groups": {}}
    YAML(typ="safe").dump(params, folder / "params.yaml")


def prepared(folder: Path) -> tuple[dict[str, NDArray[np.uint8]], list[dict[str, str]], dict[str, object]]:
    """Read what came out: the arrays, the rows of the labels and the meta data."""
    target = folder / "data/prepared/mine"
    arrays = {split: np.asarray(open_split(target / split)) for split in ("train", "val", "test")}
    labels = read_table(target / "labels.csv").to_dict("records")
    return arrays, cast(list[dict[str, str]], labels), json.loads((target / "meta.json").read_text(encoding="utf-8"))


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_photos_of_mixed_sizes_in_three_lines(workplace: Path) -> None:
    make_photos(workplace / "photos", {"cats": 20, "nested/dogs": 10})
    configure(workplace)
    prepare.main("mine")
    arrays, labels, meta = prepared(workplace)
    assert {split: array.shape for split, array in arrays.items()} == {
        "train": (24, 1, 8, 8),
        "val": (3, 1, 8, 8),
        "test": (3, 1, 8, 8),
    }
    assert meta["classes"] == ["cats", "dogs"]
    assert meta["split"] == "stratified"
    counts = (workplace / "data/prepared/mine/counts.csv").read_text(encoding="utf-8")
    assert counts == "class,train,val,test\ncats,16,2,2\ndogs,8,1,1\n"
    # Every row of an array is the image that labels.csv says.
    for row in labels:
        with Image.open(workplace / "photos" / row["source"]) as image:
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
            expected = np.asarray(image.convert("L").resize((8, 8), Image.Resampling.LANCZOS, box=box))
        assert np.array_equal(arrays[row["split"]][int(row["index"]), 0], expected), row
        assert row["label"] == Path(row["source"]).parent.name
    assert np.asarray(Image.open(workplace / "data/prepared/mine/preview.png")).std() > 10
    assert not list((workplace / "data/prepared").glob(".*"))


def test_the_same_seed_gives_the_same_bytes_another_gives_others(workplace: Path) -> None:
    make_photos(workplace / "photos", {"cats": 20, "dogs": 20})

    def run(seed: int) -> dict[str, bytes]:
        configure(workplace, seed=seed)
        prepare.main("mine")
        return all_bytes(workplace / "data/prepared/mine")

    first = run(1)
    assert run(1) == first
    assert run(2)["train-00000.npy"] != first["train-00000.npy"]


def test_a_flat_folder_has_no_classes_and_is_split_by_chance(workplace: Path) -> None:
    make_photos(workplace / "photos", {".": 10})
    configure(workplace)
    prepare.main("mine")
    _, labels, meta = prepared(workplace)
    assert meta["split"] == "random"
    assert {row["label"] for row in labels} == {""}


def test_names_as_iiitm_has_them(workplace: Path) -> None:
    (workplace / "photos").mkdir()
    emotions = ("SM", "SU", "SO", "NE", "SA", "YN")
    for index in range(60):
        name = f"SUB{index // 6 + 1}{emotions[index % 6]}{'FDU'[index % 3]}.jpg"
        Image.fromarray(picture(index, 100, 80)).save(workplace / "photos" / name)
    entry = Params.load(ROOT / "docs/iiitm.yaml").value("datasets", "iiitm-face")
    configure(workplace, **(entry | {"source": "photos", "size": [100, 80]}))
    prepare.main("mine")
    arrays, labels, meta = prepared(workplace)
    assert arrays["train"].shape == (48, 3, 100, 80)
    assert meta["classes"] == sorted(emotions)
    assert all(row["label"] == Path(row["source"]).stem[-3:-1] for row in labels)
    assert meta["split"] == "grouped"
    people = {split: set[str]() for split in ("train", "val", "test")}
    for row in labels:
        people[row["split"]].add(Path(row["source"]).stem[:-3])
    assert [len(names) for names in people.values()] == [8, 1, 1]
    assert len(set.union(*people.values())) == 10  # nobody on two sides
    assert meta["groups"] == {"train": 8, "val": 1, "test": 1, "of_test_elsewhere": 0, "of_val_in_train": 0}


def test_a_split_against_known_groups_says_so(workplace: Path) -> None:
    save_photos(workplace / "photos", [f"{index // 6} {index}" for index in range(60)])
    configure(workplace, split="random", options={"pattern": r"(?P<group>\d+) .*"})
    prepare.main("mine")
    _, labels, meta = prepared(workplace)
    train, val, test = (
        {row["source"].split()[0] for row in labels if row["split"] == split} for split in ("train", "val", "test")
    )
    shared = len(test & (train | val))
    assert shared
    assert meta["groups"] == {
        "train": len(train),
        "val": len(val),
        "test": len(test),
        "of_test_elsewhere": shared,
        "of_val_in_train": len(val & train),
    }
    assert f"{shared} of the {len(test)} groups in test are in train or val too" in str(meta["split_note"])


def test_what_is_said_of_a_split_by_the_publisher() -> None:
    groups = ["a", "a", "b", "b", "c", "a"]
    parts = {"train": np.array([0, 2]), "val": np.array([1, 3]), "test": np.array([4])}
    known = groups_of(groups, parts)
    assert known == {"train": 2, "val": 2, "test": 1, "of_test_elsewhere": 0, "of_val_in_train": 2}
    assert split_note("official", known).endswith("; 2 of the 2 groups in val are in train too")
    leaking = groups_of(groups, parts | {"test": np.array([4, 5])})
    assert "1 of the 2 groups in test are in train or val too" in split_note("official", leaking)
    assert split_note("official", None) == "as published: the publisher's test images"


def test_the_hash_of_a_split_is_of_what_its_images_show(workplace: Path) -> None:
    folder = make_photos(workplace / "photos", {"cats": 30})
    configure(workplace)
    prepare.main("mine")
    _, labels, meta = prepared(workplace)
    before = meta["content"]
    (folder / "cats" / "photo 7.png").rename(folder / "cats" / "another name.png")
    prepare.main("mine")
    assert prepared(workplace)[2]["content"] == before
    test = next(row["source"] for row in labels if row["split"] == "test" and row["source"] != "cats/photo 7.png")
    Image.fromarray(picture(1000)).save(folder / test)
    prepare.main("mine")
    after = prepared(workplace)[2]["content"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert before["test"] != after["test"]


def test_copies_are_counted_and_never_on_two_sides(workplace: Path) -> None:
    folder = make_photos(workplace / "photos", {"cats": 20, "dogs": 20})
    for index in range(6):
        (folder / "cats" / f"again {index}.png").write_bytes((folder / "cats" / "photo 3.png").read_bytes())
    for seed in range(5):
        configure(workplace, seed=seed)
        prepare.main("mine")
        _, labels, meta = prepared(workplace)
        assert meta["copies"] == 6
        assert len(labels) == 46
        same = {row["split"] for row in labels if "again" in row["source"] or row["source"] == "cats/photo 3.png"}
        assert len(same) == 1


def test_images_that_differ_in_their_last_pixel_are_no_copies(workplace: Path) -> None:
    (workplace / "photos").mkdir()
    for index in range(12):
        pixels = picture(0, 16, 16)
        pixels[-1, -1] = 20 * index
        Image.fromarray(pixels).save(workplace / "photos" / f"{index}.png")
    configure(workplace, size=None)
    prepare.main("mine")
    assert prepared(workplace)[2]["copies"] == 0


def test_the_publishers_test_images_stay_and_their_copies_leave_training(workplace: Path) -> None:
    folder = make_photos(workplace / "photos", {"TrainSet": 20, "TestSet": 5})
    (folder / "TrainSet" / "copy.png").write_bytes((folder / "TestSet" / "photo 2.png").read_bytes())
    configure(workplace, options={"label": "none", "test": "TestSet/"}, split="official", fractions=[0.9, 0.1, 0])
    prepare.main("mine")
    arrays, labels, meta = prepared(workplace)
    assert [len(array) for array in arrays.values()] == [18, 2, 5]
    assert {row["source"] for row in labels if row["split"] == "test"} == {
        f"TestSet/photo {index}.png" for index in range(5)
    }
    assert meta["copies_left_out"] == 1


def assert_rows_are_their_sources(
    folder: Path, rows: list[dict[str, str]], arrays: dict[str, NDArray[np.uint8]]
) -> None:
    """Check that what labels.csv says of every image is so; for images that were not scaled."""
    for row in rows:
        with Image.open(folder / row["source"]) as image:
            assert np.array_equal(arrays[row["split"]][int(row["index"]), 0], np.asarray(image.convert("L"))), row
        assert row["label"] in ("", Path(row["source"]).parent.name)


def test_bad_images_are_left_out_when_asked_and_listed(workplace: Path) -> None:
    for index in range(24):
        path = workplace / "photos" / ("TrainSet", "TestSet")[index % 4 == 3] / f"photo {index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(index)).save(path)
    (workplace / "photos/TestSet/a broken one first.jpg").write_bytes(b"")
    (workplace / "photos/TrainSet/photo 5 and a half.jpg").symlink_to("nowhere")
    (workplace / "photos/TrainSet/._photo 0.png").write_bytes(b"litter")
    for settings in ({}, {"split": "official", "fractions": [0.8, 0.2, 0], "options": {"test": "TestSet/"}}):
        configure(workplace, size=None, on_bad_image="skip", **settings)
        prepare.main("mine")
        arrays, labels, meta = prepared(workplace)
        assert sum(map(len, arrays.values())) == 24
        assert_rows_are_their_sources(workplace / "photos", labels, arrays)
        assert isinstance(meta["skipped"], list)
        assert [line.partition(":")[0] for line in meta["skipped"]] == [
            "photos/TestSet/a broken one first.jpg",
            "photos/TrainSet/photo 5 and a half.jpg",
        ]
    assert {row["split"] for row in labels if row["source"].startswith("TestSet/")} == {"test"}


def test_frames_are_in_the_order_of_their_numbers(workplace: Path) -> None:
    save_photos(workplace / "photos", [f"frame{index}" for index in range(1, 101)])
    configure(workplace, split="contiguous")
    prepare.main("mine")
    numbers = [int(Path(row["source"]).stem.removeprefix("frame")) for row in prepared(workplace)[1]]
    assert numbers == list(range(1, 101))


def test_linked_folders_are_searched_and_loops_are_not(workplace: Path) -> None:
    make_photos(workplace / "elsewhere", {"cats": 6})
    folder = make_photos(workplace / "photos", {"dogs": 6})
    for index, path in enumerate(sorted((folder / "dogs").iterdir())):
        Image.fromarray(picture(100 + index)).save(path)
    (folder / "cats").symlink_to(workplace / "elsewhere" / "cats")
    (folder / "loop").symlink_to(folder)
    configure(workplace)
    prepare.main("mine")
    _, labels, meta = prepared(workplace)
    assert len(labels) == 12
    assert meta["classes"] == ["cats", "dogs"]


def test_few_large_groups_leave_no_split_empty(workplace: Path) -> None:
    save_photos(workplace / "photos", [f"{index // 10} {index % 10}" for index in range(30)])
    configure(workplace, split="grouped", options={"pattern": r"(?P<group>\d) \d\.png"})
    prepare.main("mine")
    assert [len(array) for array in prepared(workplace)[0].values()] == [10, 10, 10]


def test_names_with_signs_that_mean_something_elsewhere(workplace: Path) -> None:
    make_photos(workplace / "photos", {"a$x_{$b": 6, "c,d": 6, "猫": 6})
    configure(workplace)
    prepare.main("mine")
    assert prepared(workplace)[2]["classes"] == ["a$x_{$b", "c,d", "猫"]


def test_a_class_named_na_is_a_class(workplace: Path) -> None:
    make_photos(workplace / "photos", {"NA": 20, "null": 20, "007": 20})
    configure(workplace)
    prepare.main("mine")  # whose contract reads the labels again
    _, labels, meta = prepared(workplace)
    assert meta["classes"] == ["007", "NA", "null"]
    assert {row["label"] for row in labels} == {"007", "NA", "null"}
    counts = (workplace / "data/prepared/mine/counts.csv").read_text(encoding="utf-8")
    assert counts == "class,train,val,test\n007,16,2,2\nNA,16,2,2\nnull,16,2,2\n"


def test_the_preview_is_drawn_by_the_module_alone(workplace: Path) -> None:
    make_photos(workplace / "photos", {"a very long name of a class that has no room": 10, "猫": 10})
    configure(workplace, title="A title that is much too long " * 10, color="rgb")
    done = run_stage(
        "prepare", "mine", workplace, after="assert not {'matplotlib', 'hourglass.figures'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr
    with Image.open(workplace / "data/prepared/mine/preview.png") as preview:
        assert preview.info == {}  # no date, no version: the same picture is the same bytes
        assert preview.width < 1500
        edges = np.asarray(preview.convert("L"))[:, [0, -1]]
    assert edges.min() == 255  # no text is cut off


def write_broken(folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"")


def write_black(folder: Path) -> None:
    Image.new("L", (9, 9)).save(folder / "black.png")


def write_clash(folder: Path) -> None:
    Image.new("L", (9, 9)).save(folder / "PHOTO 1.png")


def write_odd_name(folder: Path) -> None:
    Image.new("L", (9, 9)).save(folder / "two\nlines.png")


def nothing(_: Path) -> None:
    pass


REFUSED: list[tuple[str, dict[str, int], Callable[[Path], None], Settings, str]] = [
    ("missing folder", {".": 9}, nothing, {"source": "nowhere"}, "expected the folder or file nowhere, found none: see datasets.mine"),
    ("empty folder", {".": 0}, nothing, {}, "photos: expected images (.jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff, .gif)"),
    ("bad image", {".": 9}, write_broken, {}, "photos/broken.jpg: expected an image, got an empty file; `on_bad_image: skip`"),
    ("mixed sizes", {".": 9}, nothing, {"size": None}, "photo 1.png: expected 10x14 like all others, got 11x14: see `size`"),
    ("one class", {"cats": 9}, nothing, {"split": "stratified"}, "expected two classes for `split: stratified`"),
    ("small class", {"cats": 9, "dogs": 2}, nothing, {}, "expected at least 3 images in every class for a stratified split, got 2 in class 'dogs'"),
    ("too few images", {".": 2}, nothing, {}, "expected an image in every split, got {"),
    ("odd name", {".": 9}, write_odd_name, {}, "expected names of printable characters"),
    ("all bad", {".": 0}, write_broken, {"on_bad_image": "skip"}, "expected at least one image that can be used, got none: photos/broken.jpg"),
    ("optional group", {".": 9}, nothing, {"options": {"pattern": "photo (?P<label>1)?.*"}}, "expected a name that matches the pattern"),
    ("other names", {".": 9}, nothing, {"options": {"pattern": r"SUB\d+"}}, "expected a name that matches the pattern SUB\\d+ from its first folder to its suffix, got photo 0.png"),
    ("no groups", {".": 9}, nothing, {"split": "grouped"}, "expected who is in each image (`group`) for `split: grouped`"),
    ("no publisher", {".": 9}, nothing, {"split": "official", "fractions": [0.9, 0.1, 0]}, "expected a publisher's train and test images"),
    ("constant", {".": 9}, write_black, {}, "black.png: expected an image, got the one value 0 everywhere"),
    ("name clash", {".": 9}, write_clash, {}, "expected names that differ by more than their capitals, got photos/PHOTO 1.png and photos/photo 1.png"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "classes", "spoil", "settings", "message"), REFUSED, ids=[case[0] for case in REFUSED]
)
def test_what_is_refused(
    workplace: Path,
    case: str,
    classes: dict[str, int],
    spoil: Callable[[Path], None],
    settings: Settings,
    message: str,
) -> None:
    spoil(make_photos(workplace / "photos", classes))
    configure(workplace, **settings)
    with pytest.raises(UserError) as refused:
        prepare.main("mine")
    assert message in str(refused.value), case
    assert "\n" not in str(refused.value)
    assert not (workplace / "data/prepared/mine").exists()
    assert not list(workplace.glob("data/prepared/.*"))


def test_constant_images_may_be_allowed(workplace: Path) -> None:
    write_black(make_photos(workplace / "photos", {".": 9}))
    configure(workplace, allow_constant=True)
    prepare.main("mine")
    assert sum(map(len, prepared(workplace)[0].values())) == 10


def run_stage(
    stage: str, name: str, folder: Path, before: str = "pass", after: str = "pass", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a stage as DVC does; `before` is code to run between imports and work, `after` when it is done."""
    code = f"import sys, hourglass.console.command, stages.{stage}; {before}; sys.argv = ['{stage}', '{name}']; hourglass.console.command.run(stages.{stage}.main); {after}"
    env = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_a_disk_that_fills_up_while_writing_loses_nothing(workplace: Path) -> None:
    make_photos(workplace / "photos", {".": 12})
    configure(workplace)
    prepare.main("mine")
    before = all_bytes(workplace / "data/prepared/mine")
    configure(workplace, size=[100, 100])
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))"
    done = run_stage("prepare", "mine", workplace, limit)
    assert done.returncode == 1
    assert done.stderr == "error: File too large (data/prepared/mine)\n"
    assert all_bytes(workplace / "data/prepared/mine") == before
    assert not list(workplace.glob("data/prepared/.*"))


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_folder_that_cannot_be_read(workplace: Path) -> None:
    folder = make_photos(workplace / "photos", {"cats": 5, "secret": 5})
    configure(workplace)
    (folder / "secret").chmod(0)
    become = "import os, hourglass.data.readers.folder; os.getuid() == 0 and os.setuid(65534)"  # for root nothing is unreadable
    for path in (workplace, *workplace.parents[:3]):
        path.chmod(0o755)
    try:
        done = run_stage("prepare", "mine", workplace, become)
    finally:
        (folder / "secret").chmod(0o755)
    assert done.returncode == 1
    assert done.stderr == "error: expected a folder that can be read, got photos/secret: Permission denied\n"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "idz"}, "'format' expected a reader's name, got 'idz'; did you mean 'idx'?"),
        ({"fractions": [0.8, 0.1, 0.2]}, "'fractions' expected train, val and test that add to 1, got 1.1"),
        (
            {"split": "stratified", "fractions": [0.9, 0.1, 0]},
            "'fractions' expected a part for every split, got [0.9, 0.1, 0.0]",
        ),
        (
            {"split": "official", "fractions": [0.8, 0.1, 0.1]},
            "publisher's training images: expected 0 for test, got 0.1",
        ),
        ({"size": [16_000, 16_000]}, "'size' expected at most 89,478,485 pixels, got 16,000 x 16,000"),
        ({"color": "grey"}, "expected one of gray, rgb, got 'grey'; did you mean 'gray'?"),
        ({"licence": "MIT"}, "unknown key 'licence'; did you mean 'license'?"),
        ({"options": {"white": 1}}, "datasets.mine.options: unknown key 'white'"),
        ({"options": {"pattern": "("}}, "datasets.mine.options.pattern: expected a regular expression, got '('"),
    ],
)
def test_what_an_entry_may_not_say(workplace: Path, settings: Settings, message: str) -> None:
    make_photos(workplace / "photos", {".": 9})
    configure(workplace, **settings)
    with pytest.raises(UserError) as refused:
        prepare.main("mine")
    assert str(refused.value).startswith("params.yaml:")
    assert message in str(refused.value)


def test_an_entry_has_the_shape_of_its_images() -> None:
    entry = Dataset(source="photos", format="folder", size=(3, 5), color="rgb")
    assert entry.image_shape == (3, 3, 5)
    assert Dataset(source="photos", format="folder").image_shape is None


def test_the_contract_names_the_file_that_breaks_it(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)
    raw = RawImages(images, [f"{index}.png" for index in range(30)], ["cats", "dogs"] * 15)
    decoded = decode(
        raw,
        tmp_path / "decoded",
        Preparation("gray", None),
        skip_bad=False,
        max_skipped=0,
        allow_constant=False,
        cache=None,
        name="mine",
    )
    parts = {"train": np.arange(24), "val": np.arange(24, 27), "test": np.arange(27, 30)}
    for part, positions in parts.items():
        prepare.write_part(tmp_path, part, positions, decoded)
    table = labels_table(raw.annotations(decoded.kept), parts)
    train, val = tmp_path / "train/train-00000.npy", tmp_path / "val/val-00000.npy"
    of_train, of_val = np.load(train), np.load(val)
    write_table(tmp_path / "labels.csv", table)
    contract.check(tmp_path, decoded, parts, ["cats", "dogs"])

    def broken(change: Callable[[], object], message: str) -> None:
        change()
        with pytest.raises(UserError, match=message):
            contract.check(tmp_path, decoded, parts, ["cats", "dogs"])
        write_table(tmp_path / "labels.csv", table)
        np.save(train, of_train)
        np.save(val, of_val)

    def write_labels(changed: pd.DataFrame) -> None:
        write_table(tmp_path / "labels.csv", changed)

    birds = table.replace({"label": {"dogs": "birds"}})
    broken(lambda: write_labels(birds), "1.png: expected one of the classes, got 'birds'")
    twice = pd.concat([table, pd.DataFrame([["test", 3, "cats", "0.png"]], columns=table.columns)])
    broken(lambda: write_labels(twice), "0.png: expected on one side of the split, got it in train and test")
    broken(lambda: write_labels(table[:-1]), "labels.csv: expected 3 rows of test, got 2")
    broken(lambda: write_labels(table[::-1]), "labels.csv: expected the rows of train in the order of its array")
    broken(lambda: np.save(train, of_train[:-1]), r"train: expected shape \(24, 1, 8, 8\), got \(23, 1, 8, 8\)")
    broken(lambda: np.save(train, of_train.astype(float)), "expected uint8")
    exchanged = of_train[[1, 0, *range(2, 24)]]
    broken(lambda: np.save(train, exchanged), r"0.png: expected it at train\[0\], got another image")
    damaged = of_train.copy()
    damaged[5, 0, 0, 0] ^= 1
    broken(lambda: np.save(train, damaged), r"5.png: expected it at train\[5\], got another image")


def test_the_contract_refuses_a_copy_on_two_sides(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8), np.uint8)
    images[8] = images[2]
    raw = RawImages(images, [f"{index}.png" for index in range(9)])
    preparation = Preparation("gray", None)
    decoded = decode(
        raw,
        tmp_path / "decoded",
        preparation,
        skip_bad=False,
        max_skipped=0,
        allow_constant=False,
        cache=None,
        name="mine",
    )
    parts = {"train": np.arange(7), "val": np.array([7]), "test": np.array([8])}
    for part, positions in parts.items():
        prepare.write_part(tmp_path, part, positions, decoded)
    write_table(tmp_path / "labels.csv", labels_table(raw.annotations(decoded.kept), parts))
    with pytest.raises(UserError, match=r"8\.png: expected copies on one side .* in test and as 2\.png in train"):
        contract.check(tmp_path, decoded, parts, [])


def test_download_unpacks_archives_and_copies_folders(workplace: Path) -> None:
    photos = make_photos(workplace / "photos", {"cats": 3})
    mirror = workplace / "mirror" / "mine"
    mirror.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "zipfile", "-c", mirror / "pets.zip", photos / "cats"], check=True)
    params = {
        "downloads": {"mine": [{"file": "pets.zip"}, {"file": "images", "urls": [str(photos)]}]},
        "datasets": {},
        "models": {},
        "groups": {},
    }
    YAML(typ="safe").dump(params, workplace / "params.yaml")
    done = run_stage("download", "mine", workplace, HOURGLASS_MIRROR=str(workplace / "mirror"))
    assert done.returncode == 0, done.stderr
    found = sorted(
        path.relative_to(workplace / "data/raw/mine").as_posix() for path in (workplace / "data/raw").rglob("*.png")
    )
    assert found == [
        f"{folder}/cats/photo {index}.png".removeprefix("/") for folder in ("", "images") for index in range(3)
    ]
    assert not (workplace / "data/raw/mine/pets.zip").exists()


def add_iiitm(project: Project) -> None:
    """Merge the entries of IIITM Face into params.yaml, as docs/iiitm.md says."""
    project.change("groups.published", {"title": "Published systems"})
    project.ok("python", "-m", "stages.tools.add", "docs/iiitm.yaml")


def test_iiitm_is_one_step_and_says_how_to_get_it(fresh: Project) -> None:
    add_iiitm(fresh)
    done = fresh.run("python", "-m", "stages.download", "iiitm-face")
    assert done.returncode == 1
    assert "IIITM Face is at IEEE DataPort, doi 10.21227/rers-ck04" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "prepare@iiitm-face" in fresh.ok("dvc", "stage", "list", "--name-only")


def test_the_iiitm_system_runs_on_a_folder_of_its_shape(fresh: Project, tmp_path: Path) -> None:
    folder = tmp_path / "IIITM"
    folder.mkdir()
    for index in range(60):
        emotion, orientation = ("SM", "SU", "SO", "NE", "SA", "YN")[index % 6], "FDU"[index // 6 % 3]
        name = f"SUB{index // 18 + 1}{emotion}{orientation}.jpg"
        Image.fromarray(picture(index, 100, 80)).save(folder / name)
    add_iiitm(fresh)
    downloads = fresh.params()["downloads"]["iiitm-face"]
    fresh.change("downloads.iiitm-face", [downloads[0] | {"urls": [str(folder)]}])
    fresh.change("datasets.iiitm-face.size", [40, 32])  # or one step would take a minute of CPU time
    fresh.ok("dvc", "exp", "run", "-S", "models.iiitm-conv.training.epochs=2", "evaluate@iiitm-conv")
    evaluated = fresh.folder / "data/evaluated/iiitm-conv"
    about = json.loads((evaluated / "about.json").read_text(encoding="utf-8"))
    assert about["latent_dim"] * 6 == 3 * 40 * 32
    assert len(read_table(fresh.folder / "metrics/history/iiitm-conv.csv")) == 2
    assert set(read_table(evaluated / "labels.csv")["label"]) == {"SM", "SU", "SO", "NE", "SA", "YN"}


def test_own_photos_run_from_prepare_to_report(fresh: Project, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "my photos", {"cats": 20, "dogs": 20})
    fresh.change("datasets.pets", {"source": str(photos), "format": "folder", "size": [16, 16]})
    model = {"group": "pets", "dataset": "pets", "family": "pca", "network": {"latent_dim": 4}, "training": {}}
    fresh.change("models.pets-pca", model)
    fresh.change("groups.pets", {"title": "Pets"})
    fresh.ok("python", "-m", "stages.check")
    stages = {"prepare@pets", "train@pets-pca", "evaluate@pets-pca", "plot@pets-pca", "report@pets"}
    assert fresh.repro("report@pets") >= stages
    report = (fresh.folder / "metrics/reports/pets.md").read_text(encoding="utf-8")
    assert "| pets | pets-pca | 4 |" in re.sub(" +", " ", report)
    # The folder is a dependency: what is added to it is seen.
    assert fresh.repro("report@pets") == set()
    Image.fromarray(picture(999)).save(photos / "cats" / "new.png")
    assert "prepare@pets" in fresh.repro("report@pets")
