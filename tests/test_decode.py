"""Images are decoded in order and once: what comes out, what is refused, and what the cache may and may not change."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hourglass.console.errors import UserError
from hourglass.data import image
from hourglass.data.content import digest
from hourglass.data.image import Preparation
from hourglass.data.preparation.cache import Cache
from hourglass.data.preparation.copies import first_copies
from hourglass.data.preparation.decode import _workers as count_workers
from hourglass.data.preparation.decode import decode
from hourglass.data.preparation.decoded import Decoded
from hourglass.data.preparation.raw import BadImageError, EncodedImage, RawImages
from hourglass.data.preparation.survey import Sample, look

GRAY = Preparation("gray", (8, 8))


@dataclass
class Files:
    """Image files that note which of them were read."""

    paths: list[Path]
    known: bool = False
    read: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> EncodedImage:
        path = self.paths[index]

        def read() -> bytes:
            self.read.append(path.name)
            return path.read_bytes()

        return EncodedImage(str(path), read, f"{path.name} {path.stat().st_mtime_ns}" if self.known else "")

    def raw(self) -> RawImages:
        return RawImages(self, [path.name for path in self.paths])


def make(folder: Path, count: int, height: int = 12, width: int = 12, start: int = 0) -> list[Path]:
    """Make different images, and return their paths."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{index:03}.png" for index in range(start, start + count)]
    for path in paths:
        pixels = np.random.default_rng(int(path.stem)).integers(0, 256, (height, width), np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def run(
    raw: RawImages,
    path: Path,
    preparation: Preparation = GRAY,
    skip_bad: bool = False,
    max_skipped: float = 0.1,
    allow_constant: bool = False,
    cache: Cache | None = None,
) -> Decoded:
    return decode(
        raw,
        path,
        preparation,
        skip_bad=skip_bad,
        max_skipped=max_skipped,
        allow_constant=allow_constant,
        cache=cache,
        name="mine",
    )


def pixels(decoded: Decoded, path: Path) -> NDArray[np.uint8]:
    return np.fromfile(path, np.uint8).reshape(-1, *decoded.image_shape)


@pytest.mark.parametrize(("side", "threads"), [(12, False), (140, True)])
def test_rows_are_in_order_and_known_by_their_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, threads: bool
) -> None:
    monkeypatch.setattr("hourglass.data.preparation.decode.TASK_IMAGES", 8)
    paths = make(tmp_path / "a", 100, side, side)
    paths[60].write_bytes(paths[3].read_bytes())
    assert look(Files(paths).raw()).gains_from_threads == threads
    files = Files(paths)
    decoded = run(files.raw(), tmp_path / "out")
    expected = [GRAY(path.read_bytes(), "").pixels for path in paths]
    assert np.array_equal(pixels(decoded, tmp_path / "out"), expected)
    assert [row.tobytes() for row in decoded.digests] == [digest(image) for image in expected]
    assert decoded.kept.tolist() == list(range(100))
    assert np.flatnonzero(decoded.copies != np.arange(100)).tolist() == [60]
    assert decoded.copies[60] == 3
    assert decoded.image_bytes == 64
    chosen = np.array([60, 0, 5])
    assert np.array_equal(list(decoded.read(chosen)), np.array(expected)[chosen])


def test_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    decoded = run(RawImages(images, [f"x[{i}]" for i in range(9)]), tmp_path / "out", Preparation("rgb", (8, 8)))
    assert np.array_equal(pixels(decoded, tmp_path / "out"), images.transpose(0, 3, 1, 2))
    assert len(decoded.keys) == len(decoded.encoded) == 0
    assert decoded.cropped_mean == decoded.cropped_max == 0
    with pytest.raises(UserError, match=r"x\[0\]: expected 1 channels, as `color` says, got 3"):
        run(RawImages(images, [f"x[{i}]" for i in range(9)]), tmp_path / "out")
    with pytest.raises(UserError, match=r"x\[0\]: expected 5x5 like all others, got 8x8: see `size`"):
        run(RawImages(images, [f"x[{i}]" for i in range(9)]), tmp_path / "out", Preparation("rgb", (5, 5)))


def test_no_images_are_an_error(tmp_path: Path) -> None:
    for preparation in (GRAY, Preparation("gray", None)):
        with pytest.raises(UserError, match="expected at least one image that can be used, got none"):
            run(Files([]).raw(), tmp_path / "out", preparation)


def spoil(paths: list[Path]) -> None:
    """Make one image a broken one and one a black one."""
    paths[2].write_bytes(b"")
    Image.new("L", (9, 9), 7).save(paths[5])


