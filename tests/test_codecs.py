"""Rate and distortion of JPEG, WebP, AVIF and PNG: the bytes of real files, and scores of what these decode to."""

import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from skimage.metrics import structural_similarity

from hourglass.arrays.spread import CODED
from hourglass.console.errors import UserError
from hourglass.data.sums import check_sums
from hourglass.image_codecs.formats import CODECS, JPEG, decode
from hourglass.image_codecs.sweep import BATCH_VALUES, TINY, Row, Way, grid, store_sheet, sweep, ways
from stages import codecs

from .conftest import ROOT
from .shards import save_split

Bytes = NDArray[np.uint8]


def waves(count: int, channels: int, height: int, width: int) -> Bytes:
    """Return smooth images (N, C, H, W), all of them different."""
    generator = np.random.default_rng(0)
    rows, columns = np.linspace(0, 3, height)[:, None], np.linspace(0, 3, width)
    phase, pace = generator.uniform(0, 6, (count, channels, 1, 1)), generator.uniform(0.5, 2, (count, 1, 1, 1))
    return (128 + 110 * np.sin(rows * pace + columns + phase)).astype(np.uint8)


def measured(images: Bytes, *names: str) -> list[Row]:
    """Return the rows of some ways."""
    kept, _ = ways(len(images), images.shape[1:])
    assert set(names) <= {way.name for way in kept}
    return sweep(images, [way for way in kept if way.name in names])


def row_of(rows: list[Row], name: str, quality: int) -> dict[str, float]:
    """Return the numbers of one way and quality."""
    (row,) = (row for row in rows if (row["codec"], row["quality"]) == (name, quality))
    return {key: float(value) for key, value in row.items() if key != "codec"}


def pillow(image: Bytes) -> Image.Image:
    """Return an image (C, H, W) as Pillow's."""
    return Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(np.moveaxis(image, 0, -1)))


def psnr(original: Bytes, decoded: Bytes) -> float:
    """Return the PSNR in dB of two images of bytes, in float64."""
    return float(10 * np.log10(255**2 / np.square(original.astype(float) - decoded).mean()))


SAVED: dict[tuple[str, int], tuple[str, dict[str, Any]]] = {
    ("JPEG", 45): ("a.jpg", {"quality": 45, "optimize": True, "subsampling": 2}),
    ("JPEG", 90): ("a.jpg", {"quality": 90, "optimize": True, "subsampling": 0}),
    ("WebP", 25): ("a.webp", {"quality": 25, "method": 6}),
    ("AVIF", 55): ("a.avif", {"quality": 55, "speed": 6, "subsampling": "4:4:4", "max_threads": 1}),
}


@pytest.mark.parametrize(("way", "quality"), SAVED)
def test_bytes_and_scores_are_those_of_files_on_disk(way: str, quality: int, tmp_path: Path) -> None:
    images, (file, options) = waves(5, 3, 33, 50), SAVED[way, quality]
    sizes, scores, similar = [], [], []
    for image in images:
        pillow(image).save(tmp_path / file, **options)
        sizes.append((tmp_path / file).stat().st_size)
        decoded = np.moveaxis(np.asarray(Image.open(tmp_path / file)), -1, 0)
        scores.append(psnr(image, decoded))
        similar.append(structural_similarity(image / 255, decoded / 255, data_range=1, channel_axis=0))
    row = row_of(measured(images, way), way, quality)
    assert row["bytes"] == np.mean(sizes)
    assert row["psnr_db"] == pytest.approx(np.mean(scores), abs=1e-4)
    assert row["ssim"] == pytest.approx(np.mean(similar), abs=1e-5)
    Image.new("RGB", (8, 8), (128, 128, 128)).save(tmp_path / file, **options)
    assert row["header_bytes"] == (tmp_path / file).stat().st_size


@pytest.mark.parametrize("channels", [1, 3])
def test_more_bytes_are_better_and_no_file_is_smaller_than_its_header(channels: int) -> None:
    table = pd.DataFrame(measured(waves(3, channels, 70, 64), *CODECS))
    assert set(table["codec"]) == set(CODECS)
    assert (table["bytes"] > table["header_bytes"]).all()
    for name, curve in table.groupby("codec"):
        assert curve["quality"].tolist() == list(CODECS[str(name)].qualities)
        assert curve["bytes"].is_monotonic_increasing, name
        assert curve["psnr_db"].iloc[-1] >= curve["psnr_db"].max() - 1, name
        assert (curve["psnr_db"].iloc[-1] > 88) == (CODECS[str(name)].kind == "lossless"), name


