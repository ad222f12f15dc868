"""The command line of a trained model, on files: what goes in comes back, under its name."""

import argparse
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import hourglass
from hourglass.__main__ import make_parser
from hourglass.codec.codec import Codec
from hourglass.commands.comparison import Comparison
from hourglass.commands.inputs import Batch
from hourglass.commands.jpeg import jpeg_within
from hourglass.commands.sizes import enlarge
from hourglass.console.errors import UserError
from hourglass.data.image import Preparation

from .conftest import ROOT
from .test_codec import packed

COMMANDS = ("info", "encode", "decode", "compress", "decompress", "score", "search", "export", "manifest")
SHAPE = (3, 9, 11)
NAMES = ("a.png", "b/1.png", "b/2.png", "b/10.png", "b/deep/Zoë ☕.png")  # in natural order


def run(*arguments: object) -> None:
    parsed: argparse.Namespace = make_parser().parse_args([str(argument) for argument in arguments])
    parsed.run(parsed)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small model; PCA of as many numbers is beside it. Tests must not change them."""
    folder = tmp_path_factory.mktemp("models")
    packed(folder / "pca", "pca", SHAPE)
    packed(folder / "dense", "dense: linear", SHAPE)
    return folder / "dense"


@pytest.fixture(scope="module")
def codec(model: Path) -> Codec:
    return hourglass.load(model)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of images as large as the model's, and of a file that is none."""
    folder = tmp_path / "photos"
    for seed, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed)).save(folder / name)
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    return folder


def pixels(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (9, 11, 3), np.uint8)


def image(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as opened:
        return np.asarray(opened)


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".csv"])
def test_images_to_numbers_and_back(model: Path, codec: Codec, photos: Path, tmp_path: Path, suffix: str) -> None:
    output, decoded = tmp_path / f"latents{suffix}", tmp_path / "decoded"
    run("encode", model, photos, "-o", output)
    images = np.stack([pixels(seed) for seed in range(len(NAMES))])
    latents = codec.transform(images)
    if suffix == ".npz":
        with np.load(output) as arrays:
            names, stored = arrays["names"].tolist(), arrays["latents"]
    else:
        table = pd.read_csv(output) if suffix == ".csv" else pd.read_parquet(output)
        names, stored = table.pop("name").tolist(), table.to_numpy(np.float32)
        assert list(table.columns) == codec.get_feature_names_out().tolist()
    assert names == list(NAMES)
    assert stored.dtype == np.float32
    assert (stored == latents).all()
    run("decode", model, output, "-o", decoded)
    assert files_in(decoded) == sorted(NAMES)
    for name, expected in zip(NAMES, codec.inverse_transform(latents), strict=True):
        assert (image(decoded / name) == expected).all()


def test_images_to_files_and_back(model: Path, codec: Codec, photos: Path, tmp_path: Path) -> None:
    run("compress", model, photos, "-o", tmp_path / "each")
    run("compress", model, photos, "--one-file", "-o", tmp_path / "all.hg")
    assert files_in(tmp_path / "each") == sorted(name.replace(".png", ".hg") for name in NAMES)
    for seed, name in enumerate(NAMES):
        assert (tmp_path / "each" / name).with_suffix(".hg").read_bytes() == codec.compress(pixels(seed))
    run("decompress", model, tmp_path / "each", "-o", tmp_path / "from-each")
    run("decompress", model, tmp_path / "all.hg", "-o", tmp_path / "from-all")
    for folder in (tmp_path / "from-each", tmp_path / "from-all"):
        assert files_in(folder) == sorted(NAMES)
        for seed, name in enumerate(NAMES):
            assert (image(folder / name) == codec.decompress(codec.compress(pixels(seed)))).all()


def test_bits_decide_how_large_files_are(model: Path, photos: Path, tmp_path: Path) -> None:
    for bits in (4, 16):
        run("compress", model, photos, "--one-file", "--bits", bits, "-o", tmp_path / f"{bits}.hg")
    assert (tmp_path / "4.hg").stat().st_size < (tmp_path / "16.hg").stat().st_size


def test_a_file_that_python_wrote_without_names(model: Path, codec: Codec, tmp_path: Path) -> None:
    latents = codec.transform(np.stack([pixels(seed) for seed in range(11)]))
    (tmp_path / "many.hg").write_bytes(codec.to_file(latents))
    run("decompress", model, tmp_path / "many.hg", "-o", tmp_path / "out")
    assert files_in(tmp_path / "out") == [f"many/{index:02}.png" for index in range(11)]


def test_names_stay_apart(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "a.bmp", "b.png"):
        Image.fromarray(pixels(0)).save(tmp_path / "in" / name)
    run("compress", model, tmp_path / "in", "-o", tmp_path / "out")
    assert files_in(tmp_path / "out") == ["a.bmp.hg", "a.png.hg", "b.png.hg"]
    (tmp_path / "other").mkdir()
    Image.fromarray(pixels(1)).save(tmp_path / "other" / "a.png")
    run("encode", model, tmp_path / "in", tmp_path / "other", "-o", tmp_path / "two.csv")
    assert pd.read_csv(tmp_path / "two.csv")["name"].tolist() == ["in/a.bmp", "in/a.png", "in/b.png", "other/a.png"]
    with pytest.raises(UserError, match=r"names that differ, got .*in/a\.png and .*other/a\.png"):
        run("encode", model, tmp_path / "in/a.png", tmp_path / "other/a.png", "-o", tmp_path / "x.csv")


