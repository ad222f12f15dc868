"""Readers return what is in a file, and refuse a file that is not what it says."""

import contextlib
import gzip
import hashlib
import inspect
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from hourglass.config.keywords import section
from hourglass.console.errors import UserError
from hourglass.data.preparation import raw as raw_images
from hourglass.data.preparation.formats import reader, readers
from hourglass.data.preparation.raw import RawImages, Target
from hourglass.data.prepared import open_split
from hourglass.data.readers import idx, matlab, npy

from .conftest import DATASETS, Project, needs_mirror

SIZE = (3, 5)
TARGET = Target(SIZE, "gray")


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (6, *SIZE), np.uint8)


def stacked(raw: RawImages) -> NDArray[np.uint8]:
    """Take all images, one after the other as `prepare` does."""
    return np.stack([raw.images[index] for index in range(len(raw.images))])


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Write as MNIST is written."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def idx_folder(tmp_path: Path, pixels: NDArray[np.uint8]) -> Path:
    for prefix, rows in (("train", slice(4)), ("t10k", slice(4, 6))):
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(pixels[rows])))
        labels = np.arange(6, dtype=np.uint8)[rows]
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    return tmp_path


def test_idx(idx_folder: Path, pixels: NDArray[np.uint8]) -> None:
    raw = idx.read(idx_folder, TARGET)
    assert np.array_equal(stacked(raw), pixels)
    assert raw.labels == ["0", "1", "2", "3", "4", "5"]
    assert raw.official == ["train"] * 4 + ["test"] * 2
    assert raw.sources[4] == "test[0]"


@pytest.mark.parametrize("stem", ["train-{}-{}-ubyte.gz", "letters-{}-{}-ubyte", "{}.{}-ubyte", "t10k-{}.{}-ubyte"])
def test_a_lone_pair_of_idx(tmp_path: Path, pixels: NDArray[np.uint8], stem: str) -> None:
    pack = gzip.compress if stem.endswith(".gz") else bytes
    images, labels = tmp_path / stem.format("images", "idx3"), tmp_path / stem.format("labels", "idx1")
    images.write_bytes(pack(idx_bytes(pixels)))
    labels.write_bytes(pack(idx_bytes(np.array([0, 1, 2, 0, 1, 2], np.uint8))))
    raw = idx.read(tmp_path, TARGET, class_names=("a", "b", "c"))
    assert np.array_equal(stacked(raw), pixels)
    assert raw.labels == ["a", "b", "c"] * 2
    assert raw.official is None
    assert len(set(raw.sources)) == 6
    with pytest.raises(UserError, match="expected labels below 2, got '2'"):
        idx.read(tmp_path, TARGET, class_names=("a", "b"))
    with pytest.raises(UserError, match="there are labels beside it: set `source` to the folder"):
        idx.read(images, TARGET)
    labels.unlink()
    for source in (tmp_path, images):
        raw = idx.read(source, TARGET)
        assert np.array_equal(stacked(raw), pixels)
        assert raw.labels is None


