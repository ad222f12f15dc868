"""Image files are decoded the one right way, and what is no usable image is refused by name."""

import contextlib
import json
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hourglass.console.errors import UserError
from hourglass.data.image import MAX_PIXELS, Preparation, upright_size
from hourglass.data.preparation.raw import BadImageError

GRAY, RGB = Preparation("gray", None), Preparation("rgb", None)


def decoded(path: Path, preparation: Preparation = GRAY) -> NDArray[np.uint8]:
    """Decode a file to (H, W), or (H, W, C) if it is not gray."""
    pixels = preparation(path.read_bytes(), str(path)).pixels
    return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)


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


def write_long_stack(path: Path) -> None:
    """Write a TIFF of 200,000 pages, of one pixel each: to count them takes minutes."""
    tags = ((256, 3, 1), (257, 3, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, 1))
    page = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags
    )
    size = len(page) + 4
    pages = (page + struct.pack("<I", 8 + number * size) for number in range(1, 200_000))
    path.write_bytes(b"II*\0\x08\0\0\0" + b"".join(pages) + page + bytes(4))


def write_postscript(path: Path) -> None:
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", encoding="utf-8")


BAD: list[tuple[str, Callable[[Path], object], str]] = [
    ("truncated.jpg", write_truncated_jpg, "expected a whole image, got a damaged one"),
    ("text.png", lambda path: path.write_text("not a picture", encoding="utf-8"), "expected an image, got text"),
    ("empty.png", lambda path: path.write_bytes(b""), "expected an image, got an empty file"),
    ("bytes.bmp", lambda path: path.write_bytes(bytes(range(200))), "expected an image, got something else"),
    ("huge.png", lambda path: path.write_bytes(png_header(60_000, 60_000)), f"expected at most {MAX_PIXELS:,} pixels"),
    ("large.png", lambda path: path.write_bytes(png_header(11_000, 10_000)), f"expected at most {MAX_PIXELS:,} pixels"),
    ("eps.png", write_postscript, "expected an image, got something else than JPEG, PNG, WEBP, TIFF, BMP, GIF"),
    ("jp2.jpg", lambda path: noise(8, 8).save(path, "JPEG2000"), "expected an image, got something else than JPEG"),
    ("long.tif", write_long_stack, "expected one image, got an animation or a stack of several"),
    ("moving.gif", write_animation, "expected one image, got an animation or a stack of several"),
    ("stack.tif", write_animation, "expected one image, got an animation or a stack of several"),
    ("float.tif", lambda path: Image.new("F", (4, 4)).save(path), "expected 8 or 16 bits a channel, got 32"),
]


@pytest.mark.parametrize(("name", "write", "message"), BAD, ids=[name for name, _, _ in BAD])
def test_bad_images(tmp_path: Path, name: str, write: Callable[[Path], object], message: str) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(BadImageError) as refused:
        decoded(path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refused.value)


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 257, 32768, 65535]], np.uint16)).save(path)
    assert decoded(path).tolist() == [[0, 1, 128, 255]]


def test_cmyk_becomes_the_color_that_it_prints(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=100)  # magenta and yellow ink: red
    red, green, blue = decoded(path, RGB)[8, 8].tolist()
    assert red > 200
    assert max(green, blue) < 60


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    Image.fromarray(np.array([[[9, 9, 9, 0], [9, 9, 9, 255]]], np.uint8)).save(path)
    assert decoded(path).tolist() == [[255, 9]]


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)).quantize(2).save(path)
    assert decoded(path, RGB).tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_the_camera_was_held_sideways(tmp_path: Path) -> None:
    path = tmp_path / "sideways.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], np.uint8)).save(path, exif=exif)
    assert decoded(path).tolist() == [[4, 1], [5, 2], [6, 3]]


def test_the_camera_was_held_sideways_and_the_image_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "sideways.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.repeat(np.repeat(np.array([[0, 200]], np.uint8), 8, 0), 4, 1)).save(path, exif=exif)
    scaled = decoded(path, Preparation("gray", (4, 4), resample="box"))
    assert scaled[0].tolist() == [0, 0, 0, 0]
    assert scaled[3].tolist() == [200, 200, 200, 200]


def test_a_cameras_second_picture_is_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    noise(16, 16).save(path, format="MPO", save_all=True, append_images=[Image.new("L", (16, 16))])
    with Image.open(path) as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("MPO", 2)
    assert decoded(path).std() > 30


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
                assert decoded(path, RGB).shape[2] == 3