@pytest.mark.parametrize("name", CODECS)
def test_gray_stays_gray(name: str) -> None:
    image = waves(1, 1, 40, 40)[0, 0]
    decoded = decode(CODECS[name].encode(image, CODECS[name].qualities[-1]), color=False)
    assert decoded.shape == image.shape
    assert psnr(image, decoded) > 45 if CODECS[name].kind == "image codec" else (decoded == image).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_files_have_the_chroma_that_is_stated(channels: int) -> None:
    image = waves(1, channels, 40, 40)[0]
    pixels = np.asarray(pillow(image))
    for quality in JPEG.qualities:
        with Image.open(_written(JPEG.encode(pixels, quality))) as file:
            assert isinstance(file, JpegImagePlugin.JpegImageFile)
            sampling = {-1: "4:0:0", 0: "4:4:4", 2: "4:2:0"}[JpegImagePlugin.get_sampling(file)]
        assert sampling == JPEG.subsampling(quality, color=channels == 3)
    data = CODECS["AVIF"].encode(pixels, 50)
    flags = data[data.index(b"av1C") + 6]  # AV1 Codec ISO Media File Format Binding, 2.3.3
    assert f"{flags >> 2 & 7:03b}" == {1: "111", 3: "000"}[channels]  # monochrome, subsampled in x and in y
    assert CODECS["AVIF"].subsampling(50, color=channels == 3) == {1: "4:0:0", 3: "4:4:4"}[channels]


def _written(data: bytes) -> "os.PathLike[str]":
    path = Path("file")
    path.write_bytes(data)
    return path


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_a_sheet_gives_every_image_back_in_its_place(count: int, channels: int) -> None:
    images = waves(count, channels, 9, 11)
    _, decoded = store_sheet(images, CODECS["PNG"], 100)
    np.testing.assert_array_equal(decoded, images)