def test_idx_of_three_splits_is_found_by_the_end_of_names(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    for split, rows in (("test", slice(2)), ("train", slice(2, 4)), ("val", slice(4, 6))):
        (tmp_path / f"emnist-letters-{split}-images-idx3-ubyte").write_bytes(idx_bytes(pixels[rows]))
    raw = idx.read(tmp_path, TARGET)
    assert raw.official == ["train"] * 2 + ["val"] * 2 + ["test"] * 2
    assert np.array_equal(stacked(raw), pixels[[2, 3, 4, 5, 0, 1]])
    (tmp_path / "emnist-digits-train-images-idx3-ubyte").write_bytes(idx_bytes(pixels))
    with pytest.raises(
        UserError, match=r"expected one file of images, or one of train and one of t10k, got emnist-digits"
    ):
        idx.read(tmp_path, TARGET)


def test_idx_files_that_lack_their_other_half(idx_folder: Path) -> None:
    (idx_folder / "t10k-labels-idx1-ubyte.gz").rename(idx_folder / "aside")
    with pytest.raises(UserError, match="expected its labels, t10k-labels-idx1-ubyte, beside it, found none"):
        idx.read(idx_folder, TARGET)
    (idx_folder / "aside").rename(idx_folder / "t10k-labels-idx1-ubyte.gz")
    (idx_folder / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(UserError, match="expected its images, t10k-images-idx3-ubyte, beside it, found none"):
        idx.read(idx_folder, TARGET)
    for path in idx_folder.iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"expected a file such as train-images-idx3-ubyte.gz, found none"):
        idx.read(idx_folder, TARGET)


def test_idx_truncated_gzip(idx_folder: Path) -> None:
    path = idx_folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(UserError, match=r"damaged one .*: fetch it again"):
        idx.read(idx_folder, TARGET)


@pytest.mark.parametrize(
    ("announced", "message"),
    [
        (9, "got 60 bytes"),
        (3, "got more"),
        (2**31, "expected at most 1,073,741,824 bytes, unpacked, got 32,212,254,720"),
    ],
)
def test_idx_header_that_lies(idx_folder: Path, pixels: NDArray[np.uint8], announced: int, message: str) -> None:
    data = bytearray(idx_bytes(pixels[:4]))
    data[4:8] = struct.pack(">I", announced)
    (idx_folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(UserError, match=message):
        idx.read(idx_folder, TARGET)


def test_idx_of_another_type(idx_folder: Path) -> None:
    (idx_folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\x00\x00\x0d\x01" + bytes(8)))
    with pytest.raises(UserError, match="expected an idx header for 1 dimensions of bytes, got 00000d01"):
        idx.read(idx_folder, TARGET)


def test_idx_label_for_every_image(idx_folder: Path) -> None:
    (idx_folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros(3, np.uint8))))
    with pytest.raises(UserError, match="expected a label for 4 images, got 3"):
        idx.read(idx_folder, TARGET)


def test_npy(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "images.npy", pixels / 255)
    assert np.array_equal(stacked(npy.read(tmp_path, TARGET, white=1, count=4)), pixels[:4])


def test_npy_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="expected a NumPy array of numbers"):
        npy.read(tmp_path, TARGET, white=1, count=None)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.float32(3), r"expected an array of shape \(N, H, W\)"),
        (np.full((2, *SIZE), "a"), "expected real numbers, got <U1"),
        (np.full((2, *SIZE), 1j), "expected real numbers, got complex128"),
        (np.full((2, *SIZE), 0.5), "expected values up to 255, got at most 0.5: set `options: {white: 1}`"),
    ],
)
def test_npy_of_no_images(tmp_path: Path, array: NDArray[np.generic], message: str) -> None:
    np.save(tmp_path / "images.npy", array)
    with pytest.raises(UserError, match=message):
        npy.read(tmp_path, TARGET, white=255, count=None)


def test_an_archive_of_arrays_is_no_npy(tmp_path: Path) -> None:
    with (tmp_path / "images.npy").open("wb") as file:
        np.savez(file, a=np.zeros((2, *SIZE)))
    with pytest.raises(UserError, match="got an archive of arrays"):
        npy.read(tmp_path, TARGET, white=1, count=None)


def test_npy_of_nan(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.full((2, *SIZE), np.nan))
    with pytest.raises(UserError, match="expected values from 0 to 1, got NaN or infinity: replace these"):
        npy.read(tmp_path, TARGET, white=1, count=None)


def test_the_range_of_values(tmp_path: Path) -> None:
    def read(values: object, **options: float) -> list[int]:
        np.save(
            tmp_path / "images.npy", np.broadcast_to(np.array(values)[:, None, None], (len(np.array(values)), *SIZE))
        )
        return stacked(npy.read(tmp_path, TARGET, **options))[:, 0, 0].tolist()  # type: ignore[arg-type]

    with pytest.raises(
        UserError, match=r"got at most 16: set `options: {white: 16}`, or `white: 255` if the images are"
    ):
        read([0, 16])
    assert read([0, 16], white=16) == [0, 255]
    assert read([0, 16], white=255) == [0, 16]
    assert read([0, 32]) == [0, 32]
    assert read([0, 65535], white=65535) == [0, 255]
    with pytest.raises(UserError, match=r"expected values from 0 to 255, got 0 to 256: set `options: {white: ...}`"):
        read([0, 256])
    for least in (-1, -0.42):
        with pytest.raises(UserError, match=rf"from 0 to 1, got {least} to 1: undo the normalization") as error:
            read([least, 1], white=1)
        assert "white" not in str(error.value)


