"""A split in shards reads as one array does, and an image's own content says in which shard it is."""

import pickle
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.preparation.arrays import read_rows, write_split
from hourglass.data.preparation.shards import SHARD_BYTES, shard_count, shard_of, shard_order
from hourglass.data.prepared import MAPPED_AT_ONCE, Split, open_split
from hourglass.data.sums import write_sums

from .shards import load_split, save_split

SHAPE = (3, 4, 5)


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Return 23 images of random bytes, (23, 3, 4, 5)."""
    return np.random.default_rng(0).integers(0, 256, (23, *SHAPE), dtype=np.uint8)


def digests(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)


@pytest.mark.parametrize("shards", [1, 4, 30])  # of 30, some are empty
def test_a_split_reads_as_one_array(tmp_path: Path, pixels: NDArray[np.uint8], shards: int) -> None:
    split = open_split(save_split(tmp_path, "train", pixels, shards))
    assert isinstance(split, Split)
    assert (split.shape, split.dtype, split.ndim, split.nbytes) == (
        pixels.shape,
        pixels.dtype,
        pixels.ndim,
        pixels.nbytes,
    )
    assert len(split) == len(pixels)
    for index in (0, 5, 6, 22, -1, -23, np.int64(7)):
        np.testing.assert_array_equal(split[index], pixels[index])
    for part in (
        *(slice(start, stop) for start in range(-24, 25) for stop in (-25, -3, 0, 5, 6, 22, 23, 24, None)),
        slice(None, None, -1),
        slice(3, 20, 4),
        slice(20, 3, -4),
    ):
        assert split[part].shape == pixels[part].shape
        np.testing.assert_array_equal(split[part], pixels[part])
    for rows in ([22, 0, 0, -3, 11], np.array([5, 4, 6]), np.arange(23) % 3 == 0, np.empty(0, int)):
        np.testing.assert_array_equal(split[rows], pixels[rows])
    assert all(np.array_equal(one, other) for one, other in zip(split, pixels, strict=True))
    for index in (23, -24):
        with pytest.raises(IndexError):
            split[index]
        with pytest.raises(IndexError):
            split[[0, index]]


@pytest.mark.parametrize("shards", [1, 4])
def test_a_split_becomes_an_array(tmp_path: Path, pixels: NDArray[np.uint8], shards: int) -> None:
    split = open_split(save_split(tmp_path, "train", pixels, shards))
    for array in (np.asarray(split), np.array(split)):
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, pixels)
    assert np.asarray(split, np.float32).dtype == np.float32
    assert np.array(split).flags.writeable
    assert not split[2:4].flags.writeable  # a view of the file


def test_one_shard_is_as_fast_as_a_memory_map(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    split = open_split(save_split(tmp_path, "train", pixels))
    mapped = np.load(split.shards[0].path, mmap_mode="r")

    def seconds(images: Split | NDArray[np.uint8]) -> float:
        times = []
        for _ in range(20):
            started = time.perf_counter()
            for start in range(0, 20):
                images[start]
                images[start : start + 3]
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds(split) < seconds(mapped)  # in truth a fifth


def test_more_shards_than_are_mapped_at_once(tmp_path: Path) -> None:
    images = np.arange(3 * MAPPED_AT_ONCE, dtype=np.uint8).reshape(-1, 1, 1, 1)
    split = open_split(save_split(tmp_path, "val", images, len(images)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    np.testing.assert_array_equal(np.array([image[0, 0, 0] for image in split]), images.reshape(-1))
    np.testing.assert_array_equal(split[::-1], images[::-1])
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + MAPPED_AT_ONCE


def test_what_is_no_split_is_one_line(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    folder = save_split(tmp_path, "train", pixels, 12)

    def refused(message: str) -> None:
        with pytest.raises(UserError, match=rf"{message}.*: do this$"):
            open_split(folder, "do this", verify=False)

    second = folder / "train-00001.npy"
    saved = second.read_bytes()
    for wrong, message in (
        (pixels[:2].astype(float), r"expected uint8 \(any, any, any, any\), got float64 \(2, 3, 4, 5\)"),
        (pixels[:2, 0], r"expected uint8 \(any, any, any, any\), got uint8 \(2, 4, 5\)"),
        (pixels[:2, :, :3], r"expected images of \(3, 4, 5\), as before it, got \(3, 3, 5\)"),
        (np.asfortranarray(pixels[:2]), "expected one row after the other, got Fortran's order"),
        (np.array([{}], dtype=object), "expected a NumPy array, got"),
    ):
        np.save(second, wrong, allow_pickle=True)
        refused(f"^{second}: {message}")
    second.write_bytes(pickle.dumps(["not", "read"]))
    refused(f"^{second}: expected a NumPy array, got")
    second.write_bytes(saved[:-1])
    refused(f"^{second}: expected a NumPy array")
    second.write_bytes(saved + b"more")
    refused(f"^{second}: expected 120 bytes of values, got 4 more")
    for header in HEADERS:
        second.write_bytes(npy(header))
        refused(f"^{second}: expected ")
    second.unlink()
    refused(f"^expected {second}, found none")
    second.mkdir()
    refused(f"^{second}: expected a NumPy array, got: .*Is a directory")


HEADERS = (
    "{'descr': '|u1', 'fortran_order': False, 'shape': (%s,)}" % 10**30,
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 3, 4, 5)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 4, 5)",
    "{'descr': '|u1', 'fortran_order': False, 'shape': ((2,), 3, 4, 5)}",
    "(" * 5000,
    "{'descr': 'x', 'fortran_order': False, 'shape': (2, 3, 4, 5)}",
    "\0",
)


def npy(header: str) -> bytes:
    """Return a .npy file of version 1.0 whose header is this text, without any values."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