@pytest.mark.skipif(os.name == "nt", reason="no file has such a name there")
def test_names_that_only_windows_takes_for_paths_come_back(model: Path, photos: Path, tmp_path: Path) -> None:
    """What is encoded under a name is decoded under it."""
    (photos / "a.png").rename(photos / "Screenshot 12:30.png")
    (photos / "b/1.png").rename(photos / "b" / "C:\\1.png")
    names = files_in(photos)
    names.remove("notes.txt")
    run("encode", model, photos, "-o", tmp_path / "l.npz")
    run("decode", model, tmp_path / "l.npz", "-o", tmp_path / "decoded")
    run("compress", model, photos, "-o", tmp_path / "each")
    run("decompress", model, tmp_path / "each", "-o", tmp_path / "from-each")
    run("compress", model, photos, "--one-file", "-o", tmp_path / "all.hg")
    run("decompress", model, tmp_path / "all.hg", "-o", tmp_path / "from-all")
    for folder in ("decoded", "from-each", "from-all"):
        assert files_in(tmp_path / folder) == names


def test_photos_of_other_kinds(
    model: Path, codec: Codec, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    large = Image.fromarray(np.kron(pixels(0), np.ones((8, 8, 1), np.uint8)))
    large.resize((60, 90)).save(folder / "turned.jpg", exif=exif)
    large.convert("RGBA").save(folder / "rgba.png")
    large.convert("L").save(folder / "gray.webp")
    Image.fromarray(np.asarray(large.convert("L")).astype(np.uint16) * 257).save(folder / "sixteen.png")
    run("compress", model, folder, "-o", tmp_path / "out")
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "4 images of 2 sizes" in error
    assert "cropped and scaled to 9x11 RGB" in error
    assert not recwarn
    stored = {name: codec.from_file((tmp_path / "out" / name).read_bytes()) for name in files_in(tmp_path / "out")}
    assert stored["turned.hg"].sizes == [(60, 90)]
    assert stored["rgba.hg"].sizes == [(72, 88)]
    assert (stored["rgba.hg"].latents == codec.from_file(codec.compress(large)).latents).all()
    Image.fromarray(pixels(0)).save(folder / "same.png")
    run("compress", model, folder, "--one-file", "-o", tmp_path / "all.hg")
    together = codec.from_file((tmp_path / "all.hg").read_bytes())
    assert dict(zip(together.names, together.sizes, strict=True)) == {
        "turned.jpg": (60, 90),
        "rgba.png": (72, 88),
        "gray.webp": (72, 88),
        "sixteen.png": (72, 88),
        "same.png": (9, 11),
    }
    run("decompress", model, tmp_path / "out", "--original-size", "-o", tmp_path / "back")
    assert "what was cropped is in no file" in capsys.readouterr().err
    assert image(tmp_path / "back" / "turned.png").shape == (60, 73, 3)  # 9:11, as much as fits into 60x90
    assert image(tmp_path / "back" / "rgba.png").shape == (72, 88, 3)


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [(40, 100), (100, 40), (31, 33)])
def test_original_sizes(resize: str, size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]]
    smooth = (60 + 150 * rows / size[0] + 40 * columns / size[1]).astype(np.uint8)
    prepared = Preparation("gray", (50, 60), resize).prepare(Image.fromarray(smooth), "smooth").pixels[0]
    back = enlarge(prepared, size, resize)
    kept = smooth
    if resize == "crop":
        top, left = (size[0] - back.shape[0]) // 2, (size[1] - back.shape[1]) // 2
        kept = smooth[top : top + back.shape[0], left : left + back.shape[1]]
        assert back.shape[0] == size[0] or back.shape[1] == size[1]
    assert back.shape == kept.shape
    inside = (slice(4, -4), slice(4, -4))
    assert np.abs(back[inside].astype(float) - kept[inside]).max() < 5


