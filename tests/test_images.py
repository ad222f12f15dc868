"""Image files are decoded the one right way, and what is no usable image is refused by name."""

import contextlib
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hourglass.data.preparation.raw import BadImageError
from hourglass.data.readers.folder import MAX_PIXELS, Decoder

GRAY, RGB = Decoder(None, "gray"), Decoder(None, "rgb")


def png_header(width: int, height: int) -> bytes:
    """Write a PNG that announces a size and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def noise(*shape: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def write_truncated_jpg(path: Path) -> None:
    noise(64, 64, 3).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_animation(path: Path) -> None:
    noise(8, 8).save(path, save_all=True, append_images=[Image.new("L", (8, 8))])


BAD: list[tuple[str, Callable[[Path], object], str]] = [
    ("truncated.jpg", write_truncated_jpg, "expected a whole image, got a damaged one"),
    ("text.png", lambda path: path.write_text("not a picture", encoding="utf-8"), "expected an image, got text"),
    ("empty.png", lambda path: path.write_bytes(b""), "expected an image, got an empty file"),
    ("bytes.bmp", lambda path: path.write_bytes(bytes(range(200))), "expected an image, got something else"),
    ("huge.png", lambda path: path.write_bytes(png_header(60_000, 60_000)), f"expected at most {MAX_PIXELS:,} pixels"),
    ("large.png", lambda path: path.write_bytes(png_header(11_000, 10_000)), f"expected at most {MAX_PIXELS:,} pixels"),
    ("moving.gif", write_animation, "expected one image, got an animation or a stack of 2"),
    ("stack.tif", write_animation, "expected one image, got an animation or a stack of 2"),
    ("float.tif", lambda path: Image.new("F", (4, 4)).save(path), "expected 8 or 16 bits a channel, got 32"),
]


@pytest.mark.parametrize(("name", "write", "message"), BAD, ids=[name for name, _, _ in BAD])
def test_bad_images(tmp_path: Path, name: str, write: Callable[[Path], object], message: str) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(BadImageError) as refused:
        GRAY(path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refused.value)


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 257, 32768, 65535]], np.uint16)).save(path)
    assert GRAY(path).tolist() == [[0, 1, 128, 255]]


def test_cmyk_becomes_the_color_that_it_prints(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=100)  # magenta and yellow ink: red
    red, green, blue = RGB(path)[8, 8].tolist()
    assert red > 200
    assert max(green, blue) < 60


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    Image.fromarray(np.array([[[9, 9, 9, 0], [9, 9, 9, 255]]], np.uint8)).save(path)
    assert GRAY(path).tolist() == [[255, 9]]


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)).quantize(2).save(path)
    assert RGB(path).tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_the_camera_was_held_sideways(tmp_path: Path) -> None:
    path = tmp_path / "sideways.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], np.uint8)).save(path, exif=exif)
    assert GRAY(path).tolist() == [[4, 1], [5, 2], [6, 3]]


def test_the_camera_was_held_sideways_and_the_image_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "sideways.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.repeat(np.repeat(np.array([[0, 200]], np.uint8), 8, 0), 4, 1)).save(path, exif=exif)
    scaled = Decoder((4, 4), "gray", resample="box")(path)
    assert scaled[0].tolist() == [0, 0, 0, 0]
    assert scaled[3].tolist() == [200, 200, 200, 200]


def test_a_cameras_second_picture_is_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    noise(16, 16).save(path, format="MPO", save_all=True, append_images=[Image.new("L", (16, 16))])
    with Image.open(path) as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("MPO", 2)
    assert GRAY(path).std() > 30


def test_whatever_is_damaged_is_a_bad_image(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for suffix in ("jpg", "png", "tif", "webp", "bmp", "gif"):
        path = tmp_path / f"image.{suffix}"
        exif = Image.Exif()
        exif[0x0112] = 6
        noise(24, 24, 3).save(path, exif=exif) if suffix not in ("bmp", "gif") else noise(24, 24, 3).save(path)
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for at in generator.integers(0, min(len(whole), 400), 3):
                damaged[at] = generator.integers(0, 256)
            path.write_bytes(damaged)
            with contextlib.suppress(BadImageError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert RGB(path).shape[2] == 3


def test_crop_takes_the_middle_and_stretch_takes_all(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 200
    Image.fromarray(pixels).save(path)
    assert np.all(Decoder((5, 5), "gray", resample="box")(path) == 200)
    stretched = Decoder((5, 6), "gray", resize="stretch", resample="box")(path)
    assert stretched[0].tolist() == [0, 0, 200, 200, 0, 0]


def test_an_image_of_the_right_size_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "same.png"
    noise(7, 5).save(path)
    assert np.array_equal(Decoder((7, 5), "gray")(path), np.asarray(noise(7, 5)))


def test_names_may_have_spaces_and_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "Zoë im Café — 1 ☕.PNG"
    noise(4, 4).save(path)
    assert GRAY(path).shape == (4, 4)
