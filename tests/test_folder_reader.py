"""Folders of images are read as people have them: every class, group and split is what the folder says, or refused."""

import json
import os
import signal
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hourglass.commands.manifest import write_manifest
from hourglass.config.keywords import section
from hourglass.console.errors import UserError
from hourglass.data.folders import patterns
from hourglass.data.preparation.raw import BadImageError, RawImages, Target
from hourglass.data.readers import folder

TARGET = Target((3, 5), "gray")


def write(root: Path, *names: str) -> Path:
    """Write a file for each name, whose content is its name: readers do not decode."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    return root


def labels(raw: RawImages) -> dict[str, str]:
    assert raw.labels is not None
    return dict(zip(raw.sources, raw.labels, strict=True))


def splits(raw: RawImages) -> dict[str, str]:
    assert raw.official is not None
    return dict(zip(raw.sources, raw.official, strict=True))


def test_images_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    raw = folder.read(write(tmp_path, "cats/1.png", "dogs/2.JPG"), TARGET)
    assert [raw.images[index].name for index in range(2)] == [
        str(tmp_path / "cats/1.png"),
        str(tmp_path / "dogs/2.JPG"),
    ]
    (tmp_path / "cats/1.png").write_text("changed later", encoding="utf-8")
    assert raw.images[0].read() == b"changed later"
    assert raw.images[1].read() == b"dogs/2.JPG"
    assert raw.images[0].known_hash == ""


def test_images_are_in_natural_order(tmp_path: Path) -> None:
    names = [f"clip {clip}/frame{frame}.png" for clip in (1, 2, 10) for frame in (1, 2, 9, 10, 11)]
    assert folder.read(write(tmp_path, *names), TARGET).sources == names


ALPHABETS = ("greek", "latin", "korean", "hebrew", "armenian")


def test_five_alphabets_are_five_classes_by_path_and_one_by_parent(tmp_path: Path) -> None:
    write(tmp_path, *(f"{alphabet}/character01/{index}.png" for alphabet in ALPHABETS for index in (1, 2)))
    with pytest.raises(UserError, match=r"got armenian/character01 and greek/character01: set `label: path` if these"):
        folder.read(tmp_path, TARGET)
    assert folder.read(tmp_path, TARGET, label="parent").labels is None  # one class tells nothing
    by_path = folder.read(tmp_path, TARGET, label="path")
    assert set(labels(by_path).values()) == {f"{alphabet}/character01" for alphabet in ALPHABETS}
    assert labels(by_path)["greek/character01/2.png"] == "greek/character01"
    write(tmp_path, *(f"{alphabet}/character02/1.png" for alphabet in ALPHABETS))
    assert set(labels(folder.read(tmp_path, TARGET, label="parent")).values()) == {"character01", "character02"}


def test_the_pattern_matches_the_whole_path(tmp_path: Path) -> None:
    write(tmp_path, "smiling/007_03.jpg", "neutral/007_08.jpg", "neutral/12_08.jpg")
    raw = folder.read(tmp_path, TARGET, pattern=r"(?P<label>\w+)/(?P<group>\d+)_\d+\.jpg")
    assert labels(raw) == {
        "neutral/12_08.jpg": "neutral",
        "neutral/007_08.jpg": "neutral",
        "smiling/007_03.jpg": "smiling",
    }
    assert raw.groups == ["007", "12", "007"]
    grouped = folder.read(tmp_path, TARGET, pattern=r".*/(?P<group>\d+)_\d+\.jpg")
    assert grouped.groups == raw.groups
    assert labels(grouped) == labels(raw)  # of the folders, as the pattern tells no class
    assert folder.read(tmp_path, TARGET, pattern=r".*/(?P<group>\d+)_.*", label="none").labels is None
    for part in (r"(?P<group>\d+)_\d+", r"(?P<group>\d+)_\d+\.jpg", r".*/(?P<group>\d+)_\d+"):
        with pytest.raises(UserError, match=r"expected a name that matches the pattern .*, got neutral/007_08\.jpg"):
            folder.read(tmp_path, TARGET, pattern=part)


def test_labels_of_a_pattern_need_a_group(tmp_path: Path) -> None:
    write(tmp_path, "SUB1.png")
    for pattern in (None, "SUB(?P<group>.*)"):
        with pytest.raises(UserError, match=r"`label: pattern` expects a `pattern` with a group \(\?P<label>"):
            folder.read(tmp_path, TARGET, label="pattern", pattern=pattern)


@pytest.mark.parametrize("key", ["pattern", "test", "only"])
@pytest.mark.parametrize("expression", ["(a+)+b.png", r"(\w+\s?)*x", r"(.*)*\.gif"])
def test_an_expression_that_tries_too_many_ways_is_stopped(
    tmp_path: Path, key: str, expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.1)
    write(tmp_path, f"{'a' * 80}.png")
    handler = signal.getsignal(signal.SIGALRM)
    with pytest.raises(
        UserError, match=rf"`{key}` expected a regular expression that is done with 1 paths in 0 s, got "
    ):
        folder.read(tmp_path, TARGET, **{key: expression})  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_is_no_regular_expression_is_refused() -> None:
    for key in ("pattern", "test", "only"):
        with pytest.raises(ValueError, match=r"expected a regular expression, got '\(' \("):
            section(folder.read)(**{key: "("})
        for text in ("(" * 5000 + ")" * 5000, "a{99999999999999999999}"):
            with pytest.raises(ValueError, match="expected a regular expression, got "):
                section(folder.read)(**{key: text})


@pytest.mark.parametrize("val", ["val", "valid", "validation", "dev", "Valid"])
@pytest.mark.parametrize("above", ["", "animals/"])
def test_imagefolder_tells_the_publishers_split(tmp_path: Path, val: str, above: str) -> None:
    parts = ("train", val, "test")
    write(tmp_path, *(f"{above}{part}/big/{kind}/1.png" for part in parts for kind in ("cat", "dog")))
    raw = folder.read(tmp_path, TARGET)
    names = {f"{above}{part}/big/{kind}/1.png": kind for part in parts for kind in ("cat", "dog")}
    assert labels(raw) == names
    expected = {
        f"{above}train/big/cat/1.png": "train",
        f"{above}{val}/big/dog/1.png": "val",
        f"{above}test/big/cat/1.png": "test",
    }
    assert expected.items() <= splits(raw).items()
    by_path = folder.read(tmp_path, TARGET, label="path")
    assert set(labels(by_path).values()) == {f"{above}big/cat", f"{above}big/dog"}


def test_images_directly_in_the_folders_of_splits_have_no_class(tmp_path: Path) -> None:
    raw = folder.read(write(tmp_path, "train/1.png", "train/2.png", "test/1.png"), TARGET)
    assert raw.labels is None
    assert splits(raw) == {"test/1.png": "test", "train/1.png": "train", "train/2.png": "train"}
    write(tmp_path, "train/cats/3.png", "train/dogs/3.png")
    with pytest.raises(
        UserError, match=r"test/1\.png: expected in a folder that is its class, as 2 images are and 3 are not"
    ):
        folder.read(tmp_path, TARGET)
    assert folder.read(tmp_path, TARGET, label="none").official == ["test", "train", "train", "train", "train"]


def test_loose_images_beside_classes_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "cats/1.png", "dogs/1.png", "logo.png")
    with pytest.raises(UserError, match=r"^logo\.png: expected in a folder that is its class.*`label: none`"):
        folder.read(tmp_path, TARGET)


@pytest.mark.parametrize("other", ["unlabeled/1.png", "cover.png", "train-extra/a/1.png"])
def test_what_is_beside_train_and_test_is_never_guessed(tmp_path: Path, other: str) -> None:
    write(tmp_path, "train/a/1.png", "test/a/1.png", other)
    got = other.partition("/")[0] if "/" in other else "images"
    with pytest.raises(
        UserError, match=f"expected nothing beside the publisher's splits test, train, got {got}: move it, or"
    ):
        folder.read(tmp_path, TARGET)
    told = folder.read(tmp_path, TARGET, test="^test/", label="none")
    assert splits(told) == {other: "train", "train/a/1.png": "train", "test/a/1.png": "test"}


def test_train_and_val_alone_are_no_published_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "train/a/1.png", "val/a/1.png", "val/b/1.png")
    raw = folder.read(tmp_path, TARGET)
    assert raw.official is None
    assert labels(raw) == {"train/a/1.png": "a", "val/a/1.png": "a", "val/b/1.png": "b"}
    assert capsys.readouterr().out == f"{tmp_path}: train, val lack train or test, so they are pooled and split anew\n"
    assert folder.read(tmp_path, TARGET, test="^val/").official == ["train", "test", "test"]
    assert capsys.readouterr().out == ""


def test_one_folder_called_train_is_no_split(tmp_path: Path) -> None:
    raw = folder.read(write(tmp_path, "train/a/1.png", "train/b/2.png"), TARGET)
    assert (raw.labels, raw.official) == (["a", "b"], None)


@pytest.mark.parametrize(
    ("names", "odd"),
    [
        (["train/1.png", "bus/1.png"], "train"),
        (["a/train/1.png", "b/test/1.png"], "a/train"),
        (["train/cat.0.png", "test1/1.png"], "test1"),
        (["siteA/train/cats/1.png", "siteB/test/cats/1.png"], "siteA/train"),
        (["DIV_train_HR/1.png", "DIV_valid_HR/1.png"], "DIV_train_HR"),
        (["train/train/cats/1.png", "test/test/cats/1.png"], "test/test"),
    ],
)
def test_folders_that_only_sound_like_splits_are_refused(tmp_path: Path, names: list[str], odd: str) -> None:
    write(tmp_path, *names)
    with pytest.raises(UserError, match=f"got {odd}: set `test` .*`only`, or `label: parent`"):
        folder.read(tmp_path, TARGET)
    raw = folder.read(tmp_path, TARGET, label="parent")
    assert raw.labels is None or set(raw.labels) == {name.split("/")[-2] for name in names}


def test_classes_called_train_are_classes_below_a_split(tmp_path: Path) -> None:
    classes = ("train", "bullet_train", "bus")
    write(tmp_path, *(f"{part}/{kind}/1.png" for part in ("train", "test") for kind in classes))
    raw = folder.read(tmp_path, TARGET)
    assert set(labels(raw).values()) == set(classes)
    assert splits(raw)["test/train/1.png"] == "test"


def test_splits_are_no_classes_where_test_is_given(tmp_path: Path) -> None:
    raw = folder.read(write(tmp_path, "siteA/train/1.png", "siteB/test/2.png"), TARGET, test="/test/")
    assert (raw.labels, raw.official) == (None, ["train", "test"])


@pytest.mark.parametrize(
    ("train", "test"),
    [("training_set", "test_set"), ("train_set", "testing_set"), ("TrainSet", "TestImages"), ("train-data", "Testing")],
)
def test_other_names_of_splits(tmp_path: Path, train: str, test: str) -> None:
    raw = folder.read(write(tmp_path, f"{train}/a/1.png", f"{train}/b/1.png", f"{test}/a/1.png"), TARGET)
    assert labels(raw) == {f"{train}/a/1.png": "a", f"{train}/b/1.png": "b", f"{test}/a/1.png": "a"}
    assert splits(raw) == {f"{train}/a/1.png": "train", f"{train}/b/1.png": "train", f"{test}/a/1.png": "test"}


@pytest.mark.parametrize("above", ["", "bottle/"])
@pytest.mark.parametrize("listed", [False, True])
def test_masks_beside_train_and_test_are_left_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], above: str, listed: bool
) -> None:
    names = ("train/good/1.png", "test/good/1.png", "test/broken/1.png", "ground_truth/broken/1.png")
    source = write(tmp_path, *(above + name for name in names))
    rows = [[f"{above}{name}", f"who {index}"] for index, name in enumerate(names)]
    metadata(tmp_path / "metadata.csv", ["file_name", "who"], *rows)
    if listed:
        source = tmp_path / "manifest.csv"
        write_manifest(tmp_path, source)
    only = f"^{above}(train|test)/"
    with pytest.raises(UserError) as refused:
        folder.read(source, TARGET)
    assert f"got ground_truth: move it, or set `only: {only}`, which leaves others aside" in str(refused.value)
    capsys.readouterr()
    raw = folder.read(source, TARGET, only=only, group_column="who")
    assert raw.sources == [f"{above}{name}" for name in ("test/broken/1.png", "test/good/1.png", "train/good/1.png")]
    assert (raw.labels, raw.official) == (["broken", "good", "good"], ["test", "test", "train"])
    assert raw.groups == ["who 2", "who 1", "who 0"]
    assert [raw.images[index].read().decode() for index in range(3)] == raw.sources
    assert "1 images left aside, which `only` does not find" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"expected `only` to find some of the images, got \^no, which finds none of 4"):
        folder.read(source, TARGET, only="^no")


def test_hidden_files_are_left_aside_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / ".photos"
    write(source, "cats/1.png", "dogs/1.png", ".ipynb_checkpoints/1.png", "cats/@eaDir/1.png/S.jpg", "dogs/.2.png")
    assert folder.read(source, TARGET).sources == ["cats/1.png", "dogs/1.png"]
    said = "3 hidden files or folders left aside, for example '.ipynb_checkpoints'\n"
    assert capsys.readouterr().out == f"{source}: {said}"
    assert write_manifest(source, tmp_path / "m.csv") == 2
    assert capsys.readouterr().out.startswith(f"{source}: {said}")
    assert len(folder.read(tmp_path / "m.csv", TARGET).sources) == 2
    with (tmp_path / "m.csv").open("a", encoding="utf-8") as file:
        file.write(".photos/.ipynb_checkpoints/1.png,1,1\n")  # as an earlier version listed it
    assert folder.read(tmp_path / "m.csv", TARGET).labels == ["cats", "dogs"]


def test_names_are_compared_as_they_look(tmp_path: Path) -> None:
    write(tmp_path, unicodedata.normalize("NFD", "Zoë.png"), "Bildschirmfoto 10.12\u202fPM.png")
    rows = [[unicodedata.normalize("NFC", "Zoë.png"), "a"], ["Bildschirmfoto 10.12\u202fPM.png", "b\u00a0c"]]
    metadata(tmp_path / "metadata.csv", ["file_name", "label"], *rows)
    assert folder.read(tmp_path, TARGET).labels == ["b\u00a0c", "a"]
    write_manifest(tmp_path, tmp_path / "manifest.csv")
    assert folder.read(tmp_path / "manifest.csv", TARGET).labels == ["b\u00a0c", "a"]
    for odd in ("\x1f", "\u2028", "\udcff"):
        (tmp_path / "odd").mkdir(exist_ok=True)
        (tmp_path / "odd" / f"a{odd}b.png").touch()
        with pytest.raises(UserError, match="expected names of printable characters"):
            folder.read(tmp_path / "odd", TARGET)
        (tmp_path / "odd" / f"a{odd}b.png").unlink()


def test_what_finds_the_publishers_test_images_finds_some(tmp_path: Path) -> None:
    write(tmp_path, "TrainSet/1.png", "TestSet/1.png")
    assert splits(folder.read(tmp_path, TARGET, test="^TestSet/")) == {
        "TestSet/1.png": "test",
        "TrainSet/1.png": "train",
    }
    for test, found in (("^testset/", "none"), ("Set", "all")):
        with pytest.raises(
            UserError, match=f"expected `test` to find some of the images, got .*, which finds {found} of 2"
        ):
            folder.read(tmp_path, TARGET, test=test)


def metadata(path: Path, *rows: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")


def test_metadata_tells_classes_and_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "1.png", "2.png", "sub/10.png")
    rows = (["sub/10.png", "NA", '"a cat, sitting"', "007"], ["2.png", "null", "x", "7"], ["./1.png", "01", "x", "007"])
    metadata(tmp_path / "metadata.csv", ["file_name", "label", "text", "who"], *rows)
    assert labels(folder.read(tmp_path, TARGET)) == {"1.png": "01", "2.png": "null", "sub/10.png": "NA"}
    raw = folder.read(tmp_path, TARGET, group_column="who", label_column="text")
    assert raw.groups == ["007", "7", "007"]
    assert labels(raw)["sub/10.png"] == "a cat, sitting"
    assert folder.read(tmp_path, TARGET, group_column="who", label="none").labels is None
    assert capsys.readouterr().out == ""  # metadata.csv is no file of another type
    write(tmp_path, "notes.txt")
    folder.read(tmp_path, TARGET)
    assert capsys.readouterr().out == f"{tmp_path}: 1 files of other types left aside\n"


def test_metadata_of_every_split(tmp_path: Path) -> None:
    write(tmp_path, "train/1.png", "train/2.png", "test/1.png")
    metadata(tmp_path / "train/metadata.csv", ["\ufefffile_name", "label"], ["1.png", "cat"], ["2.png", "dog"])
    (tmp_path / "test/metadata.jsonl").write_text(
        json.dumps({"file_name": "1.png", "label": 7}) + "\n\n", encoding="utf-8"
    )
    raw = folder.read(tmp_path, TARGET)
    assert labels(raw) == {"test/1.png": "7", "train/1.png": "cat", "train/2.png": "dog"}
    assert splits(raw) == {"test/1.png": "test", "train/1.png": "train", "train/2.png": "train"}


def test_metadata_without_classes_leaves_them_to_the_folders(tmp_path: Path) -> None:
    write(tmp_path, "cats/1.png", "dogs/2.png")
    metadata(tmp_path / "metadata.csv", ["file_name", "text"], ["cats/1.png", "a cat"], ["dogs/2.png", "a dog"])
    assert labels(folder.read(tmp_path, TARGET)) == {"cats/1.png": "cats", "dogs/2.png": "dogs"}
    with pytest.raises(UserError, match=r"metadata\.csv, line 2: expected the column label, got file_name, text"):
        folder.read(tmp_path, TARGET, label="metadata")
    raw = folder.read(tmp_path, TARGET, group_column="text")
    assert labels(raw)["cats/1.png"] == "cats"
    assert raw.groups == ["a cat", "a dog"]


HEADER, ONE, TWO = ["file_name", "label"], ["1.png", "cat"], ["2.png", "dog"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([HEADER, ONE], r"2\.png: expected a line in metadata\.csv, found none, as for 1 of 2 images"),
        ([HEADER, ONE, TWO, ["3.png", "cat"]], r"line 4: expected an image, found none called 3\.png"),
        ([HEADER, ONE, TWO, ["./1.png", "dog"]], r"line 4: expected every image once, got 1\.png again"),
        ([HEADER, ONE, ["2.png", ""]], "line 3: expected a name as label, got ''"),
        ([HEADER, ONE, ["2.png"]], "expected a table of one image a line, got: 1 values for 2 columns in line 3"),
        ([HEADER, ONE, ["2.png", '"dog']], "expected a table of one image a line, got: unexpected end of data"),
        ([["file", "label"], ONE, TWO], "line 2: expected the column file_name, got file, label"),
    ],
)  # fmt: skip
def test_metadata_that_is_not_of_these_images(tmp_path: Path, rows: list[list[str]], message: str) -> None:
    write(tmp_path, "1.png", "2.png")
    metadata(tmp_path / "metadata.csv", *rows)
    with pytest.raises(UserError, match=message) as refused:
        folder.read(tmp_path, TARGET, label="metadata")
    assert "\n" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize(
    "text", ['{"file_name": "1.png", "label": null}', '{"file_name": "1.png", "label": true}', "[1]", "{", "\xff"]
)
def test_metadata_of_lines_of_json_that_are_none(tmp_path: Path, text: str) -> None:
    write(tmp_path, "1.png")
    (tmp_path / "metadata.jsonl").write_text(f"{text}\n", encoding="latin-1")
    with pytest.raises(UserError, match=r"metadata\.jsonl.*: expected") as refused:
        folder.read(tmp_path, TARGET, label="metadata")
    assert "\n" not in str(refused.value)


def test_metadata_that_is_asked_for_has_to_be_there(tmp_path: Path) -> None:
    write(tmp_path, "1.png")
    with pytest.raises(UserError, match=r"expected a metadata\.csv with the columns file_name, who"):
        folder.read(tmp_path, TARGET, group_column="who")
    with pytest.raises(UserError, match="expected groups from `pattern` or `group_column`, got both"):
        folder.read(tmp_path, TARGET, group_column="who", pattern=r"(?P<group>\d)\.png")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def missing(path: Path) -> None:
    path.symlink_to("nowhere")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)  # on disk it is empty


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (fifo, "expected a regular file, got a folder, a pipe or a device"),
        (device, "expected a regular file, got a folder, a pipe or a device"),
        (missing, "expected a file that can be read, got: No such file"),
        (endless, "expected at most 1,073,741,824 bytes, got 1,099,511,627,776"),
    ],
)
def test_what_is_no_image_file_is_refused_when_it_is_read(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "1.png")
    raw = folder.read(tmp_path, TARGET)
    with pytest.raises(BadImageError, match=message) as refused:
        raw.images[0].read()
    assert str(refused.value).startswith(f"{tmp_path}/1.png: ")


def test_a_file_that_changes_while_it_is_read_is_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.png"
    path.write_bytes(b"before")
    raw = folder.read(tmp_path, TARGET)
    fstat = os.fstat

    def fstat_and_append(file: int) -> os.stat_result:
        status = fstat(file)
        path.write_bytes(b"before and after")
        return status

    monkeypatch.setattr(os, "fstat", fstat_and_append)
    with pytest.raises(UserError, match=r"1\.png: expected a file that stays, got one that changed while it was read"):
        raw.images[0].read()


def test_metadata_in_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(write(tmp_path, "1.png") / "metadata.csv")
    with pytest.raises(UserError, match=r"metadata\.csv: expected a regular file, got a folder, a pipe or a device"):
        folder.read(tmp_path, TARGET)


def test_names_and_classes_that_only_look_alike_are_refused(tmp_path: Path) -> None:
    one, other = "\u00e9", "e\u0301"
    with pytest.raises(UserError, match=r"expected names that look different, got .*e\\u0301\.png' and .*\\xe9\.png'"):
        folder.read(write(tmp_path / "names", f"{one}.png", f"{other}.png"), TARGET)
    with pytest.raises(UserError, match=r"expected classes whose names look different, got 'e\\u0301' and '\\xe9'"):
        folder.read(write(tmp_path / "classes", f"{one}/1.png", f"{other}/2.png"), TARGET, label="parent")
    with pytest.raises(UserError, match="expected groups whose names look different"):
        RawImages([], [], groups=[one, other])
    assert RawImages([], [], labels=[one, one, "e"]).labels == [one, one, "e"]


def test_names_that_could_be_mixed_up_or_not_printed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"differ by more than their capitals, got .*/A/1\.png and .*/a/1\.PNG"):
        folder.read(write(tmp_path / "clash", "A/1.png", "a/1.PNG"), TARGET)
    with pytest.raises(UserError, match=r"expected names of printable characters, got '.*two\\nlines/1\.png'"):
        folder.read(write(tmp_path / "odd", "two\nlines/1.png"), TARGET)
    with pytest.raises(UserError, match=r"expected images \(\.jpg, .*\), found none among 1 files"):
        folder.read(write(tmp_path / "none", "notes.txt"), TARGET)


def test_litter_and_loops_are_left_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "cats/1.png", "cats/._1.png", "__MACOSX/cats/1.png", "cats/.DS_Store", "Thumbs.db")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert folder.read(tmp_path, TARGET).sources == ["cats/1.png"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("by_content", [False, True])
def test_a_manifest_lists_the_images(tmp_path: Path, by_content: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "train/10.png", "train/2.png", "test/1.png")
    for part, names in (("train", ("2", "10")), ("test", ("1",))):
        metadata(tmp_path / part / "metadata.csv", HEADER, *([f"{name}.png", f"class {name}"] for name in names))
    whole = folder.read(tmp_path, TARGET)
    write_manifest(tmp_path, tmp_path / "manifest.csv", by_content=by_content)
    monkeypatch.setattr(os, "walk", None)  # which is what the manifest saves
    raw = folder.read(tmp_path / "manifest.csv", TARGET)
    assert raw.sources == whole.sources == ["test/1.png", "train/2.png", "train/10.png"]
    assert (raw.labels, raw.official) == (whole.labels, whole.official)
    assert [raw.images[index].read() for index in range(3)] == [name.encode() for name in raw.sources]
    assert len({raw.images[index].known_hash for index in range(3)} - {""}) == 3
    (tmp_path / "test/1.png").write_text("another", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"1\.png: expected the file that the manifest lists, got a changed one"
    ) as refused:
        raw.images[0].read()
    assert not isinstance(refused.value, BadImageError)  # or `on_bad_image: skip` would leave it out
    metadata(tmp_path / "test/metadata.csv", HEADER, ["1.png", "a class"])
    with pytest.raises(UserError, match=r"test/metadata\.csv: expected the file that the manifest lists"):
        folder.read(tmp_path / "manifest.csv", TARGET)


def test_a_file_that_is_no_manifest(tmp_path: Path) -> None:
    write(tmp_path, "1.png", "manifest.csv")
    with pytest.raises(UserError, match=r"1\.png: expected a folder of images, or the manifest of one, got an image"):
        folder.read(tmp_path / "1.png", TARGET)
    with pytest.raises(
        UserError, match=r"manifest\.csv, line 1: expected the columns path,size,mtime_ns or path,sha256"
    ):
        folder.read(tmp_path / "manifest.csv", TARGET)