def test_crop_takes_the_middle_and_stretch_takes_all(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 200
    Image.fromarray(pixels).save(path)
    assert np.all(decoded(path, Preparation("gray", (5, 5), resample="box")) == 200)
    stretched = decoded(path, Preparation("gray", (5, 6), "stretch", resample="box"))
    assert stretched[0].tolist() == [0, 0, 200, 200, 0, 0]


def test_an_image_of_the_right_size_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "same.png"
    noise(7, 5).save(path)
    assert np.array_equal(decoded(path, Preparation("gray", (7, 5))), np.asarray(noise(7, 5)))


@pytest.mark.parametrize("size", [(20, 20), (40, 10), (7, 31), (30, 50)])
def test_crop_and_stretch_are_pillows_own(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "photo.png"
    image = noise(33, 51, 3)
    image.save(path)
    fitted = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.LANCZOS)
    assert np.array_equal(decoded(path, Preparation("rgb", size)), np.asarray(fitted))
    resized = image.convert("L").resize((size[1], size[0]), Image.Resampling.BOX)
    assert np.array_equal(decoded(path, Preparation("gray", size, "stretch", "box")), np.asarray(resized))


def test_pad_shows_the_whole_image_on_black(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (30, 10), (200, 100, 50)).save(path)
    padded = decoded(path, Preparation("rgb", (12, 12), "pad"))
    assert np.all(padded[4:8] == (200, 100, 50))
    assert not padded[:4].any()
    assert not padded[8:].any()
    tall = decoded(path, Preparation("gray", (10, 90), "pad"))
    assert (tall.sum(axis=0) > 0).tolist() == [False] * 30 + [True] * 30 + [False] * 30


@pytest.mark.parametrize(
    ("shape", "size", "part"),
    [
        ((40, 40), (8, 8), 0),
        ((20, 10), (8, 8), 1 / 2),
        ((10, 20), (8, 8), 1 / 2),
        ((1920, 1080), (64, 64), 1 - 1080 / 1920),
        ((30, 40), (64, 32), 1 - 15 / 40),
        ((3, 7), (9, 21), 0),
    ],
)
def test_how_much_the_crop_cuts_away(
    tmp_path: Path, shape: tuple[int, int], size: tuple[int, int], part: float
) -> None:
    path = tmp_path / "photo.png"
    Image.new("L", (shape[1], shape[0]), 9).save(path)
    assert Preparation("gray", size)(path.read_bytes(), "photo").cropped == pytest.approx(part)
    for whole in (Preparation("gray", size, "stretch"), Preparation("gray", size, "pad"), GRAY):
        assert whole(path.read_bytes(), "photo").cropped == 0


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_every_format(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"photo.{suffix}"
    image = Image.fromarray(np.kron(np.array([[0, 250, 0], [100, 0, 0]], np.uint8), np.ones((16, 16), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    turned = {2: "mirror", 3: "180", 4: "flip", 5: "transpose", 6: "270", 7: "transverse", 8: "90"}
    pixels = np.asarray(image)
    expected = {
        "mirror": pixels[:, ::-1],
        "180": pixels[::-1, ::-1],
        "flip": pixels[::-1],
        "transpose": pixels.T,
        "270": np.rot90(pixels, -1),
        "transverse": np.rot90(pixels, 2).T,
        "90": np.rot90(pixels),
    }.get(turned.get(orientation, ""), pixels)
    found = decoded(path)
    assert found.shape == expected.shape == upright_size(path.read_bytes(), "photo")
    assert np.abs(found.astype(int) - expected).max() < 60  # JPEG and WebP lose a little


def test_every_changed_byte_of_a_png_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    image = Image.fromarray(np.kron(np.arange(64, dtype=np.uint8).reshape(8, 8), np.ones((8, 8), np.uint8)))
    image.save(path)
    whole, expected = path.read_bytes(), np.asarray(image)
    seen = 0
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        try:
            pixels = GRAY(bytes(damaged), "photo").pixels
        except BadImageError:
            seen += 1
        else:
            assert np.array_equal(pixels[0], expected)  # something beside the pixels
    assert seen > len(whole) * 0.9


@pytest.mark.parametrize(
    ("suffix", "options"), [("png", {}), ("tif", {"compression": "tiff_adobe_deflate"})], ids=["png", "deflate tiff"]
)
def test_every_flipped_bit_of_pixels_with_a_checksum_is_seen(
    tmp_path: Path, suffix: str, options: dict[str, str]
) -> None:
    path = tmp_path / f"photo.{suffix}"
    noise(48, 40, 3).save(path, **options)
    whole = path.read_bytes()
    expected = decoded(path, RGB)
    for at in np.random.default_rng(0).integers(50, len(whole) - 250, 300).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(BadImageError, match="expected a whole image, got a damaged one"):
            decoded(path, RGB)
    path.write_bytes(whole)
    assert np.array_equal(decoded(path, RGB), expected)


def test_a_size_beyond_the_limit_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ValueError, match=r"expected at most 89,478,485 pixels, got 60,000 x 60,000"):
        Preparation("gray", (60_000, 60_000))
    with pytest.raises(UserError, match=r"preparation: size: expected at most 89,478,485 pixels"):
        Preparation.of(GRAY.values() | {"size": [1, 89_478_486]})
    assert Preparation.of(GRAY.values() | {"size": [1, 89_478_485]}).size == (1, 89_478_485)


def test_a_preparation_goes_through_json_and_back() -> None:
    for preparation in (Preparation("rgb", (5, 7), "pad", "box"), GRAY):
        assert Preparation.of(json.loads(json.dumps(preparation.values()))) == preparation
    assert GRAY.values()["orientation"] == "exif"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resize": "squeeze"}, "preparation: expected resize crop or stretch or pad, got squeeze"),
        ({"size": ["4", 5]}, "preparation: expected size [height, width], got ['4', 5]"),
        ({"size": 7}, "preparation: expected size [height, width], got 7"),
        ({"gamma": 2}, "preparation: expected color, size, resize, resample, orientation, got color, size, "),
    ],
)
def test_what_no_version_has_written_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as refused:
        Preparation.of(GRAY.values() | change)
    assert str(refused.value).startswith(message)


def test_names_may_have_spaces_and_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "Zoë im Café — 1 ☕.PNG"
    noise(4, 4).save(path)
    assert decoded(path).shape == (4, 4)
