"""`hourglass.load`: images to numbers and files, and back, by a model's folder alone."""

import json
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import hourglass
from hourglass.codec.codec import Codec
from hourglass.codec.package import pack
from hourglass.codec.source import REMOTE
from hourglass.codec.unpack import identity
from hourglass.coding.fit import fit_coding
from hourglass.console.errors import UserError
from hourglass.data.prepared import open_split
from hourglass.inference.batches import to_bytes
from hourglass.inference.store import write_config
from hourglass.networks.base.autoencoder import Autoencoder, scale

from .conftest import Project
from .test_families import LINEAR, NETWORK, VARIANTS, every_family_and_shape, make

CPU = torch.device("cpu")
FILES = ["README.md", "config.json", "model.safetensors", "quantizer.safetensors"]


def packed(folder: Path, family: str, shape: tuple[int, int, int]) -> tuple[Codec, Autoencoder, NDArray[np.uint8]]:
    """Write the folder of a small model; return its codec, its network and 20 images (N, C, H, W)."""
    network, images = make(family, shape)
    pixels = to_bytes(images)
    config = {
        "family": family.partition(":")[0],
        "image_shape": shape,
        "network": (NETWORK | VARIANTS | LINEAR)[family],
        "dataset": "cells",
        "preparation": {
            "color": "gray" if shape[0] == 1 else "rgb",
            "size": shape[1:],
            "resize": "crop",
            "resample": "lanczos",
            "orientation": "exif",
        },
    }
    folder.mkdir(parents=True)
    pack(folder, "cells-small", network, config, fit_coding(network, pixels, pixels, CPU), "# cells-small\n")
    return hourglass.load(folder), network, pixels


def channels_last(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)


@every_family_and_shape
def test_every_family_and_shape(tmp_path: Path, family: str, shape: tuple[int, int, int]) -> None:
    if shape[0] not in (1, 3):
        pytest.skip("no image file has so many channels")
    codec, network, pixels = packed(tmp_path / "model", family, shape)
    images = channels_last(pixels)
    with torch.no_grad():
        latents = network.encode(scale(torch.from_numpy(pixels)))
        decoded = to_bytes(network.decode(latents).clamp(0, 1))
    assert (codec.transform(images) == latents.numpy()).all()
    assert (codec.inverse_transform(latents.numpy()) == channels_last(decoded)).all()
    assert codec.transform(images).dtype == np.float32
    with torch.no_grad():
        alone = network.encode(scale(torch.from_numpy(pixels[:1]))).numpy()
        stored = torch.from_numpy(codec.quantizer.quantize(alone, codec.file_bits))
        expected = to_bytes(network.decode(stored).clamp(0, 1))
    assert (codec.decompress(codec.compress(images[0])) == channels_last(expected)[0]).all()


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> tuple[Codec, NDArray[np.uint8]]:
    codec, _, pixels = packed(tmp_path_factory.mktemp("codec") / "gray", "dense: linear", (1, 9, 7))
    return codec, pixels[:, 0]