def test_a_split_that_was_damaged_is_one_line(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    folder = save_split(tmp_path, "train", pixels, 3)
    last, sums = folder / "train-00002.npy", folder / "SHA256SUMS"
    good = {path: path.read_bytes() for path in (last, sums)}

    def refused(message: str) -> None:
        with pytest.raises(UserError, match=rf"^{message}.*: do this$"):
            open_split(folder, "do this")
        for path, content in good.items():
            path.write_bytes(content)

    assert len(open_split(folder)) == len(pixels)
    flipped = bytearray(good[last])
    flipped[-1] ^= 1  # of the last pixel
    last.write_bytes(flipped)
    refused(f"{last}: expected SHA-256 [0-9a-f]{{64}}, got [0-9a-f]{{64}}: it is damaged")
    last.unlink()
    refused(f"expected {last}, found none")
    lines = good[sums].decode().splitlines(keepends=True)
    for wrong, message in (
        ("", f"{folder / 'train-00000.npy'}: expected SHA-256 none, got "),
        ("".join(lines[1:]), f"{folder / 'train-00000.npy'}: expected SHA-256 none, got "),
        (
            "".join(lines).replace("train-00001", "../../etc/x"),
            f"{sums}: expected lines of a SHA-256 and a file's name",
        ),
        (
            "<<<<<<< HEAD\n" + "".join(lines),
            f"{sums}: expected lines of a SHA-256 and a file's name, got '<<<<<<< HEAD'",
        ),
    ):
        sums.write_text(wrong, encoding="utf-8")
        refused(message)
    np.save(folder / "train-00007.npy", pixels)
    write_sums(folder)
    refused(f"{sums}: expected train-00000.npy and so on, got train-00000.npy, train-00001.npy, train-00002.npy")
    (folder / "train-00007.npy").unlink()
    sums.write_bytes(b"\xff" * 64)
    refused(f"{sums}: expected lines of a SHA-256 and a file's name, got: ")
    sums.unlink()
    refused(f"expected {sums}, found none")


def test_coreutils_checks_a_split(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    folder = save_split(tmp_path, "train", pixels, 3)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)


def test_a_split_is_written_shard_by_shard_and_read_back(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    shards = shard_of(digests(23), 4)
    order = shard_order(shards)
    assert sorted(order) == list(range(23))
    assert [(shards[position], position) for position in order] == sorted(zip(shards, range(23), strict=True))
    folder = tmp_path / "val"
    write_split(folder, (pixels[position] for position in order), shards[order], SHAPE)
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        *(f"val-0000{number}.npy" for number in range(4)),
    ]
    np.testing.assert_array_equal(load_split(tmp_path, "val"), pixels[order])
    for number, shard in enumerate(open_split(folder).shards):
        np.testing.assert_array_equal(np.load(shard.path), pixels[shards == number])
    shape, rows = read_rows(folder)
    assert shape == pixels.shape
    np.testing.assert_array_equal(np.stack(list(rows)), pixels[order])


def test_a_split_that_is_not_as_said_is_refused(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    for name, images, shards in (
        ("unordered", pixels[:3], [0, 1, 0]),
        ("fewer", pixels[:2], [0, 0, 1]),
        ("more", pixels[:4], [0, 0, 1]),
        ("smaller", pixels[:3, :, :2], [0, 0, 1]),
    ):
        with pytest.raises(ValueError, match="expected"):
            write_split(tmp_path / name, iter(np.ascontiguousarray(images)), np.array(shards), SHAPE)


def test_one_image_more_changes_one_shard(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    def write(name: str, count: int) -> dict[str, list[bytes]]:
        """Write the first images, and return those of every shard that has any."""
        order = shard_order(shards[:count])
        (tmp_path / name).mkdir()
        write_split(tmp_path / name / "train", pixels[order], shards[order], SHAPE)
        stored = {shard.path.name: np.load(shard.path) for shard in open_split(tmp_path / name / "train").shards}
        return {name: [image.tobytes() for image in images] for name, images in stored.items() if len(images)}

    for case, shards in enumerate((shard_of(digests(23), 8), np.repeat([1, 3], [22, 1]), np.repeat([3, 1], [22, 1]))):
        before, after = write(f"{case} before", 22), write(f"{case} after", 23)
        assert before.keys() <= after.keys()
        assert {name for name in after if before.get(name) != after[name]} == {f"train-0000{shards[22]}.npy"}


def test_a_split_without_images_is_one_empty_shard(tmp_path: Path) -> None:
    write_split(tmp_path / "val", [], np.empty(0, np.int64), SHAPE)
    split = open_split(tmp_path / "val")
    assert split.shape == (0, *SHAPE)
    assert list(split) == list(read_rows(tmp_path / "val")[1]) == []


def test_shards_stay_within_their_size_in_the_mean() -> None:
    assert [shard_count(size) for size in (0, 1, SHARD_BYTES)] == [1, 1, 1]
    assert [shard_count(SHARD_BYTES * times + 1) for times in (1, 2, 3, 4, 7, 8)] == [2, 4, 4, 8, 8, 16]
    for total in np.random.default_rng(0).integers(1, 10**15, 1000).tolist():
        count = shard_count(total)
        assert total / count <= SHARD_BYTES
        assert count == 1 or total / (count // 2) > SHARD_BYTES


def test_an_image_is_in_the_shard_that_its_hash_says() -> None:
    hashes = digests(100_000)
    assert set(shard_of(hashes, 1)) == {0}
    for count in (2, 16, 1024):
        shards = shard_of(hashes, count)
        sizes = np.bincount(shards, minlength=count)
        expected = len(hashes) / count
        assert len(sizes) == count
        assert np.square(sizes - expected).sum() / expected < 2 * count + 20  # the chi-squared statistic
        np.testing.assert_array_equal(shard_of(hashes[::-1][:500], count), shards[::-1][:500])  # alone, or among others
        np.testing.assert_array_equal(shard_of(hashes, 2 * count) // 2, shards)  # each is cut in two
    fixed = np.array([[0xB5, 0x40, *[0] * 14], [0xFF] * 16, [0] * 16], np.uint8)
    np.testing.assert_array_equal(shard_of(fixed, 16), [0xB, 0xF, 0])
    for count in (0, 3, 12):
        with pytest.raises(ValueError, match=f"expected a power of two, got {count}"):
            shard_of(hashes, count)