def test_values_are_scaled_in_pieces(
    tmp_path: Path, pixels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_images, "PIECE", 40)
    np.save(tmp_path / "images.npy", pixels / 255)
    assert np.array_equal(stacked(npy.read(tmp_path, TARGET, white=1)), pixels)


@pytest.mark.parametrize("file", ["labels.npy", "labels.csv", "labels.txt"])
@pytest.mark.parametrize("texts", [["0", "1", "2"] * 2, ["cat", "dog", "007"] * 2])
def test_npy_with_labels_beside_it(tmp_path: Path, pixels: NDArray[np.uint8], file: str, texts: list[str]) -> None:
    def write(name: str, values: list[str]) -> None:
        if name.endswith(".npy"):
            np.save(tmp_path / name, np.array([int(text) for text in values] if "0" in values else values))
        else:
            (tmp_path / name).write_text("\n".join(values) + "\n", encoding="utf-8")

    np.save(tmp_path / "images.npy", pixels)
    write(file, texts)
    write("people.txt", list("abcabc"))
    raw = npy.read(tmp_path, TARGET, labels=file, groups="people.txt")
    assert np.array_equal(stacked(raw), pixels)
    assert raw.labels == texts
    assert raw.groups == list("abcabc")
    assert npy.read(tmp_path, TARGET, labels=file, count=2).labels == texts[:2]
    if "0" in texts:
        assert npy.read(tmp_path, TARGET, labels=file, class_names=("x", "y", "z")).labels == ["x", "y", "z"] * 2
    else:
        with pytest.raises(UserError, match="expected labels below 2, got 'cat'"):
            npy.read(tmp_path, TARGET, labels=file, class_names=("x", "y"))
    write(file, texts[:5])
    with pytest.raises(UserError, match="expected one value for each of 6 images, got"):
        npy.read(tmp_path, TARGET, labels=file)
    with pytest.raises(UserError, match="set `source` to its folder"):
        npy.read(tmp_path / "images.npy", TARGET, labels=file)
    with pytest.raises(UserError, match=r"lables.csv.* found none: see `options`"):
        npy.read(tmp_path, TARGET, images="images.npy", labels="lables.csv")