@pytest.fixture(scope="module")
def color(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return packed(tmp_path_factory.mktemp("codec") / "color", "conv", (3, 5, 13))[0]


def test_the_pipeline_s_own_models(quickstart: Project) -> None:
    """Latents and reconstructions are those of `evaluate`, bit for bit, and files are as large as it says."""
    for name in ("digits-vae", "digits-conv", "digits-pca", "photos-tiles"):
        folder = quickstart.folder / "data/models" / name
        assert sorted(path.name for path in folder.iterdir()) == FILES
        codec = hourglass.load(folder)
        dataset = json.loads((folder / "config.json").read_text(encoding="utf-8"))["dataset"]
        images = channels_last(np.array(open_split(quickstart.folder / f"data/prepared/{dataset}/test", "again")))
        evaluated = quickstart.folder / "data/evaluated" / name
        latents = codec.transform(images)
        assert (latents == np.load(evaluated / "latents.npy")).all()
        reconstructions = channels_last(np.load(evaluated / "reconstructions.npy"))
        assert (codec.inverse_transform(latents) == reconstructions).all()
        metrics = json.loads((quickstart.folder / f"metrics/test/{name}.json").read_text(encoding="utf-8"))
        size = len(codec.to_file(latents)) - len(name)  # evaluate's file names no model
        files = json.loads((evaluated / "files.json").read_text(encoding="utf-8"))["test"]
        assert size / len(images) == pytest.approx(files["bytes"], rel=1e-3)
        assert codec.score(images)["psnr_db"].mean() == pytest.approx(metrics["psnr_db"], abs=0.02)  # of bytes
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert f"{metrics['psnr_db']:.2f}" in card
        meta = json.loads((quickstart.folder / f"data/prepared/{dataset}/meta.json").read_text(encoding="utf-8"))
        assert f"License: {meta['license']}\n- Citation: {meta['citation']}\n" in card


def test_a_folder_a_zip_and_a_commit_are_the_same_model(project: Project, tmp_path: Path) -> None:
    folder = project.folder / "data/models/digits-dense"
    images = np.array(open_split(project.folder / "data/prepared/digits/test", "again"))[:, 0]
    expected = hourglass.load(folder).transform(images)
    for top in ("", "digits-dense/"):
        with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
            for path in folder.iterdir():
                archive.write(path, top + path.name)
            archive.writestr("../outside", "x")
        assert (hourglass.load(tmp_path / "model.zip").transform(images) == expected).all()
        assert not (tmp_path.parent / "outside").exists()
    shutil.rmtree(project.folder / "data/models")
    for source in (f"{project.folder}@HEAD:data/models/digits-dense", f"{project.folder}:data/models/digits-dense"):
        assert (hourglass.load(source).transform(images) == expected).all()
    with pytest.raises(UserError, match=r"expected data/models/none in .* at HEAD, got: "):
        hourglass.load(f"{project.folder}@HEAD:data/models/none")


@pytest.mark.parametrize("path", ["data/models/x", "x"])
@pytest.mark.parametrize("revision", [None, "v1.0", "feature/new", "5f3c2a1"])
@pytest.mark.parametrize(
    "url",
    [
        "https://host/team/project.git",
        "https://user:token@host:8080/team/project",
        "ssh://git@host/project",
        "git@host:team/project.git",
        "/a/checkout",
        ".",
        "file:///a/checkout",
    ],
)
def test_where_in_a_repository_a_model_is(url: str, revision: str | None, path: str) -> None:
    found = REMOTE.fullmatch(f"{url}@{revision}:{path}" if revision else f"{url}:{path}")
    assert found
    assert found.groupdict() == {"url": url, "revision": revision, "path": path}


@pytest.mark.parametrize("model", ["https://host/team/project", "ssh://git@host/project", "data/models/x"])
def test_an_address_that_names_no_folder(model: str) -> None:
    with pytest.raises(UserError, match=f"URL@revision:folder, found no {model}"):
        hourglass.load(model)


def test_images_of_any_kind(gray: tuple[Codec, NDArray[np.uint8]], tmp_path: Path) -> None:
    codec, images = gray
    expected = codec.transform(images)
    for index, image in enumerate(images[:3]):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    kinds: list[Any] = [
        paths,
        [str(path) for path in paths],
        [Image.open(path) for path in paths],
        list(images[:3]),
        images[:3, :, :, None],
        images[:3].reshape(3, -1),
        pd.DataFrame(images[:3].reshape(3, -1)),
        (path for path in paths),
        np.array([str(path) for path in paths]),
        pd.Series([str(path) for path in paths]),
    ]
    for kind in kinds:
        np.testing.assert_allclose(codec.transform(kind), expected[:3], atol=1e-4)
    np.testing.assert_allclose(codec.transform(paths[0]), expected[:1], atol=1e-4)
    with pytest.warns(UserWarning, match="^3 images made gray, as the training images were$"):
        colored = codec.transform(np.repeat(images[:3, :, :, None], 3, axis=3))
    np.testing.assert_allclose(colored, expected[:3], atol=1e-4)
    assert codec.transform([]).shape == (0, codec.latent_dim)


def test_images_of_another_size_are_prepared_as_in_training_and_said_so_once(
    gray: tuple[Codec, NDArray[np.uint8]], color: Codec, tmp_path: Path
) -> None:
    codec, images = gray
    large = np.kron(images[0], np.ones((4, 4), np.uint8))
    line = "2 images of 36x28 cropped and scaled to 9x7 gray, as the training images were"
    with pytest.warns(UserWarning, match=line) as said:
        latents = codec.transform([large, Image.fromarray(large)])
    assert len(said) == 1
    with pytest.warns(UserWarning, match=line):  # at the same place of a batch, since another may be rounded otherwise
        assert (codec.transform([Image.fromarray(large), large]) == latents).all()
    sideways = Image.fromarray(np.rot90(large))
    exif = sideways.getexif()
    exif[0x112] = 6  # turn it by 270 degrees
    sideways.save(tmp_path / "turned.png", exif=exif)
    with pytest.warns(UserWarning, match="1 image of 36x28"):
        np.testing.assert_allclose(codec.transform(tmp_path / "turned.png")[0], latents[0], atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert color.transform(np.zeros((2, 5, 13), np.uint8)).shape == (2, 3)  # gray ones, of the right size


def test_what_else_is_done_to_images_is_said_too(gray: tuple[Codec, NDArray[np.uint8]], tmp_path: Path) -> None:
    codec, images = gray
    turned, exif = Image.fromarray(images[0].T), Image.Exif()
    exif[0x0112] = 5  # orientation: transposed
    turned.save(tmp_path / "turned.png", exif=exif)
    turned.save(tmp_path / "turned.jpg", exif=exif)
    deep = Image.fromarray(images[0].astype(np.uint16) * 257)
    transparent = Image.fromarray(np.stack([images[0], images[0]], axis=-1), "LA")
    colored = Image.fromarray(images[0]).convert("RGB")
    kinds: list[Any] = [
        tmp_path / "turned.png",
        tmp_path / "turned.jpg",
        deep,
        transparent,
        colored,
        np.stack([images[0]] * 3, 2),
    ]
    said = (
        "2 images made gray; 1 image of 16 bits scaled to 8; 1 image put on white; 2 images turned as EXIF says, as "
        "the training images were"
    )
    with pytest.warns(UserWarning, match=said):
        latents = codec.transform(kinds)
    expected = codec.transform(images[:1])[0]
    assert np.allclose(latents[[0, 2, 4, 5]], expected, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codec.transform([Image.fromarray(images[0])])


def test_sizes_are_kept_in_files(gray: tuple[Codec, NDArray[np.uint8]]) -> None:
    codec, images = gray
    with pytest.warns(UserWarning, match="1 image of 36x28"):
        data = codec.compress(np.kron(images[0], np.ones((4, 4), np.uint8)))
    assert codec.from_file(data).sizes == [(36, 28)]
    assert codec.from_file(codec.compress(images[0])).sizes == []


def test_what_is_no_image_is_one_line(gray: tuple[Codec, NDArray[np.uint8]], tmp_path: Path) -> None:
    codec, images = gray

    def line(wrong: Any) -> str:  # noqa: ANN401
        with pytest.raises(UserError) as error:
            codec.transform(wrong)
        assert "\n" not in str(error.value)
        return str(error.value)

    buffer = BytesIO()
    Image.fromarray(images[0]).save(buffer, "PNG")
    truncated = Image.open(BytesIO(buffer.getvalue()[:60]))
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    assert line(tmp_path / "none.png").endswith("none.png: expected an image, got: No such file or directory")
    assert line(tmp_path / "text.png").endswith("text.png: expected an image, got text")
    assert "got a folder" in line(tmp_path)
    assert "embedded null" in line("a\0.png")
    assert line(images / 255).startswith("image 0: expected bytes (uint8) of 0 to 255, got float64: images in [0, 1]")
    assert line(images[0]).endswith("got an array of (9, 7): for one image, image[None]")
    assert line(np.zeros((2, 3, 4, 5, 6), np.uint8)).endswith("got an array of (2, 3, 4, 5, 6)")
    assert line(np.zeros((1, 9, 7, 2), np.uint8)).endswith("of 1, 3 or 4 channels, got (9, 7, 2)")
    assert line(np.zeros((64, 64, 3), np.uint8)).endswith("got an array of (64, 64, 3): for one image, image[None]")
    assert "got 4x4 of mode LAB" in line(Image.new("LAB", (4, 4)))
    assert "got 5x0 of mode L" in line(Image.new("L", (0, 5)))
    assert "got 9x7 of mode L" in line(truncated)
    assert line(7) == "expected paths, Pillow images or arrays, got int"
    assert line([None]) == "image 0: expected a path, a Pillow image or an array, got NoneType"


@pytest.mark.parametrize("device", ["cpu:x", "gpu", "cuda:", "cuda:999"])
def test_what_is_no_device_is_one_line(gray: tuple[Codec, NDArray[np.uint8]], device: str) -> None:
    assert hourglass.load(gray[0].model, device=torch.device("cpu")).transform(gray[1]).shape == (20, 3)
    with pytest.raises(UserError, match=f"expected a .*device.*{device}|expected a device cpu.*, got {device}"):
        hourglass.load(gray[0].model, device=device)


def test_what_are_no_latents_is_one_line(gray: tuple[Codec, NDArray[np.uint8]]) -> None:
    codec, _ = gray
    with pytest.raises(UserError, match=r"^expected latents \(N, 3\), got an array of \(2, 4\)$"):
        codec.inverse_transform(np.zeros((2, 4)))
    with pytest.raises(UserError, match="expected finite latents"):
        codec.inverse_transform(np.array([[0, np.nan, 0]]))
    with pytest.raises(UserError, match=r"^expected latents \(N, 3\), got str$"):
        codec.inverse_transform("latents")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^expected the bytes of an .hg file, got str: "):
        codec.decompress("a.hg")  # type: ignore[arg-type]


def test_the_bytes_of_a_file_do_not_depend_on_threads(quickstart: Project) -> None:
    code = (
        "import sys, numpy, torch, hourglass; torch.set_num_threads(int(sys.argv[1])); codec = hourglass.load(sys.argv[2])\n"
        "images = numpy.random.default_rng(0).integers(0, 256, (3, *codec.image_shape[1:]), numpy.uint8)\n"
        "print([codec.compress(image).hex() for image in images], [codec.decompress(codec.compress(image)).sum() for image in images])"
    )
    for name in ("photos-tiles", "digits-conv"):
        command = [sys.executable, "-c", code]
        said = [
            subprocess.run(
                [*command, threads, str(quickstart.folder / "data/models" / name)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for threads in ("1", "2")
        ]
        assert said[0] == said[1]
        assert len(said[0]) > 100


def test_scikit_learn_takes_it_for_one_of_its_own(gray: tuple[Codec, NDArray[np.uint8]], tmp_path: Path) -> None:
    codec, images = gray
    labels = np.arange(len(images)) % 2
    expected = codec.transform(images)
    assert (clone(codec).transform(images) == expected).all()
    assert (pickle.loads(pickle.dumps(codec)).transform(images) == expected).all()  # noqa: S301 - of our own making
    assert len(pickle.dumps(codec)) < 1000
    assert list(codec.get_feature_names_out()) == ["codec0", "codec1", "codec2"]
    table = clone(codec).set_output(transform="pandas").transform(images)
    assert isinstance(table, pd.DataFrame)
    assert list(table) == ["codec0", "codec1", "codec2"]
    pipeline = make_pipeline(codec, LogisticRegression()).fit(images, labels)
    assert pipeline.predict(images).shape == labels.shape
    assert codec.set_params(bits=5).get_params() == {"model": codec.model, "bits": 5, "device": "auto"}
    codec.set_params(bits=None)
    other = clone(codec)
    packed(tmp_path / "other", "pca", (1, 9, 7))
    other.set_params(model=tmp_path / "other").fit(images)
    assert (other.transform(images) == Codec(tmp_path / "other").transform(images)).all()
    assert (other.transform(images) != expected).any()
    assert repr(codec).startswith("Codec(model=")


NO_IMAGES = "it makes tables of floats, or of another width than the images of a model"
CHECKS_OF_OTHERS = dict.fromkeys(
    (
        "check_dict_unchanged",
        "check_estimator_sparse_tag",
        "check_estimators_dtypes",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_pipeline_consistency",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
        "check_transformers_unfitted_stateless",
    ),
    NO_IMAGES,
)


def test_scikit_learn_s_own_checks(gray: tuple[Codec, NDArray[np.uint8]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(clone(gray[0]), expected_failed_checks=CHECKS_OF_OTHERS, on_skip=None)
    assert sum(check["status"] == "passed" for check in found) >= 20


def test_bits_can_be_chosen(gray: tuple[Codec, NDArray[np.uint8]]) -> None:
    codec, images = gray
    sizes = [len(hourglass.load(codec.model, bits=bits).compress(images[0])) for bits in (4, 16)]
    assert sizes[0] < sizes[1]
    for wrong in (3, 17, 8.0, True):
        with pytest.raises(UserError, match=f"expected 4 to 16 bits, got {wrong}"):
            hourglass.load(codec.model, bits=wrong)  # type: ignore[arg-type]
    assert len(hourglass.load(codec.model, bits=np.int64(4)).compress(images[0])) == sizes[0]  # type: ignore[arg-type]


def test_what_is_no_model_is_one_line(gray: tuple[Codec, NDArray[np.uint8]], tmp_path: Path) -> None:
    codec, images = gray

    def copy() -> Path:
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        return Path(shutil.copytree(codec.model, tmp_path / "model"))

    def line(model: object) -> str:
        with pytest.raises(UserError) as error:
            hourglass.load(model)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
        return str(error.value)

    assert line(tmp_path / "none").endswith("URL@revision:folder, found no " + str(tmp_path / "none"))
    assert line(tmp_path).endswith("expected the folder of a model, got one without config.json")
    (tmp_path / "text.zip").write_text("no zip", encoding="utf-8")
    assert "expected a zip file of a model's folder, got: File is not a zip file" in line(tmp_path / "text.zip")
    (copy() / "quantizer.safetensors").unlink()
    assert "quantizer.safetensors, found none" in line(tmp_path / "model")
    with (copy() / "quantizer.safetensors").open("ab") as file:
        file.write(b"x")
    assert "it is damaged" in line(tmp_path / "model")
    (copy() / "model.safetensors").write_bytes(b"no weights")
    assert "expected weights, got" in line(tmp_path / "model")
    preparation = codec.config["preparation"]
    for change, said in (
        ({"format": 2}, "expected version 1 of the format, got 2: use another `hourglass`"),
        ({"network": {"hidden": [11, 6], "latent_dim": 4, "linear": "pca"}}, "expected"),
        ({"network": {"hidden": [10**6, 10**6], "latent_dim": 3, "linear": "pca"}}, "model.safetensors: expected"),
        ({"network": {"latent_dimm": 3}}, "latent_dim"),
        ({"image_shape": [1, 20_000, 20_000]}, "config.json: expected at most 89,478,485 pixels"),
        ({"preparation": preparation | {"color": "rgb"}}, "expected images of 1 channels, got rgb ones of 3"),
        ({"preparation": preparation | {"resize": "tear"}}, "expected resize crop or stretch or pad, got tear"),
        ({"training": ["x"]}, "training"),
        ({"versions": "x"}, "versions"),
        ({"bits": 99}, "expected 4 to 16 bits, got 99"),
        ({"family": "sparse"}, "expected a family, got 'sparse'"),
    ):
        values = json.loads((copy() / "config.json").read_text(encoding="utf-8"))
        write_config(tmp_path / "model", values | change)  # with hashes that fit
        assert said in line(tmp_path / "model")
    with pytest.raises(UserError, match="expected a device cpu, cuda, cuda:<number> or auto, got tpu"):
        hourglass.load(codec.model, device="tpu")
    with pytest.raises(AttributeError, match="module 'hourglass' has no attribute 'lode'"):
        hourglass.lode  # noqa: B018
    del images


def test_altered_folders_are_one_line_and_no_large_allocation(
    gray: tuple[Codec, NDArray[np.uint8]], tmp_path: Path
) -> None:
    """200 folders with altered bytes: none is loaded, unless it says what it said before."""
    codec, images = gray
    generator = np.random.default_rng(0)
    expected = codec.transform(images)
    folder, loaded = tmp_path / "model", 0
    for trial in range(200):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(codec.model, folder)
        path = folder / ("config.json", "model.safetensors", "quantizer.safetensors")[trial % 3]
        data = bytearray(path.read_bytes())
        if trial % 5 == 0:
            data = data[: generator.integers(len(data))]
        for place in generator.integers(0, len(data), 2) if data else []:
            data[place] = generator.integers(256)
        path.write_bytes(data)
        with suppress(UserError):
            assert (hourglass.load(folder).transform(images) == expected).all()
            loaded += 1
    assert loaded < 20  # of those whose bytes were altered to what they were, or in spaces between JSON


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_altered_zip_files_are_one_line(gray: tuple[Codec, NDArray[np.uint8]], tmp_path: Path, method: int) -> None:
    """Each method of compression has errors of its own, and so have names that are no text."""
    codec, images = gray
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w", method) as written:
        for path in sorted(Path(codec.model).iterdir()):
            written.write(path, f"cells-é/{path.name}")
    whole, expected = archive.read_bytes(), codec.transform(images)
    assert (hourglass.load(archive).transform(images) == expected).all()
    generator = np.random.default_rng(0)
    loaded = 0
    for _ in range(100):
        data = bytearray(whole)
        for place in generator.integers(0, len(data), 8):
            data[place] = generator.integers(256)
        archive.write_bytes(data)
        with suppress(UserError):
            assert (hourglass.load(archive).transform(images) == expected).all()
            loaded += 1
    assert loaded < 50  # of those that were altered in the model card, or in what zipfile does not look at


def test_a_model_that_is_only_trained_encodes_and_writes_no_files(quickstart: Project) -> None:
    codec = hourglass.load(quickstart.folder / "data/trained/digits-dense")
    images = np.zeros((2, 8, 8), np.uint8)
    assert codec.transform(images).shape == (2, 8)
    with pytest.raises(UserError, match="expected a model with a quantizer, got one that is only trained"):
        codec.compress(images[0])


def test_models_that_read_each_other_s_files_have_the_same_weights(
    gray: tuple[Codec, NDArray[np.uint8]], color: Codec, tmp_path: Path
) -> None:
    codec, images = gray
    moved = shutil.copytree(codec.model, tmp_path / "moved")
    assert (
        hourglass.load(moved).decompress(codec.compress(images[0])) == codec.decompress(codec.compress(images[0]))
    ).all()
    assert identity(Path(codec.model), "a").digest != identity(Path(color.model), "a").digest
    with pytest.raises(
        UserError, match="expected a file that cells-small made, got one of another version of cells-small"
    ):
        color.decompress(codec.compress(images[0]))


def test_importing_hourglass_imports_no_torch() -> None:
    code = "import sys, hourglass; assert 'torch' not in sys.modules and 'numpy' not in sys.modules; hourglass.load"
    subprocess.run([sys.executable, "-c", code], check=True)