def test_a_sheet_is_one_file_of_all_images(tmp_path: Path) -> None:
    images = waves(7, 1, 20, 12)
    assert grid(7) == (3, 3)
    sheet = np.zeros((60, 36), np.uint8)
    places = [(20 * (index // 3), 12 * (index % 3)) for index in range(7)]
    for image, (top, left) in zip(images, places, strict=True):
        sheet[top : top + 20, left : left + 12] = image[0]
    Image.fromarray(sheet).save(tmp_path / "sheet.jpg", quality=25, optimize=True)
    back = np.asarray(Image.open(tmp_path / "sheet.jpg"))
    scores = [psnr(image[0], back[y : y + 20, x : x + 12]) for image, (y, x) in zip(images, places, strict=True)]
    rows = measured(images, "JPEG", "JPEG sheet")
    alone, row = row_of(rows, "JPEG", 25), row_of(rows, "JPEG sheet", 25)
    assert row["bytes"] == (tmp_path / "sheet.jpg").stat().st_size / 7
    assert row["psnr_db"] == pytest.approx(np.mean(scores), abs=1e-4)
    assert row["header_bytes"] * 7 == alone["header_bytes"]
    assert row["bytes"] < alone["bytes"] / 2


def test_of_many_images_256_are_taken_at_equal_distances() -> None:
    images = waves(600, 1, 4, 4)
    chosen = images[[600 * index // 256 for index in range(256)]]
    assert len(chosen) == CODED
    assert measured(images, "JPEG", "PNG sheet") == measured(chosen, "JPEG", "PNG sheet")


def test_what_cannot_be_is_left_out_with_its_reason() -> None:
    kept, left_out = ways(3, (1, 8, 17_000))
    assert {way.name for way in kept} == {"JPEG", "AVIF", "PNG"}
    assert left_out["WebP"] == "expected sides of at most 16,383 pixels, got 8x17000"
    assert left_out["sheet"] == "expected images of at most 4,096 pixels, got 8x17000"
    assert TINY == 4096
    kept, left_out = ways(10_000, (1, 1, 4096))  # a sheet of 256 is 16 times as wide, whatever the split has
    assert left_out.keys() == {"WebP sheet", "WebP lossless sheet", "JPEG sheet"}
    assert {"AVIF sheet", "PNG sheet", "WebP"} <= {way.name for way in kept}


def test_a_pillow_without_avif_leaves_it_out(tmp_path: Path) -> None:
    save_split(tmp_path / "data/prepared/cells", "test", waves(3, 1, 9, 11))
    script = "import sys; sys.modules['PIL._avif'] = None; from stages import codecs; codecs.main('cells')"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    folder = tmp_path / "data/codecs/cells"
    found = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    reason = "expected Pillow with AVIF, got a build without it"
    assert found["left_out"] == {"AVIF": reason, "AVIF sheet": reason}
    assert set(pd.read_csv(folder / "curves.csv")["codec"]) == {
        *("JPEG", "JPEG sheet", "WebP", "WebP sheet", "PNG", "PNG sheet", "WebP lossless", "WebP lossless sheet")
    }


def test_large_images_are_measured_some_at_a_time() -> None:
    images, way = waves(5, 3, 400, 400), Way("JPEG", replace(JPEG, qualities=(50,)))
    assert images.size > 2 * BATCH_VALUES
    (row,) = sweep(images, [way])
    alone = [sweep(images[index : index + 1], [way])[0] for index in range(5)]
    for name in ("bytes", "psnr_db", "ssim"):
        assert row[name] == pytest.approx(np.mean([float(one[name]) for one in alone]))


def test_memory_does_not_grow_with_the_images() -> None:
    way = Way("JPEG", replace(JPEG, qualities=(50,)))
    peaks = []
    for count in (2, 12):
        images = waves(count, 3, 400, 400)
        tracemalloc.start()
        sweep(images, [way])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("shape", [(1, 9, 11), (3, 70, 64)])
def test_the_stage_writes_the_same_twice(shape: tuple[int, int, int], tmp_path: Path) -> None:
    images = waves(5, *shape)
    save_split(tmp_path / "data/prepared/cells", "test", images, shards=2)
    folder = tmp_path / "data/codecs/cells"
    written = []
    for _ in range(2):
        codecs.main("cells")
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    assert check_sums(folder, "") == ["curves.csv"]
    table = pd.read_csv(folder / "curves.csv")
    assert list(table) == ["codec", "quality", "bytes", "psnr_db", "ssim", "header_bytes"]
    assert np.isfinite(table.drop(columns="codec").to_numpy()).all()
    expected = pd.DataFrame(sweep(images, ways(5, shape)[0]))
    pd.testing.assert_frame_equal(table, expected, rtol=1e-5, check_dtype=False)
    assert ("JPEG sheet" in set(table["codec"])) == (shape[1] == 9)


def test_what_is_known_of_the_files_is_in_about(tmp_path: Path) -> None:
    save_split(tmp_path / "data/prepared/gray", "test", waves(5, 1, 9, 11))
    save_split(tmp_path / "data/prepared/color", "test", waves(2, 3, 70, 64))
    for name in ("gray", "color"):
        codecs.main(name)
    gray, color = (
        json.loads(Path(f"data/codecs/{name}/about.json").read_text(encoding="utf-8")) for name in ("gray", "color")
    )
    assert (gray["images"], gray["image_shape"], gray["sheet"]) == (5, [1, 9, 11], "2 rows, 3 columns")
    assert gray["left_out"] == {}
    assert color["sheet"] is None
    assert color["left_out"].keys() == {"sheet"}
    assert gray["codecs"].keys() == color["codecs"].keys() == CODECS.keys()
    chroma = {name: codec["chroma"] for name, codec in color["codecs"].items()}
    assert chroma["JPEG"] == "4:2:0, 4:4:4 from quality 90 on"
    assert (chroma["WebP"], chroma["AVIF"]) == ("4:2:0", "4:4:4")
    assert gray["codecs"]["JPEG"]["chroma"] == "4:0:0"
    assert gray["codecs"]["AVIF"]["options"] == {"speed": 6, "max_threads": 1}
    assert gray["codecs"]["PNG"]["kind"] == "lossless"


def test_images_smaller_than_the_window_have_no_ssim(tmp_path: Path) -> None:
    save_split(tmp_path / "data/prepared/cells", "test", waves(3, 1, 5, 9))
    codecs.main("cells")
    assert "ssim" not in pd.read_csv("data/codecs/cells/curves.csv")
    about = json.loads(Path("data/codecs/cells/about.json").read_text(encoding="utf-8"))
    assert about["left_out"] == {"ssim": "expected images of at least 7x7 for its window, got 5x9"}


def test_nothing_prepared_says_what_to_run() -> None:
    with pytest.raises(UserError, match=r"^expected data/prepared/cells/test/SHA256SUMS, found none: .*prepare@cells$"):
        codecs.main("cells")