def test_scores(model: Path, codec: Codec, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("score", model, photos, "--csv", tmp_path / "scores.csv")
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 120
    assert "even the smallest file is larger than the model's for 5 of 5 images" in printed
    assert "JPEG, its smallest files" in printed
    table = pd.read_csv(tmp_path / "scores.csv")
    images = np.stack([pixels(seed) for seed in range(len(NAMES))])
    assert table["name"].tolist() == list(NAMES)
    assert np.allclose(table["model_psnr_db"], codec.score(images)["psnr_db"])
    assert np.allclose(table["pca_psnr_db"], hourglass.load(model.with_name("pca")).score(images)["psnr_db"])
    assert table["file_bytes"].tolist() == [len(codec.compress(image)) for image in images]
    run("compress", model, photos, "--one-file", "-o", tmp_path / "all.hg")
    one_file = (tmp_path / "all.hg").stat().st_size / len(NAMES)
    assert f"One .hg file of all, by compress --one-file: {one_file:,.1f} bytes an image." in printed
    row = next(line for line in printed.splitlines() if line.startswith("cells-small, float32"))
    low = np.percentile(table["model_psnr_db"], 5)
    assert row.split()[2:5] == ["12.0", f"{table['model_psnr_db'].mean():.2f}", f"{low:.2f}"]


def test_pca_s_files_are_the_best_that_fit(tmp_path: Path) -> None:
    """The model has many bits and PCA few in its folder; both are compared at the same bytes."""
    packed(tmp_path / "pca", "pca", SHAPE)
    packed(tmp_path / "dense", "dense: linear", SHAPE)
    model, pca = hourglass.load(tmp_path / "dense", bits=12), hourglass.load(tmp_path / "pca")
    batch = Batch(["a", "b"], [pixels(0), pixels(1)], [None, (90, 110)])
    comparison = Comparison(model, pca)
    comparison.add(batch)
    assert comparison.files
    assert comparison.linear_files
    for image, size, got, limit in zip(
        batch.pixels, batch.sizes, comparison.linear_files.sizes, comparison.files.sizes, strict=True
    ):
        latents = pca.transform(image[None])
        sizes = [len(pca.to_file(latents, sizes=[size], bits=bits)) for bits in range(4, 17)]
        assert got == max(candidate for candidate in sizes if candidate <= limit)


def test_scores_without_pca(model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = tmp_path / "alone" / "model"
    alone.parent.mkdir()
    alone.symlink_to(model)
    run("score", alone, photos)
    assert "PCA: none of 3 numbers beside the model's folder" in capsys.readouterr().out
    run("score", alone, photos, "--pca", model.with_name("pca"))
    assert "PCA, cells-small, float32" in capsys.readouterr().out
    with pytest.raises(UserError, match="expected a model of family pca, got one of dense"):
        run("score", alone, photos, "--pca", model)


def test_jpeg_is_the_best_that_fits() -> None:
    rows, columns = np.mgrid[:64, :64]
    smooth = (128 + 100 * np.sin(rows / 9) * np.cos(columns / 7)).astype(np.uint8)
    sizes = {}
    for quality in range(1, 101):
        buffer = BytesIO()
        Image.fromarray(smooth).save(buffer, "JPEG", quality=quality, optimize=True)
        sizes[quality] = len(buffer.getvalue())
    for limit in range(sizes[10], sizes[95], 50):
        found = jpeg_within(smooth, limit)
        assert found.fits
        assert found.size == sizes[found.quality] <= limit < sizes[found.quality + 1]
    errors = [np.abs(jpeg_within(smooth, sizes[quality]).pixels.astype(int) - smooth).mean() for quality in (10, 95)]
    assert errors[1] < errors[0]
    none = jpeg_within(smooth, 10)
    assert (none.quality, none.size, none.fits) == (1, sizes[1], False)


def test_search(model: Path, codec: Codec, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("search", model, photos / "a.png", photos, "-k", 3, "--picture", tmp_path / "near.png")
    lines = capsys.readouterr().out.splitlines()
    latents = codec.transform(np.stack([pixels(seed) for seed in range(len(NAMES))]))
    distances = np.linalg.norm(latents[1:] - latents[0], axis=1)
    order = np.argsort(distances)[:3]
    assert [line.rsplit(None, 1)[0] for line in lines[1:]] == [NAMES[1 + index] for index in order]
    assert [line.rsplit(None, 1)[1] for line in lines[1:]] == [f"{distances[index]:.4g}" for index in order]
    picture = image(tmp_path / "near.png")
    query = np.asarray(Image.fromarray(pixels(0)).resize((180, 147), Image.Resampling.NEAREST))
    assert (picture[12 : 12 + 147, 12 : 12 + 180] == query).all()


def test_info(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("info", model)
    printed = capsys.readouterr().out
    rows = dict(line.split("  ", 1) for line in printed.splitlines() if not line.startswith(" "))
    assert rows["model"].strip() == "cells-small"
    assert rows["images"].strip().startswith("9x11 RGB (height x width), 297 bytes")
    size = sum(path.stat().st_size for path in model.iterdir())
    assert rows["size"].strip().startswith(f"{size:,} bytes")


def test_help_says_all_and_comes_at_once() -> None:
    hourglass_help = [sys.executable, "-X", "importtime", "-m", "hourglass", "--help"]
    done = subprocess.run(hourglass_help, cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(f"\n    {command} " in done.stdout for command in COMMANDS)
    assert not {"torch", "numpy", "pandas", "PIL"} & {
        line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()
    }
    for command in COMMANDS[:-1]:
        done = subprocess.run(
            [sys.executable, "-m", "hourglass", command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert f"hourglass {command} data/models/" in done.stdout
