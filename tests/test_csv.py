"""Tables of images are read as people have them, or refused by a line that names what to set; never guessed."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.preparation import table_file
from hourglass.data.preparation.raw import RawImages, Target
from hourglass.data.readers import csv

SIDE = 28
MNIST = Target((SIDE, SIDE), "gray")
SMALL = Target((2, 3), "gray")
Write = Callable[..., Path]


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Return five images that are black at their borders, as handwritten digits are."""
    images = np.zeros((5, SIDE, SIDE), np.uint8)
    images[:, 4:24, 4:24] = np.random.default_rng(0).integers(0, 256, (5, 20, 20))
    return images


LABELS = ["7", "1", "1", "4", "5"]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a table, and returns its folder."""

    def to_folder(rows: Sequence[Sequence[object]], header: Sequence[object] = (), name: str = "images.csv") -> Path:
        separator = "\t" if ".tsv" in name else ","
        text = "".join(separator.join(map(str, row)) + "\n" for row in ([header] if header else []) + list(rows))
        data = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path

    return to_folder


def stacked(raw: RawImages) -> NDArray[np.uint8]:
    return np.stack([raw.images[index] for index in range(len(raw.images))])


def rows(pixels: NDArray[np.uint8], labels: Sequence[str] = (), last: bool = False) -> list[list[object]]:
    """Return a row for each image, its label before or behind its pixels."""
    table = [list(image.reshape(-1)) for image in pixels]
    if not labels:
        return table
    return [[*row, label] if last else [label, *row] for row, label in zip(table, labels, strict=True)]


HEADERS = {
    "mnist_train.csv": ["label", *(f"{row}x{column}" for row in range(1, 29) for column in range(1, 29))],
    "Kaggle": ["label", *(f"pixel{index}" for index in range(784))],
    "numbers": ["label", *range(784)],
    "from 1": ["class", *range(1, 785)],
    "underscores, as float() takes them": ["Target", *(f"{row}_{column}" for row in range(28) for column in range(28))],
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("target", [MNIST, Target(None, "gray")], ids=["size", "no size"])
@pytest.mark.parametrize("name", ["images.csv", "images.csv.gz", "images.tsv"])
def test_the_header_says_where_the_label_is(
    write: Write, pixels: NDArray[np.uint8], header: Sequence[object], target: Target, name: str
) -> None:
    for last in (False, True):
        raw = csv.read(write(rows(pixels, LABELS, last), [*header[1:], header[0]] if last else header, name), target)
        assert np.array_equal(stacked(raw), pixels)
        assert raw.labels == LABELS
        assert raw.sources[1] == f"{name}[1]"


@pytest.mark.parametrize("label", ["first", "last"])
def test_label_by_place(write: Write, pixels: NDArray[np.uint8], label: str) -> None:
    raw = csv.read(write(rows(pixels, LABELS, label == "last")), MNIST, label=label)
    assert np.array_equal(stacked(raw), pixels)
    assert raw.labels == LABELS


@pytest.mark.parametrize("target", [MNIST, Target(None, "gray")], ids=["size", "no size"])
@pytest.mark.parametrize("label", [None, "none"])
def test_no_label(write: Write, pixels: NDArray[np.uint8], target: Target, label: str | None) -> None:
    for header in ((), [f"pixel{index}" for index in range(784)]):
        raw = csv.read(write(rows(pixels), header), target, label=label)
        assert np.array_equal(stacked(raw), pixels)
        assert raw.labels is None


@pytest.mark.parametrize("target", [MNIST, Target(None, "gray")], ids=["size", "no size"])
@pytest.mark.parametrize("last", [False, True])
def test_digits_7_1_1_4_5_never_pass_for_a_pixel(
    write: Write, pixels: NDArray[np.uint8], target: Target, last: bool
) -> None:
    for header in ((), ["digit", *HEADERS["Kaggle"][1:]]):
        with pytest.raises(
            UserError, match=r"got 785 columns, one too many: set .*label: first.* or .*label: last"
        ) as error:
            csv.read(write(rows(pixels, LABELS, last), header), target)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="785 columns"):
        csv.read(write(rows(pixels, LABELS, last)), target, label="none")


def test_label_at_the_wrong_end_is_said(
    write: Write, pixels: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    csv.read(write(rows(pixels, LABELS)), MNIST, label="last")
    assert "the label of all images is 0: see `label` if that is a pixel" in capsys.readouterr().out
    with pytest.raises(UserError, match="`label: last` is the column 'pixel783', but there is 'label': name the one"):
        csv.read(write(rows(pixels, LABELS), HEADERS["Kaggle"]), MNIST, label="last")


def test_named_columns(write: Write) -> None:
    header = ["", "id", "digit", "p0", "p1", "p2", "p3", "p4", "p5", "who"]
    table = [[0, "a7", "cat", 0, 99, 0, 0, 1, 2, "ann"], [1, "b8", "NA", 3, 0, 0, 4, 0, 255, "bob"]]
    raw = csv.read(write(table, header), SMALL, label="digit", group="who", ignore=("Unnamed: 0", "id"))
    assert stacked(raw).tolist() == [[[0, 99, 0], [0, 1, 2]], [[3, 0, 0], [4, 0, 255]]]
    assert raw.labels == ["cat", "NA"]
    assert raw.groups == ["ann", "bob"]
    with pytest.raises(UserError, match=r'got 7 columns, 1 too many: set `options: {ignore: \["Unnamed: 0"\]}`'):
        csv.read(write(table, header), SMALL, label="digit", group="who", ignore=("id",))
    for key, name in (("label", "digits"), ("group", "whom")):
        with pytest.raises(UserError, match=rf"expected a column '{name}' for `{key}`, found none; did you mean"):
            csv.read(write(table, header), SMALL, **{key: name})  # type: ignore[arg-type]
    with pytest.raises(UserError, match="expected a header with 'who' for `group`, found none"):
        csv.read(write([row[3:9] for row in table]), SMALL, group="who")


@pytest.mark.parametrize("target", [MNIST, Target(None, "gray")], ids=["size", "no size"])
def test_columns_that_are_no_pixels_are_named(write: Write, pixels: NDArray[np.uint8], target: Target) -> None:
    names = HEADERS["Kaggle"][1:]
    table = [[index, label, *row] for index, (label, row) in enumerate(zip(LABELS, rows(pixels), strict=True))]
    for odd, said in (("", "Unnamed: 0"), ("id", "id")):
        for known, label in (("label", None), ("digit", "digit")):
            folder = write(table, [odd, known, *names])
            with pytest.raises(UserError, match=rf'1 too many: set `options: {{ignore: \["{said}"\]}}`'):
                csv.read(folder, target, label=label)
            assert csv.read(folder, target, label=label, ignore=(said,)).labels == LABELS
    with pytest.raises(UserError, match=r'`{label: last}`, or `{ignore: \["id"\]}`'):
        csv.read(write([[0, *row] for row in rows(pixels)], ["id", *names]), target)
    with pytest.raises(UserError, match=r'2 too many: set `options: {label: ...}`, or `{ignore: \["id", "digit"\]}`'):
        csv.read(write(table, ["id", "digit", *names]), target)


def test_two_columns_of_labels(write: Write) -> None:
    with pytest.raises(
        UserError, match=r"expected one column of labels, got label, class: set `options: {label: <name>}`"
    ):
        csv.read(write([[1, 2, 99, 0, 0, 0, 0, 0]], ["label", "class", *"abcdef"]), SMALL)
    with pytest.raises(UserError, match="expected different names of columns, got 'a' twice"):
        csv.read(write([[1, 2, 99, 0, 0, 0, 0]], ["label", *"abcdea"]), SMALL)


def test_a_table_that_pandas_wrote(write: Write, pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    table = pd.DataFrame(pixels.reshape(5, -1))
    table.insert(0, "label", LABELS)
    table.to_csv(tmp_path / "images.csv")
    raw = csv.read(tmp_path, MNIST, ignore=("Unnamed: 0",))
    assert np.array_equal(stacked(raw), pixels)
    assert raw.labels == LABELS


def test_a_first_row_that_could_be_either(write: Write) -> None:
    counted = [[0, 1, 2, 3, 4, 5], [9, 0, 0, 255, 0, 0]]  # DataFrame(images).to_csv(index=False)
    with pytest.raises(UserError, match=r"got numbers that rise: set `options: {header: true}` or `{header: false}`"):
        csv.read(write(counted), SMALL)
    assert len(csv.read(write(counted), SMALL, header=True).images) == 1
    assert len(csv.read(write(counted), SMALL, header=False).images) == 2
    with pytest.raises(UserError, match=r"got 'cat' and numbers: set `options: {header: true}` or `{header: false}`"):
        csv.read(write([["cat", 5, 3, 4, 7, 1, 255]]), SMALL, label="first")


@pytest.mark.parametrize("label", ["5", "cat"])
def test_an_image_that_pandas_took_for_a_header(write: Write, tmp_path: Path, label: str) -> None:
    table = [[label, 0, 0, 0, 18, 18, 255], ["7", 0, 0, 0, 9, 9, 254], ["2", 0, 0, 0, 9, 9, 254]]
    folder = write([[*row[:1], *[0] * 10, *row[1:]] for row in table])
    pd.read_csv(folder / "images.csv").to_csv(tmp_path / "images.csv", index=False)
    text = (tmp_path / "images.csv").read_text(encoding="utf-8")
    assert text.startswith(f"{label},0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0.10,0.11,0.12,18,18.1,255\n")
    wide = Target((4, 4), "gray")
    with pytest.raises(UserError, match=r"set `options: {header: true}` or `{header: false}`") as error:
        csv.read(folder, wide, label="first")
    assert "\n" not in str(error.value)
    assert len(csv.read(folder, wide, label="first", header=True).images) == 2


def test_fractions_in_the_first_row_alone(write: Write) -> None:
    table = [[9, 0.5, 0.5, 0, 0, 255], [9, 1, 2, 0, 0, 255], [9, 0, 0, 0, 0, 255]]
    with pytest.raises(UserError, match=r"got '0.5', while the next rows are whole: set `options: {header: true}` or"):
        csv.read(write(table), SMALL)
    assert len(csv.read(write(table), SMALL, header=False).images) == 3
    assert len(csv.read(write([*table[:2], table[0]]), SMALL).images) == 3


def test_labels_of_text_need_no_header(write: Write) -> None:
    raw = csv.read(write([["cat", 0, 0, 9, 9, 0, 255], ["dog", 0, 0, 9, 9, 0, 254]]), SMALL, label="first")
    assert raw.labels == ["cat", "dog"]
    assert len(raw.images) == 2


def test_numbers_as_labels_are_whole_where_they_are(write: Write, tmp_path: Path) -> None:
    values = [0, 0, 2, 3, 4, 255]
    labels = ["1000001", "7.0", "3.000000000000000000e+00", "007", "2.5", "-1"]
    assert csv.read(write([[*values, label] for label in labels]), SMALL, label="last").labels == [
        "1000001",
        "7",
        "3",
        "007",
        "2.5",
        "-1",
    ]
    np.savetxt(tmp_path / "images.csv", [[*values, 4]], delimiter=",")
    assert csv.read(tmp_path, SMALL, label="last").labels == ["4"]


@pytest.mark.parametrize("layout", ["hwc", "chw"])
def test_color(write: Write, layout: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 3), np.uint8)
    folder = write(rows(images.transpose(0, 3, 1, 2) if layout == "chw" else images, LABELS[:4]))
    for size in ((5, 5), None):
        raw = csv.read(folder, Target(size, "rgb"), label="first", layout=layout)  # type: ignore[arg-type]
        assert np.array_equal(stacked(raw), images)
        with pytest.raises(UserError, match=r"set `options: {layout: hwc}` .* or `{layout: chw}`") as error:
            csv.read(folder, Target(size, "rgb"), label="first")
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="set `color: rgb`"):
        csv.read(folder, Target((5, 5), "gray"), label="first")
    with pytest.raises(UserError, match="set `color: gray`"):
        csv.read(write([[9, 0, 0, 255]]), Target((2, 2), "rgb"))


def test_color_without_size_is_suggested(write: Write) -> None:
    values = np.random.default_rng(0).integers(0, 256, (2, 3072), np.uint8)
    with pytest.raises(UserError, match=r"got 3072 columns: set `color: rgb`$"):
        csv.read(write(rows(values)), Target(None, "gray"))
    with pytest.raises(UserError, match=r"got 3073 columns: set `color: rgb`, and `label`$"):
        csv.read(write(rows(values, LABELS[:2])), Target(None, "gray"))
    with pytest.raises(UserError, match=r"got 784 columns: set `color: gray`$"):
        csv.read(write(rows(values[:, :784])), Target(None, "rgb"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got no row"),
        ("a,b,c,d,e,f\n", "expected a row for each image, got none"),
        ("9,2,3\n", r"expected 6 columns of pixels for images of 2x3 in `color: gray`, got 3 columns"),
        ("9,2,3,4,5,6,7,8\n", "got 8 columns beside label and group: set `size`"),
        ("9,2,3,4,5,6\n1,2,3\n", "got '' in row 2, column 4"),
        ("9,2,3,4,5,6\n1,2,3,4,5,6,7\n", "Expected 6 fields in line 2, saw 7"),
        ("a,b,c,d,e,f\n1,2,3,4,5,6,7\n", "Expected 6 fields in line 2, saw 7"),
        ("a,b,c,d,e,f\n1,2,3,4,5\n", "expected 6 columns everywhere, got 5 in row 1"),
        ("9,2,3,4,5,6\n1,2,x,4,5,6\n", "got 'x' in row 2, column 3"),
        ("9,2,3,4,5,6\n1,2,nan,4,5,6\n", "in row 2, column 3"),
        ("9,2,3,4,5,6\n1,2,3,4,5,-6\n", "expected values from 0 to 255, got -6 to 9: undo the normalization"),
        ("9,2,3,4,5,6\n1,2,3,4,5,inf\n", "expected values from 0 to 255, got NaN or infinity: replace these"),
        ("9,2,3,4,5,256\n", "expected values from 0 to 255, got 2 to 256"),
        (
            "9,2,3,4,5,16\n0,0,0,0,0,0\n",
            r"got at most 16: set `options: {white: 16}`, or `white: 255` if the images are",
        ),
        ("1,0,0,0,1,1\n", r"got at most 1: set `options: {white: 1}`"),
        ("9;2;3;4;5;255\n", "expected commas between columns, got '9;2;3;4;5;255'"),
        ("label;a;b;c;d\ncat;2;3;4;255\n", "expected commas between columns, got 'cat;2;3;4;255'"),
        ("9 2 3 4 5 255\n", "expected commas between columns, got '9 2 3 4 5 255'"),
        ("9\t2\t3\t4\t5\t255\n", "expected commas between columns, got '9.*255'"),
        (
            "emotion,pixels,Usage\n0,9 2 3 4 5 255,Training\n",
            "expected a number in each cell, got 6 in one of the column 'pixels'",
        ),
    ],
)
def test_bad_table(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "images.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as error:
        csv.read(tmp_path, SMALL)
    assert "\n" not in str(error.value)


def test_a_label_for_every_row(write: Write) -> None:
    for missing in ("", "nan"):
        with pytest.raises(UserError, match=r"expected a label for every image, got .* for number 2"):
            csv.read(write([[9, 0, 0, 0, 0, 255, 1], [9, 0, 0, 0, 0, 255, missing]]), SMALL, label="last")


def test_no_square(write: Write) -> None:
    with pytest.raises(
        UserError, match=r"expected square images in `color: gray`, got 6 columns .* set `size: \[height, width\]`"
    ):
        csv.read(write([[9, 0, 0, 0, 0, 255]]), Target(None, "gray"))
    with pytest.raises(UserError, match="expected square images in `color: rgb`, got 6 columns"):
        csv.read(write([[9, 0, 0, 0, 0, 255]]), Target(None, "rgb"))


def test_white(write: Write) -> None:
    folder = write([[0, 4, 8, 16, 0, 2]])
    assert csv.read(folder, SMALL, white=16).images[0].tolist() == [[0, 64, 128], [255, 0, 32]]
    assert csv.read(folder, SMALL, white=255).images[0].tolist() == [[0, 4, 8], [16, 0, 2]]
    assert csv.read(write([[0, 0.2, 1, 0.5, 0, 0]]), SMALL, white=1).images[0].tolist() == [[0, 51, 255], [128, 0, 0]]


def test_pieces_are_one_table(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "CHUNK", 14)  # two rows at once
    table = [[label, 0, 0, 0, 0, label, 0] for label in range(6)] + [[6, 0, 0, 0, 0, 0, 200], [7, 0, 0, 0, 0, 0, 0]]
    raw = csv.read(write(table), SMALL, label="first")
    assert raw.labels == [str(row[0]) for row in table]
    assert stacked(raw).reshape(8, 6).tolist() == [row[1:] for row in table]
    with pytest.raises(UserError, match="got 'x' in row 9, column 3"):
        csv.read(write([*table, [8, 0, "x", 0, 0, 0, 0]]), SMALL, label="first")


def test_damaged_gzip(write: Write, pixels: NDArray[np.uint8]) -> None:
    path = write(rows(pixels), name="images.csv.gz") / "images.csv.gz"
    whole = path.read_bytes()
    for data in (whole[:-20], whole[: len(whole) // 2], b"no gzip", whole[:60] + b"\0" * 40 + whole[100:]):
        path.write_bytes(data)
        with pytest.raises(UserError, match="expected"):
            csv.read(path.parent, MNIST)


def test_rows_may_end_as_on_an_old_mac(
    write: Write, pixels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(pixels.reshape(5, -1).tolist())
    path = folder / "images.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
    monkeypatch.setattr(table_file, "MAX_COLUMNS", SIDE * SIDE + 1)  # of a row, and not of all
    read = csv.read(folder, MNIST)
    np.testing.assert_array_equal(np.asarray(read.images).reshape(pixels.shape), pixels)
