"""Arrays, tables and shards that are damaged, or made to do harm: each ends in one line, before its sizes are believed."""

import gzip
import io
import os
import re
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
from PIL import Image

from hourglass.console.errors import UserError
from hourglass.data.preparation import raw as limits
from hourglass.data.preparation import table_file
from hourglass.data.preparation.formats import reader
from hourglass.data.preparation.labels import is_number
from hourglass.data.preparation.raw import Target
from hourglass.data.readers import csv, idx, matlab, npy, parquet, webdataset

TARGET = Target((3, 5), "gray")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 3, 5), np.uint8)


def header(text: str, values: bytes = b"") -> bytes:
    """Write a .npy with any text as its header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + values


def described(shape: str, kind: str = "|u1", values: bytes = b"") -> bytes:
    return header(f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}\n", values)


HEADERS = {
    "zip magic": (b"PK\x03\x04" + bytes(100), "the magic string is not correct"),
    "unbalanced": (header("{'descr': '|u1', 'shape': (2, 3"), "a damaged header"),
    "parentheses": (header("(" * 9000), "a damaged header"),
    "nested": (header("-" * 9000 + "1"), "a damaged header"),
    "10**30 images": (described(f"({10**30}, 3, 5)"), "bytes, while its header says 15,000,000,000,"),
    "0 modulo 2**64": (described(f"({2**32}, {2**32}, 16)"), "bytes, while its header says 295,147,"),
    "negative": (described("(-1, 3, 5)", values=bytes(15)), "no values"),
    "two negatives": (described("(-2, -3, 5)", values=bytes(30)), "no values"),
    "2**40 images of no pixels": (described(f"({2**40}, 0, 5)"), "no values"),
    "true": (described("(True, 3, 5)", values=bytes(15)), "no values"),
    "objects": (described("(6, 3, 5)", "|O", bytes(720)), "objects of Python"),
    "long header": (header(" " * 20_000), "EOF"),
    "more": (described("(6, 3, 5)", values=bytes(91)), "bytes, while its header says"),
    "fewer": (described("(6, 3, 5)", values=bytes(89)), "bytes, while its header says"),
}


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize(("content", "message"), HEADERS.values(), ids=HEADERS)
def test_numpy_headers_that_lie(tmp_path: Path, suffix: str, content: bytes, message: str) -> None:
    path = tmp_path / f"images.{suffix}"
    if suffix == "npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", content)
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as refused:
        npy.read(path, TARGET)
    assert str(refused.value).startswith(f"{path}: expected ")
    assert "\n" not in str(refused.value)


def test_archives_of_arrays_that_are_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNPACKED_BYTES", 1 << 20)
    for images, fits in ((np.zeros((1 << 18, 3, 5), np.uint8), False), (np.tile(PIXELS, (5000, 1, 1)), True)):
        np.savez_compressed(tmp_path / "set.npz", images=images)
        if fits:  # 200 times smaller or not, it is not large
            monkeypatch.setattr(limits, "UNPACKED_BYTES", 1 << 30)
            assert len(npy.read(tmp_path, TARGET).images) == 30_000
        else:
            with pytest.raises(UserError, match=r"3,932,288 bytes, unpacked, while at most 1,048,576 are read"):
                npy.read(tmp_path, TARGET)


def test_arrays_in_fortrans_order_are_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.asfortranarray(PIXELS))
    assert np.array_equal(np.asarray(npy.read(tmp_path, TARGET).images), PIXELS)
    np.savez(tmp_path / "images.npz", images=np.asfortranarray(PIXELS))
    assert np.array_equal(np.asarray(npy.read(tmp_path / "images.npz", TARGET).images), PIXELS)


def test_a_count_above_what_is_there_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", PIXELS)
    assert len(npy.read(tmp_path, TARGET, count=6).images) == 6
    with pytest.raises(UserError, match="expected at least 7 images, as `count` says, got 6"):
        npy.read(tmp_path, TARGET, count=7)


@pytest.mark.parametrize("shape", [(2**31, 2**31, 4), (2**32 - 1, 0, 2**32 - 1), (0, 3, 5)])
def test_sizes_of_idx_that_multiply_to_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", *shape))
    with pytest.raises(UserError, match=r"expected (at least one value|18446744073709551616 bytes)"):
        idx.read(tmp_path, TARGET)


# Since Python 3.14 a full stack is an exception, with words of its own.
NESTED_CELLS, NESTED_LISTS = (
    (": Stack overflow .*", "Stack overflow")
    if sys.version_info >= (3, 14)
    else (" a damaged one, which SciPy crashes on", "maximum recursion")
)


def mat_nested(path: Path) -> None:
    """Write 20,000 cells, each in another: SciPy calls itself until the stack is full."""
    element = b""
    for number in range(20_000):
        size = (5, 8, 1, 1)
        array = struct.pack("<4I", 6, 8, 1 if number else 9, 0) + struct.pack("<4I", *size) + struct.pack("<2I", 1, 5)
        body = array + b"faces\0\0\0" + (element or struct.pack("<2I", 2, 1) + bytes(8))
        element = struct.pack("<2I", 14, len(body)) + body
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + element)


def mat_huge(path: Path) -> None:
    path.write_bytes(struct.pack("<5i", 50, 2**31 - 1, 2**31 - 1, 0, 6) + b"faces\0" + bytes(100))


def mat_new(path: Path) -> None:
    path.write_bytes(b"MATLAB 7.3".ljust(124) + b"\0\2IM" + bytes(384) + b"\x89HDF\r\n\x1a\n" + bytes(1000))


def mat_structure(path: Path) -> None:
    scipy.io.savemat(path, {"faces": {"a": PIXELS}})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (mat_nested, f"expected a MATLAB file up to version 7, got{NESTED_CELLS}"),
        (mat_huge, "expected a variable that fits into 3 GiB of memory, got more"),
        (mat_new, r"expected a MATLAB file up to version 7, got version 7\.3: save it with -v7"),
        (mat_structure, "expected numbers as 'faces', got a structure, cells or a sparse matrix"),
    ],
)
def test_what_kills_scipy_is_one_line(tmp_path: Path, write: Callable[[Path], None], message: str) -> None:
    write(tmp_path / "images.mat")
    with pytest.raises(UserError) as refused:
        matlab.read(tmp_path, TARGET, variable="faces")
    assert re.fullmatch(f"{re.escape(str(tmp_path / 'images.mat'))}: {message}", str(refused.value))


@pytest.mark.parametrize(("version", "compressed"), [("4", False), ("5", False), ("5", True)])
def test_a_variable_is_what_scipy_reads(tmp_path: Path, version: str, compressed: bool) -> None:
    values = np.arange(90).reshape(15, 6) / (1 if version == "4" else 2)
    scipy.io.savemat(tmp_path / "a.mat", {"faces": values}, format=version, do_compression=compressed)
    found = matlab._load(tmp_path / "a.mat", "faces")
    assert found.dtype == values.dtype
    assert np.array_equal(found, scipy.io.loadmat(tmp_path / "a.mat")["faces"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1," * 14 + b"9" * (1 << 20), "rows of more than 1,048,576 bytes: is a quote not closed"),
        (b'"' + b"1,2,3\n" * (1 << 18), "rows of more than 1,048,576 bytes: is a quote not closed"),
        (b"0," * 2000, "a row of more than 1,000 columns"),
        ((b"9," * 14 + b"9\n") * 3 + b"0," * 2000, "a row of more than 1,000 columns"),
        (b"9," * 14 + b"9" * 5000 + b"\n", r"got '9{37}\.\.\.' in row 1, column 15"),
        (b"9," * 14 + b"2\x003\n", r"got '2\\x003' in row 1, column 15"),
    ],
    ids=["field", "quote", "columns", "columns of a later row", "digits", "NUL"],
)
def test_tables_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, message: str) -> None:
    monkeypatch.setattr(table_file, "MAX_PIECE", 1 << 20)
    monkeypatch.setattr(table_file, "MAX_COLUMNS", 1000)
    (tmp_path / "images.csv").write_bytes(text)
    with pytest.raises(UserError, match=message) as refused:
        csv.read(tmp_path, TARGET, header=False)
    assert len(str(refused.value)) < 300


def test_a_table_that_is_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = b",".join([b"0"] * 14 + [b"255\n"])
    (tmp_path / "images.csv.gz").write_bytes(gzip.compress(row * 100_000, 9))
    assert len(csv.read(tmp_path, TARGET, header=False).images) == 100_000
    monkeypatch.setattr(limits, "UNPACKED_BYTES", 1 << 20)
    with pytest.raises(UserError, match=r"more than 1,\d+,\d+ bytes, unpacked: unpack it"):
        csv.read(tmp_path, TARGET, header=False)


def test_digits_are_read_once() -> None:
    assert not is_number("1" * 200_000 + "x")  # in seconds, when each could be in either half of a number
    assert [is_number(text) for text in ("1", "1.", ".1", "1.5e+3", "-1", "NaN", ".", "1e", "1_1", "")] == [
        *[True] * 6,
        *[False] * 4,
    ]


def test_one_long_label_is_refused_where_all_would_take_its_memory(tmp_path: Path) -> None:
    long = "x" * 1001
    np.save(tmp_path / "images.npy", PIXELS)
    (tmp_path / "labels.txt").write_text("\n".join(["a"] * 5 + [long]), encoding="utf-8")
    with pytest.raises(UserError, match=r"expected labels of at most 1,000 characters, got 'x{37}\.\.\.'"):
        npy.read(tmp_path, TARGET, labels="labels.txt")
    rows = "".join(f"{label}{',9' * 15}\n" for label in ("a", long))
    (tmp_path / "images.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(UserError, match=r"expected labels of at most 1,000 characters"):
        csv.read(tmp_path, TARGET, header=False, label="first")
    pq.write_table(pa.table({"image": [photo()] * 2, "label": ["a", long]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"labels of 1,001 characters, while names have at most 1,000"):
        parquet.read(tmp_path, TARGET)


def photo() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(file, "PNG")
    return file.getvalue()


def test_few_bytes_of_parquet_that_stand_for_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNPACKED_BYTES", 1 << 22)
    same = pa.array([bytes(1 << 18)] * 100, pa.binary())  # stored once
    pq.write_table(pa.table({"image": same}), tmp_path / "a.parquet", compression="zstd")
    raw = parquet.read(tmp_path, TARGET)
    with pytest.raises(
        UserError, match=r"a\.parquet\[0\]: expected a whole file, got: 'image' has more than 4,194,304"
    ):
        raw.images[0].read()
    pq.write_table(pa.table({"image": same}), tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(UserError, match=r"expected row groups of at most 4,194,304 bytes, unpacked, got more"):
        parquet.read(tmp_path, TARGET).images[0].read()
    pq.write_table(pa.table({"image": pa.array([None] * 1_000_001, pa.binary())}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="expected as many rows as its bytes can hold, got 1,000,001"):
        parquet.read(tmp_path, TARGET)


def test_checksums_of_parquet_are_compared_where_there_are_some(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"image": [bytes(99) + bytes([number]) for number in range(20)]})
    for has_sums in (False, True):
        pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=has_sums)
        data = path.read_bytes()
        at = data.index(bytes(99) + b"\7") + 9
        path.write_bytes(data[:at] + b"\1" + data[at + 1 :])
        raw = parquet.read(path, TARGET)
        if has_sums:
            with pytest.raises(UserError, match=r"expected a whole file, got: .*CRC"):
                raw.images[7].read()
        else:
            assert raw.images[7].read()[9] == 1


def shard(path: Path, members: dict[str, bytes], comment: str = "") -> Path:
    with tarfile.open(path, "w") as opened:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.pax_headers = {"comment": comment} if comment else {}
            opened.addfile(info, io.BytesIO(content))
    return path


def test_shards_that_describe_themselves_without_an_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with pytest.raises(UserError, match=r"expected a whole \.tar file, .* got: a header of more than 1,048,576 bytes"):
        webdataset.read(shard(path, {"1.png": photo()}, "x" * (1 << 21)), TARGET)
    for suffix in (".cls", ".json"):
        with pytest.raises(UserError, match=rf"expected at most 1,048,576 bytes in 1{suffix}, got more"):
            webdataset.read(shard(path, {"1.png": photo(), f"1{suffix}": bytes(1 << 21)}), TARGET)
    with pytest.raises(UserError, match=rf"expected 1\.json to be JSON, got: {NESTED_LISTS}"):
        webdataset.read(shard(path, {"1.png": photo(), "1.json": b"[" * 100_000}), TARGET)
    huge = tarfile.TarInfo("1.png")
    huge.size = 50 << 30
    with path.open("wb") as file:
        file.write(huge.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + (50 << 30) + 10_240)  # on disk it is small
    with pytest.raises(UserError, match=r"expected an image of at most 1,073,741,824 bytes, got 53,687,091,200"):
        webdataset.read(path, TARGET).images[0].read()


FILES = {
    "npy": "images.npy",
    "idx": "images-idx3-ubyte",
    "matlab": "images.mat",
    "csv": "images.csv",
    "parquet": "images.parquet",
    "webdataset": "images.tar",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_regular_file_is_never_opened(tmp_path: Path, name: str, make: Callable[[Path], object]) -> None:
    make(tmp_path / FILES[name])
    options = {"variable": "faces"} if name == "matlab" else {}
    with pytest.raises(UserError, match="expected a regular file, got a folder, a pipe or a device"):
        reader(name)(tmp_path, TARGET, **options)


@pytest.mark.parametrize("pack", ["npz", "csv.gz", "idx.gz"])
def test_every_flipped_bit_of_packed_pixels_is_seen(tmp_path: Path, pack: str) -> None:
    def whole() -> tuple[str, bytes]:
        if pack == "npz":
            file = io.BytesIO()
            np.savez_compressed(file, images=PIXELS)
            return "images.npz", file.getvalue()
        if pack == "idx.gz":
            data = bytes([0, 0, 8, 3]) + struct.pack(">3I", *PIXELS.shape) + PIXELS.tobytes()
            return "images-idx3-ubyte.gz", gzip.compress(data)
        rows = "".join(",".join(map(str, image.flat)) + "\n" for image in PIXELS)
        return "images.csv.gz", gzip.compress(rows.encode())

    file, data = whole()
    format_name = {"npz": "npy", "csv.gz": "csv", "idx.gz": "idx"}[pack]
    options = {"header": False} if pack == "csv.gz" else {}
    places = (60, len(data) - 120) if pack == "npz" else (10, len(data))  # behind what is no pixel
    refused = 0
    for at in np.random.default_rng(0).integers(*places, 200).tolist():
        (tmp_path / file).write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        try:
            images = reader(format_name)(tmp_path, TARGET, **options).images
        except UserError:
            refused += 1
        else:  # a bit that pads a byte, say
            assert np.array_equal(np.asarray(images), PIXELS)
    assert refused > 190


def test_a_zlib_stream_in_a_matlab_file_is_checked_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"faces": PIXELS.reshape(6, -1).T}, do_compression=True)
    data = path.read_bytes()
    assert zlib.decompress(data[136:])
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match=r"expected a MATLAB file up to version 7, got: .*incorrect data check"):
        matlab.read(path, TARGET, variable="faces")
    length = int.from_bytes(data[132:136], "little")
    path.write_bytes(data[:132] + (length - 4).to_bytes(4, "little") + data[136:-4])  # without its checksum
    with pytest.raises(UserError, match=r"expected a MATLAB file up to version 7, got: its compressed part has no end"):
        matlab.read(path, TARGET, variable="faces")
