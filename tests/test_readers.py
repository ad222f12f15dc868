"""Readers return what is in a file, and refuse a file that is not what it says."""

import contextlib
import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from hourglass.config.keywords import section
from hourglass.console.errors import UserError
from hourglass.data.preparation.formats import reader, readers
from hourglass.data.preparation.raw import RawImages, Target
from hourglass.data.readers import csv, folder, idx, matlab, npy

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
    assert raw.official_test is not None
    assert raw.official_test.tolist() == [False] * 4 + [True] * 2
    assert raw.sources[4] == "test[0]"


def test_idx_truncated_gzip(idx_folder: Path) -> None:
    path = idx_folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(UserError, match=r"damaged one .*: fetch it again"):
        idx.read(idx_folder, TARGET)


@pytest.mark.parametrize(("announced", "message"), [(9, "got 60 bytes"), (3, "got more"), (2**31, "got 60 bytes")])
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


def test_csv(tmp_path: Path) -> None:
    rows = np.arange(12).reshape(2, 6)
    table = np.hstack([rows, [[7], [3]]])
    np.savetxt(tmp_path / "images.csv", table, delimiter=",")
    raw = csv.read(tmp_path, Target((2, 3), "gray"), white=11)
    assert np.array_equal(stacked(raw), np.rint(rows / 11 * 255).reshape(2, 2, 3))
    assert raw.labels == ["7", "3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4,5,6,nan\n", "expected a number as every row's label"),
        ("1,2,3\n", "expected 6 values and a label in a row"),
        ("a,b\n", "table of numbers"),
        ("1,2,3,4,5,99,0\n", "0 to 11"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "images.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        csv.read(tmp_path, Target((2, 3), "gray"), white=11)


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
    with pytest.raises(UserError, match="expected values from 0 to 1, got nan"):
        npy.read(tmp_path, TARGET, white=1, count=None)


def test_csv_labels_are_whole_numbers_however_large(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("1,2,3,4,5,6,1000001\n1,2,3,4,5,7,1000002\n", encoding="utf-8")
    assert csv.read(tmp_path, Target((2, 3), "gray"), white=255).labels == ["1000001", "1000002"]


def test_matlab_that_is_damaged(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    path = tmp_path / "images.mat"
    scipy.io.savemat(path, {"faces": pixels.reshape(6, -1).T}, do_compression=True)
    whole = path.read_bytes()
    for at in range(128, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with contextlib.suppress(UserError):
            matlab.read(tmp_path, TARGET, variable="faces", column_major=False)
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
    assert read.__doc__ is not None
    for key in section(read).model_fields:
        assert f"        {key}: " in read.__doc__, f"{name} does not explain {key}"


def test_folder_refuses_what_is_no_regular_expression() -> None:
    for key in ("pattern", "test"):
        with pytest.raises(ValueError, match=r"expected a regular expression, got '\(' \("):
            section(folder.read)(**{key: "("})


def test_labels_of_a_pattern_need_a_group(tmp_path: Path) -> None:
    for pattern in (None, "SUB(?P<group>.*)"):
        with pytest.raises(UserError, match=r"`labels: pattern` expects a `pattern` with a group \(\?P<label>"):
            folder.read(tmp_path, TARGET, labels="pattern", pattern=pattern)


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
    prepared = [np.load(fresh.folder / f"data/prepared/mine/{split}.npy") for split in ("train", "val", "test")]
    assert [len(images) for images in prepared] == [16, 2, 2]
    assert {image.tobytes() for images in prepared for image in images} == {image.tobytes() for image in pixels}
    fresh.change("datasets.mine.options", {"header_byte": 8})
    done = fresh.run("python", "-m", "stages.prepare", "mine")
    assert "datasets.mine.options: unknown key 'header_byte'; did you mean 'header_bytes'?" in done.stderr