def test_the_header_of_a_file_of_labels(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "images.npy", pixels)
    (tmp_path / "labels.csv").write_text("label\n1\n2\n3\n4\n5\n6\n", encoding="utf-8-sig")
    assert npy.read(tmp_path, TARGET, labels="labels.csv").labels == list("123456")
    (tmp_path / "labels.csv").write_text("1,a\n2,b\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"labels.csv: expected one value a line, got 2 in line 1"):
        npy.read(tmp_path, TARGET, labels="labels.csv")


def test_several_npy(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "a.npy", pixels)
    np.save(tmp_path / "b.npy", pixels[::-1])
    with pytest.raises(
        UserError, match=r"expected one .npy or .npz, got a.npy, b.npy: set `options: {images: <file.npy>}`"
    ):
        npy.read(tmp_path, TARGET)
    assert np.array_equal(stacked(npy.read(tmp_path, TARGET, images="b.npy")), pixels[::-1])
    assert npy.read(tmp_path / "a.npy", TARGET).sources[0] == "a.npy[0]"


KERAS = ("x_train", "y_train", "x_test", "y_test")
MEDMNIST = ("train_images", "train_labels", "test_images", "test_labels", "val_images", "val_labels")


@pytest.mark.parametrize("keys", [KERAS, MEDMNIST])
def test_npz_of_a_publishers_split(tmp_path: Path, pixels: NDArray[np.uint8], keys: tuple[str, ...]) -> None:
    parts = [pixels[:3], np.array([[0], [1], [2]]), pixels[3:5], np.array([[1], [0]]), pixels[5:], np.array([[2]])]
    np.savez(tmp_path / "set.npz", **dict(zip(keys, parts, strict=False)))  # type: ignore[arg-type]
    for source in (tmp_path, tmp_path / "set.npz"):
        raw = npy.read(source, TARGET)
        val = 1 if keys == MEDMNIST else 0
        assert raw.official == ["train"] * 3 + ["val"] * val + ["test"] * 2
        assert raw.labels == ["0", "1", "2", *["2"] * val, "1", "0"]
        assert raw.sources[0] == "train[0]"
        assert np.array_equal(stacked(raw), pixels[[0, 1, 2, *[5] * val, 3, 4]])
    raw = npy.read(tmp_path, TARGET, images=keys[2], labels=keys[3])
    assert raw.official is None
    assert np.array_equal(stacked(raw), pixels[3:5])
    with pytest.raises(UserError, match="expected `images` too"):
        npy.read(tmp_path, TARGET, labels=keys[1])


def test_npz_by_keys(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    np.savez_compressed(tmp_path / "set.npz", pictures=pixels, digits=np.arange(6), who=np.array(list("aabbcc")))
    with pytest.raises(UserError, match=r"expected one array or `options: {images: <key>}`, got pictures, digits, who"):
        npy.read(tmp_path, TARGET)
    raw = npy.read(tmp_path, TARGET, images="pictures", labels="digits", groups="who")
    assert np.array_equal(stacked(raw), pixels)
    assert raw.labels == list("012345")
    assert raw.groups == list("aabbcc")
    with pytest.raises(UserError, match="expected an array 'digit', found none; did you mean 'digits'"):
        npy.read(tmp_path, TARGET, images="pictures", labels="digit")
    np.savez(tmp_path / "set.npz", pixels)
    assert np.array_equal(stacked(npy.read(tmp_path, TARGET)), pixels)
    np.savez(tmp_path / "set.npz", allow_pickle=True, images=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="expected 'images' to be an array of numbers"):
        npy.read(tmp_path, TARGET, images="images")


def test_damaged_npz(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    path = tmp_path / "set.npz"
    np.savez_compressed(path, images=pixels)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(UserError, match="expected"):
        npy.read(tmp_path, TARGET)
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with contextlib.suppress(UserError):
            npy.read(tmp_path, TARGET)


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((6, 3, 5), {}, (3, 5)),
        ((6, 9, 5, 1), {}, (9, 5, 1)),
        ((6, 9, 5, 3), {}, (9, 5, 3)),
        ((6, 3, 9, 5), {}, (9, 5, 3)),
        ((6, 1, 9, 5), {}, (9, 5, 1)),
        ((6, 3, 9, 3), {"layout": "chw"}, (9, 3, 3)),
        ((6, 3, 9, 3), {"layout": "hwc"}, (3, 9, 3)),
        ((6, 3, 9, 3), {}, r"set `options: {layout: hwc}` or `chw`"),
        ((6, 9, 5, 3), {"layout": "chw"}, "expected 1 or 3 channels in `layout: chw`"),
        ((6, 9, 5, 4), {}, r"expected 1 or 3 channels, got uint8 \(6, 9, 5, 4\)"),
        ((9, 5, 3), {}, r"got uint8 \(9, 5, 3\), which looks like one: set `size`"),
        ((6, 15), {}, r"expected an array of shape \(N, H, W\), .* \(6, 15\): set `size: \[height, width\]`"),
        ((6, 16), {}, r"\(6, 16\): set `size: \[height, width\]`, for example \[4, 4\]"),
        ((6, 48), {}, r"\(6, 48\): set `size: \[height, width\]`, for example \[4, 4\]"),
        ((15,), {}, r"expected an array of shape \(N, H, W\), .* got uint8 \(15,\)$"),
    ],
)
def test_the_order_of_axes(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, str], expected: tuple[int, ...] | str
) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "images.npy", array)
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            npy.read(tmp_path, Target(None, "rgb"), **options)  # type: ignore[arg-type]
        return
    images = stacked(npy.read(tmp_path, Target(None, "rgb"), **options))  # type: ignore[arg-type]
    assert images.shape == (6, *expected)
    moved = array.ndim == 4 and images.shape != array.shape
    if options.get("layout") != "hwc" and moved:
        assert np.array_equal(images, array.transpose(0, 2, 3, 1))
    else:
        assert np.array_equal(images, array)