def test_bad_and_constant_images_are_skipped_and_named_in_one_pass(tmp_path: Path) -> None:
    paths = make(tmp_path / "a", 20)
    spoil(paths)
    decoded = run(Files(paths).raw(), tmp_path / "out", skip_bad=True)
    assert [line.partition(": ")[0] for line in decoded.skipped] == [str(paths[2]), str(paths[5])]
    assert decoded.skipped[0].endswith("expected an image, got an empty file")
    assert decoded.skipped[1].endswith("expected an image, got the one value 7 everywhere")
    assert decoded.kept.tolist() == [index for index in range(20) if index not in (2, 5)]
    with_constant = run(Files(paths).raw(), tmp_path / "out", skip_bad=True, allow_constant=True)
    assert len(with_constant.kept) == 19


def test_too_many_bad_images_stop_it_at_the_end(tmp_path: Path) -> None:
    paths = make(tmp_path / "a", 20)
    for path in paths[::2][:7]:
        path.write_bytes(b"text")
    with pytest.raises(UserError) as refused:
        run(Files(paths).raw(), tmp_path / "out", skip_bad=True, max_skipped=0.3)
    message = str(refused.value)
    assert message.startswith("mine: expected at most 30.0% bad images, got 7 of 20: ")
    assert "raise `max_skipped`" in message
    assert [path.name in message for path in paths[::2][:7]] == [True] * 5 + [False] * 2
    assert len(run(Files(paths).raw(), tmp_path / "out", skip_bad=True, max_skipped=0.35).kept) == 13


def test_without_skip_the_first_bad_image_is_named_with_a_remedy(tmp_path: Path) -> None:
    paths = make(tmp_path / "a", 20)
    spoil(paths)
    with pytest.raises(UserError, match=r"002\.png: expected an image, got an empty file; `on_bad_image: skip`"):
        run(Files(paths).raw(), tmp_path / "out")
    with pytest.raises(UserError, match=r"005\.png: expected an image, got the one value 7 .*`allow_constant: true`"):
        run(Files(paths[3:]).raw(), tmp_path / "out")


def test_a_file_that_changed_is_no_bad_image(tmp_path: Path) -> None:
    def changed() -> bytes:
        raise UserError("changed")

    images = [EncodedImage("x", changed)]
    with pytest.raises(UserError, match=r"^changed$") as refused:
        run(RawImages(images, ["x"]), tmp_path / "out", Preparation("gray", (8, 8), "stretch"), skip_bad=True)
    assert not isinstance(refused.value, BadImageError)


def test_what_the_crop_cuts_away_is_said_before_anything_is_decoded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = make(tmp_path / "a", 3) + make(tmp_path / "a", 2, 48, 27, 10) + make(tmp_path / "a", 1, 24, 30, 20)
    paths[0].write_bytes(b"")
    with pytest.raises(UserError, match="an empty file"):
        run(Files(paths).raw(), tmp_path / "out")
    line = (
        "mine: crop to 8x8 cuts away 44% of the pixels of portrait images (48x27, for example 010.png): "
        "`resize: stretch` or `pad` keeps all\n"
    )
    assert capsys.readouterr().out == line
    decoded = run(Files(paths[1:]).raw(), tmp_path / "out")
    assert decoded.cropped_max == pytest.approx(1 - 27 / 48)
    assert decoded.cropped_mean == pytest.approx((2 * (1 - 27 / 48) + (1 - 24 / 30)) / 5)
    capsys.readouterr()
    for preparation in (Preparation("gray", (8, 8), "pad"), Preparation("gray", (8, 8), "stretch")):
        assert run(Files(paths[1:]).raw(), tmp_path / "out", preparation).cropped_max == 0
    run(Files(make(tmp_path / "b", 5, 20, 21)).raw(), tmp_path / "out")  # less than a tenth
    assert capsys.readouterr().out == ""


def test_copies_are_found_at_their_first(tmp_path: Path) -> None:
    digests = np.random.default_rng(0).integers(0, 2, (500, 16), np.uint8) * (np.arange(16) > 11).astype(np.uint8)
    seen: dict[bytes, int] = {}
    expected = [seen.setdefault(row.tobytes(), index) for index, row in enumerate(digests)]
    assert first_copies(digests).tolist() == expected
    assert len(seen) < 20


def kept(files: Files, folder: Path, preparation: Preparation = GRAY) -> tuple[Decoded, bytes, list[str]]:
    """Run with a cache as `prepare` does; return what was decoded, its bytes, and the files that were decoded."""
    decoded_names: list[str] = []

    class Noting(Preparation):
        def __call__(self, data: bytes, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN204
            decoded_names.append(Path(name).name)
            return super().__call__(data, name)

    noting = Noting(**preparation.values() | {"size": preparation.size})
    cache = Cache.open(folder / "cache", preparation)
    decoded = run(files.raw(), folder / "out", noting, cache=cache)
    data = (folder / "out").read_bytes()
    cache.keep(decoded)
    assert not (folder / "out").exists()
    return decoded, data, sorted(decoded_names)


def assert_same(first: Decoded, second: Decoded) -> None:
    for name in ("image_shape", "kept", "digests", "copies", "skipped", "encoded", "keys", "cropped"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


@pytest.mark.parametrize("known", [False, True])
def test_only_what_is_new_is_decoded_and_the_bits_are_the_same(tmp_path: Path, known: bool) -> None:
    paths = make(tmp_path / "a", 300, 12, 14)
    _, _, names = kept(Files(paths, known), tmp_path)
    assert len(names) == 300
    more = make(tmp_path / "a", 20, 12, 15, start=900)
    mixed = [*more[:10], *paths[100:], *more[10:], *paths[:90]]
    files = Files(mixed, known)
    decoded, data, names = kept(files, tmp_path)
    assert names == [path.name for path in more]
    fresh = run(Files(mixed, known).raw(), tmp_path / "fresh")
    assert data == (tmp_path / "fresh").read_bytes()
    assert_same(decoded, fresh)
    assert decoded.cropped_mean == fresh.cropped_mean > 0
    again = Files(mixed, known)
    assert kept(again, tmp_path, Preparation("gray", (8, 8)))[2] == []
    assert len(set(again.read)) == (100 if known else len(mixed))  # those of which the headers are looked at


def test_another_preparation_decodes_all_again(tmp_path: Path) -> None:
    paths = make(tmp_path / "a", 10)
    kept(Files(paths), tmp_path)
    assert len(kept(Files(paths), tmp_path, Preparation("gray", (8, 8), "stretch"))[2]) == 10
    assert len(kept(Files(paths), tmp_path, Preparation("gray", (8, 8), "stretch"))[2]) == 0
    assert len(kept(Files(paths), tmp_path)[2]) == 10


def test_another_pillow_or_another_code_decodes_all_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = make(tmp_path / "a", 10)
    kept(Files(paths), tmp_path)
    monkeypatch.setattr("PIL.__version__", "0.0")
    assert len(kept(Files(paths), tmp_path)[2]) == 10
    edited = tmp_path / "image.py"
    edited.write_bytes(Path(str(image.__file__)).read_bytes() + b"# edited")
    monkeypatch.setattr(image, "__file__", str(edited))
    assert len(kept(Files(paths), tmp_path)[2]) == 10
    assert len(kept(Files(paths), tmp_path)[2]) == 0


def change_byte(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


DAMAGE: list[tuple[str, Callable[[Path], object], int]] = [
    ("one pixel", lambda folder: change_byte(folder / "images", 64 * 4 + 9), 1),
    ("cut off", lambda folder: (folder / "images").write_bytes((folder / "images").read_bytes()[:-1]), 10),
    ("no images", lambda folder: (folder / "images").unlink(), 10),
    ("rows", lambda folder: change_byte(folder / "rows.npy", 200), 10),
    ("half of the rows", lambda folder: (folder / "rows.npy").write_bytes(b"\x93NUMPY"), 10),
    ("no json", lambda folder: (folder / "cache.json").write_text("{", encoding="utf-8"), 10),
    ("another shape", lambda folder: edit(folder / "cache.json", "8,\n    8", "4,\n    16"), 10),
    ("another count", lambda folder: edit(folder / "cache.json", '"images": 10', '"images": 10.0'), 10),
    ("deep json", lambda folder: (folder / "cache.json").write_text("[" * 100_000, encoding="utf-8"), 10),
    ("a file in its place", replace_by_file, 10),
    ("other json", lambda folder: (folder / "cache.json").write_text("[]", encoding="utf-8"), 10),
]


@pytest.mark.parametrize(("what", "damage", "count"), DAMAGE, ids=[case[0] for case in DAMAGE])
def test_a_damaged_cache_is_as_none(tmp_path: Path, what: str, damage: Callable[[Path], object], count: int) -> None:
    paths = make(tmp_path / "a", 10)
    first, data, _ = kept(Files(paths), tmp_path)
    damage(tmp_path / "cache")
    second, again, names = kept(Files(paths), tmp_path)
    assert len(names) == count, what
    assert again == data
    assert_same(first, second)


def test_a_changed_file_is_decoded_again(tmp_path: Path) -> None:
    paths = make(tmp_path / "a", 10)
    kept(Files(paths, known=True), tmp_path)
    paths[4].write_bytes(paths[3].read_bytes())
    decoded, _, names = kept(Files(paths, known=True), tmp_path)
    assert names == ["004.png"]
    assert decoded.copies[4] == 3


def test_a_constant_image_in_the_cache_is_refused_like_any_other(tmp_path: Path) -> None:
    paths = make(tmp_path / "a", 10)
    Image.new("L", (9, 9)).save(paths[0])
    cache = Cache.open(tmp_path / "cache", GRAY)
    cache.keep(run(Files(paths).raw(), tmp_path / "out", allow_constant=True, cache=cache))
    cache = Cache.open(tmp_path / "cache", GRAY)
    assert len(cache) == 10
    with pytest.raises(UserError, match=r"000\.png: expected an image, got the one value 0 everywhere"):
        run(Files(paths).raw(), tmp_path / "out", cache=cache)


def test_arrays_leave_no_cache(tmp_path: Path) -> None:
    kept(Files(make(tmp_path / "a", 10)), tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8), np.uint8)
    cache = Cache.open(tmp_path / "cache", GRAY)
    cache.keep(run(RawImages(images, [""] * 9), tmp_path / "out", cache=cache))
    assert not (tmp_path / "cache").exists()


def test_more_images_than_the_disk_has_room_for_are_refused_before_one_is_decoded(tmp_path: Path) -> None:
    @dataclass
    class Many(Files):
        def __len__(self) -> int:
            return 10**9

        def __getitem__(self, index: int, /) -> EncodedImage:
            return super().__getitem__(0)

    many = Many(make(tmp_path / "a", 1))
    huge = Preparation("rgb", (9000, 9000))
    with pytest.raises(
        UserError, match=r"mine: expected 486,000,000\.0 GB free in .* for 1,000,000,000 images of 9000"
    ):
        run(RawImages(many, [""]), tmp_path / "out", huge)
    assert (tmp_path / "out").stat().st_size == 0


def test_large_images_are_decoded_by_few_threads() -> None:
    def workers(side: int) -> int:
        return count_workers(Sample([(0, side, side)], 0.0, files=True), side * side)

    assert workers(100) == (os.cpu_count() or 1)
    assert workers(9000) == 1


def test_the_cache_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = make(tmp_path / "a", 10)
    kept(Files(paths), tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()}
    more = make(tmp_path / "a", 12)
    cache = Cache.open(tmp_path / "cache", GRAY)
    decoded = run(Files(more).raw(), tmp_path / "out", cache=cache)

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("shutil.move", full)
    with pytest.raises(OSError, match="disk full"):
        cache.keep(decoded)
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == before
    assert json.loads(before["cache.json"])["images"] == 10


@pytest.mark.parametrize(("white", "said"), [(4095, True), (65535, False)])
def test_dark_files_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], white: int, said: bool) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for index, path in enumerate(paths):
        values = np.random.default_rng(index).integers(0, white, (8, 8))
        values[0, 0] = white
        Image.fromarray(values.astype(np.uint16)).save(path)
    kept(Files(paths), tmp_path)
    line = "mine: the brightest value of all images is 16 of 255: if that is not how they look, scale the files so"
    assert (line in capsys.readouterr().out) == said
    kept(Files(paths), tmp_path)
    assert (line in capsys.readouterr().out) == said  # from the cache, too
    run(RawImages(np.random.default_rng(0).integers(0, 17, (3, 8, 8), np.uint8), [""] * 3), tmp_path / "out")
    assert capsys.readouterr().out == ""  # readers of arrays ask for `white`


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_colors_that_become_gray_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    random = np.random.default_rng(0)
    gray = np.repeat(random.integers(0, 256, (40, 40, 1), np.uint8), 3, axis=2)
    for name, pixels, color, said in (
        ("color", random.integers(0, 256, (40, 40, 3), np.uint8), "gray", True),
        ("kept", random.integers(0, 256, (40, 40, 3), np.uint8), "rgb", False),
        ("gray", gray, "gray", False),
    ):
        path = tmp_path / f"{name}.{suffix}"
        Image.fromarray(pixels).save(path)
        run(Files([path]).raw(), tmp_path / "out", Preparation(color, (8, 8)))
        line = "mine: images in color become gray: `color: rgb` keeps their colors\n"
        assert capsys.readouterr().out == (line if said else "")