def test_an_image_a_row(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "images.npy", pixels.reshape(6, -1))
    for color in ("gray", "rgb"):
        assert np.array_equal(stacked(npy.read(tmp_path, Target(SIZE, color))), pixels)
    assert len(npy.read(tmp_path, TARGET, count=2).images) == 2
    with pytest.raises(UserError, match=r"expected rows of 16 values for `size: \[4, 4\]`, or 48, got uint8 \(6, 15\)"):
        npy.read(tmp_path, Target((4, 4), "gray"))
    images = np.random.default_rng(0).integers(0, 256, (6, *SIZE, 3), np.uint8)
    for layout, array in (("hwc", images), ("chw", images.transpose(0, 3, 1, 2))):
        np.save(tmp_path / "images.npy", array.reshape(6, -1))
        raw = npy.read(tmp_path, Target(SIZE, "rgb"), layout=layout)  # type: ignore[arg-type]
        assert np.array_equal(stacked(raw), images)
        with pytest.raises(UserError, match=r"set `options: {layout: hwc}` or `chw`"):
            npy.read(tmp_path, Target(SIZE, "rgb"))


@pytest.mark.parametrize(
    ("file", "text"),
    [("labels.csv", "digit\n1\n2\n3\n4\n5\n6\n"), ("labels.csv", "0\n1\n2\n3\n4\n5\n6\n"),
     ("labels.txt", "1\n2\n3\n4\n5\n6\n\n")],
)  # fmt: skip
def test_one_line_of_labels_too_many(tmp_path: Path, pixels: NDArray[np.uint8], file: str, text: str) -> None:
    np.save(tmp_path / "images.npy", pixels)
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"for each of 6 images, got .* \(7,\): a header or an empty line\?"):
        npy.read(tmp_path, TARGET, labels=file)
    (tmp_path / file).write_text(text + "8\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"for each of 6 images, got .* \(8,\)$"):
        npy.read(tmp_path, TARGET, labels=file)


def test_gray_images_three_pixels_wide(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "images.npy", pixels.transpose(0, 2, 1))
    assert npy.read(tmp_path, Target((5, 3), "gray")).images[0].shape == (5, 3)


def test_matlab_that_is_damaged(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    path = tmp_path / "images.mat"
    scipy.io.savemat(path, {"faces": pixels.reshape(6, -1).T}, do_compression=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(UserError, match="expected a MATLAB file"):
        matlab.read(tmp_path, TARGET, variable="faces", column_major=False)


@pytest.mark.parametrize("column_major", [True, False])
def test_matlab(tmp_path: Path, pixels: NDArray[np.uint8], column_major: bool) -> None:
    columns = (pixels.transpose(0, 2, 1) if column_major else pixels).reshape(6, -1).T
    scipy.io.savemat(tmp_path / "images.mat", {"faces": columns})
    raw = matlab.read(tmp_path, TARGET, variable="faces", column_major=column_major, images_per_class=3)
    assert np.array_equal(stacked(raw), pixels)
    assert raw.labels == ["0", "0", "0", "1", "1", "1"]


def test_matlab_without_the_variable(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "images.mat", {"ff": np.zeros((15, 2), np.uint8)})
    with pytest.raises(UserError, match="expected the variable 'faces', got: ff"):
        matlab.read(tmp_path, TARGET, variable="faces", column_major=False, images_per_class=None)


def test_matlab_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "images.mat").write_bytes(b"<html>not found</html>" * 20)
    with pytest.raises(UserError, match="expected a MATLAB file"):
        matlab.read(tmp_path, TARGET, variable="faces", column_major=False, images_per_class=None)


def test_labels_in_a_variable_of_matlab(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    columns, labels = pixels.reshape(6, -1).T, np.array([[0.0, 1, 0, 1, 1, 0]])
    scipy.io.savemat(tmp_path / "images.mat", {"faces": columns, "y": labels})
    raw = matlab.read(tmp_path / "images.mat", TARGET, variable="faces", label_variable="y", class_names=("no", "yes"))
    assert raw.labels == ["no", "yes", "no", "yes", "yes", "no"]
    assert raw.groups is None
    with pytest.raises(UserError, match="expected `images_per_class` or `label_variable`, got both"):
        matlab.read(tmp_path, TARGET, variable="faces", label_variable="y", images_per_class=2)
    with pytest.raises(UserError, match="expected 'faces' of 6 numbers, got"):
        matlab.read(tmp_path, TARGET, variable="faces", label_variable="faces")


@needs_mirror
def test_olivetti_faces_are_upright_and_of_the_right_pixels() -> None:
    raw = matlab.read(
        Path(DATASETS) / "olivetti", Target((64, 64), "gray"), variable="faces", column_major=True, images_per_class=10
    )
    faces = stacked(raw)
    # The digest of the pixels as they lie in the file is upstream's, from the project's design.
    digest = hashlib.sha256(np.ascontiguousarray(faces.transpose(0, 2, 1)).tobytes()).hexdigest()
    assert digest == "b119468c2f13775df12d3950e7c96644811647a6e10d30617777f245bf9b2f8b"
    # A face looks like its mirror image from side to side, and not from top to bottom.
    mean = faces.mean(axis=0)
    assert np.abs(mean - mean[:, ::-1]).mean() < np.abs(mean - mean[::-1]).mean() / 2


@pytest.mark.parametrize("name", readers())
def test_the_options_of_every_reader_are_explained(name: str) -> None:
    read = reader(name)
    docstring = inspect.getdoc(read)
    assert docstring is not None
    for key in section(read).model_fields:
        assert f"\n    {key}: " in docstring, f"{name} does not explain {key}"


READER = '''
from pathlib import Path

import numpy as np

from hourglass.config.types import Count
from hourglass.data.preparation.raw import RawImages, Target, numbered, only_file


def read(folder: Path, target: Target, *, header_bytes: Count = 4) -> RawImages:
    """Read one file of bytes.

    Args:
        folder: The upstream files.
        target: Its size is that of the images.
        header_bytes: Skipped.
    """
    path = only_file(folder, "*.raw")
    images = np.fromfile(path, np.uint8, offset=header_bytes).reshape(-1, *target.stated_size(path))
    return RawImages(images, numbered(path, len(images)))
'''


def test_a_reader_is_one_file(fresh: Project, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 4, 6), np.uint8)
    (tmp_path / "upstream").mkdir()
    (tmp_path / "upstream/images.raw").write_bytes(b"12345678" + pixels.tobytes())
    (fresh.folder / "hourglass/data/readers/bytes.py").write_text(READER, encoding="utf-8")
    entry = {"source": str(tmp_path / "upstream"), "format": "bytes", "size": [4, 6], "options": {"header_bytes": 8}}
    fresh.change("datasets.mine", entry)
    fresh.ok("python", "-m", "stages.check")
    fresh.ok("python", "-m", "stages.prepare", "mine")
    prepared = [
        np.asarray(open_split(fresh.folder / f"data/prepared/mine/{split}")) for split in ("train", "val", "test")
    ]
    assert [len(images) for images in prepared] == [16, 2, 2]
    assert {image.tobytes() for images in prepared for image in images} == {image.tobytes() for image in pixels}
    fresh.change("datasets.mine.options", {"header_byte": 8})
    done = fresh.run("python", "-m", "stages.prepare", "mine")
    assert "datasets.mine.options: unknown key 'header_byte'; did you mean 'header_bytes'?" in done.stderr
