"""What is exported to ONNX computes what torch does, for every family, and says how files become its input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hourglass.codec.codec import Codec, load
from hourglass.codec.onnx import export
from hourglass.codec.onnx_check import draw
from hourglass.codec.package import pack
from hourglass.coding.fit import Coding, fit_quantizer
from hourglass.coding.quantizer import QUANTIZER, Quantizer
from hourglass.console.errors import UserError
from hourglass.data.prepared import Bytes
from hourglass.inference.batches import to_bytes
from hourglass.inference.store import save_model

from .conftest import ROOT
from .test_families import NETWORK, VARIANTS, make, move_from_zero

CPU = torch.device("cpu")
GRAY, COLOR = (1, 9, 7), (3, 5, 13)  # no tile of 3x4 or 4x4 divides either
PREPARATION = {"color": "gray", "orientation": "exif", "resample": "lanczos", "resize": "crop"}
Pixel = TypeVar("Pixel", np.uint8, np.float32)
FILES = ["decoder.onnx", "encoder.onnx", "preprocessing.json"]


def packed(
    folder: Path, family: str = "dense", shape: tuple[int, int, int] = GRAY, whole: bool = True, **preparation: str
) -> tuple[Codec, Bytes]:
    """Pack a small model of a family, none of whose layers is zero; return it and 20 images (N, C, H, W) of its."""
    network, images = make(family, shape)
    move_from_zero(network)
    network.train()(images)  # moves what batch norm divides by
    pixels, color = to_bytes(images), "gray" if shape[0] == 1 else "rgb"
    config = {
        "family": family.partition(":")[0],
        "network": (NETWORK | VARIANTS)[family],
        "image_shape": shape,
        "preparation": PREPARATION | {"color": color, "size": list(shape[1:])} | preparation,
    }
    folder.mkdir()
    if whole:
        pack(folder, "small", network.eval(), config, Coding(fit_quantizer(network.eval(), pixels, CPU), 8), "")
    else:
        save_model(folder, network, config)
    return load(folder, device="cpu"), pixels


def channels_last(pixels: NDArray[Pixel]) -> NDArray[Pixel]:
    return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)


def compute(path: Path, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {session.get_inputs()[0].name: inputs})
    return outputs


class WhenExported(torch.nn.Module):
    """Adds a number to what a module computes, but only when that is exported."""

    def __init__(self, module: torch.nn.Module, added: float) -> None:
        super().__init__()
        self.module, self.added = module, added

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        computed = self.module(values)
        return computed + self.added if torch.compiler.is_exporting() else computed


class DependsOnData(torch.nn.Module):
    """Decides by the values of a batch what to compute, which no graph can."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.flatten(1)[:, :3] if values.sum() > 1 else values.flatten(1)[:, 3:6]


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        *((family, COLOR) for family in NETWORK | VARIANTS if not family.endswith("trained")),  # which compute the same
        ("tiles", GRAY),
        ("vae", GRAY),
    ],
)
def test_every_family_computes_what_torch_does(family: str, shape: tuple[int, int, int], tmp_path: Path) -> None:
    codec, pixels = packed(tmp_path / "model", family, shape)
    differences = export(codec, tmp_path / "onnx")
    assert 0 <= differences.latents < 1e-5
    assert 0 <= differences.reconstructions < 1e-5
    assert differences.images == 6
    latents = codec.transform(channels_last(pixels))
    images = codec.inverse_transform(latents).astype(float)
    for count in (1, 5, 20):
        got = compute(tmp_path / "onnx/encoder.onnx", pixels[:count].astype(np.float32) / np.float32(255))
        assert got == pytest.approx(latents[:count], abs=1e-5 * float(np.ptp(latents)))
        restored = compute(tmp_path / "onnx/decoder.onnx", latents[:count])
        assert restored.min() >= 0
        assert restored.max() <= 1
        assert channels_last(restored) * 255 == pytest.approx(images[:count], abs=0.51)


def test_real_images_are_compared(tmp_path: Path) -> None:
    codec, pixels = packed(tmp_path / "model", "conv", COLOR)
    assert export(codec, tmp_path / "all", channels_last(pixels)).images == 20
    assert export(codec, tmp_path / "few", channels_last(pixels)[:2]).images == 2  # both several times


def test_graphs_name_their_ends_and_take_any_batch(tmp_path: Path) -> None:
    codec, _ = packed(tmp_path / "model", "tiles", COLOR)
    export(codec, tmp_path / "onnx")
    images, latents = ["batch", *COLOR], ["batch", codec.latent_dim]
    said = json.loads((tmp_path / "onnx/preprocessing.json").read_text())
    for half, ends in (
        ("encoder", {"input": ("images", images), "output": ("latents", latents)}),
        ("decoder", {"input": ("latents", latents), "output": ("reconstructions", images)}),
    ):
        session = onnxruntime.InferenceSession(tmp_path / "onnx" / f"{half}.onnx", providers=["CPUExecutionProvider"])
        (first,), (last,) = session.get_inputs(), session.get_outputs()
        assert {"input": (first.name, first.shape), "output": (last.name, last.shape)} == ends
        assert {first.type, last.type} == {"tensor(float)"}
        assert said[half]["file"] == f"{half}.onnx"
        for end, (name, shape) in ends.items():
            assert said[half][end] == {"name": name, "shape": shape, "dtype": "float32"}


def test_files_hold_all_and_nothing_of_this_machine(tmp_path: Path) -> None:
    codec, _ = packed(tmp_path / "model", "conv: linear", COLOR)
    for name in ("one", "two"):
        export(codec, tmp_path / name)
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == FILES
    for name in FILES:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        assert str(ROOT).encode() not in content
        assert b"site-packages" not in content
    for name in FILES[:2]:
        onnx.checker.check_model(tmp_path / "one" / name, full_check=True)


@pytest.mark.parametrize(
    ("shape", "resample", "resize"),
    [(GRAY, "bicubic", "crop"), (COLOR, "lanczos", "crop"), (COLOR, "bilinear", "stretch"), (GRAY, "lanczos", "pad")],
)
def test_a_file_goes_through_by_what_preprocessing_says(
    shape: tuple[int, int, int], resample: str, resize: str, tmp_path: Path
) -> None:
    codec, _ = packed(tmp_path / "model", "conv", shape, resize=resize, resample=resample)
    export(codec, tmp_path / "onnx")
    said = json.loads((tmp_path / "onnx/preprocessing.json").read_text())
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 4), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png", exif=exif)

    pixels = follow(said["prepare"], tmp_path / "photo.png")
    latents = compute(tmp_path / "onnx" / said["encoder"]["file"], pixels)
    with pytest.warns(UserWarning, match="as the training images were"):
        expected = codec.transform([tmp_path / "photo.png"])
    assert latents == pytest.approx(expected, abs=1e-5 * max(1.0, float(np.ptp(expected))))

    restored = compute(tmp_path / "onnx" / said["decoder"]["file"], latents)
    assert said["restore"]["round"] == "half to even"
    images = np.rint(restored * said["restore"]["scale"]).astype(said["restore"]["dtype"])
    images = images[:, 0] if said["restore"]["layout"] == "NHW" else images.transpose(0, 2, 3, 1)
    assert images.astype(int) == pytest.approx(codec.inverse_transform(expected).astype(int), abs=1)


def follow(prepare: dict[str, Any], path: Path) -> NDArray[np.float32]:
    """Do with Pillow alone what preprocessing.json says: (1, C, H, W)."""
    assert (prepare["orientation"], prepare["layout"]) == ("exif", "NCHW")
    image = ImageOps.exif_transpose(Image.open(path))
    image = Image.alpha_composite(Image.new("RGBA", image.size, prepare["transparent"]), image)
    image = image.convert({"gray": "L", "rgb": "RGB"}[prepare["color"]])
    height, width = prepare["size"]
    resample = Image.Resampling[prepare["resample"].upper()]
    if prepare["resize"] == "stretch":
        image = image.resize((width, height), resample)
    else:
        image = {"crop": ImageOps.fit, "pad": ImageOps.pad}[prepare["resize"]](image, (width, height), resample)
    pixels = np.asarray(image).astype(prepare["dtype"]) * np.float32(prepare["scale"])
    return (pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))[None]


@pytest.mark.parametrize("half", ["encoder", "decoder"])
@pytest.mark.parametrize("added", [0.01, float("nan")])
def test_an_export_that_computes_something_else_is_refused(half: str, added: float, tmp_path: Path) -> None:
    codec, pixels = packed(tmp_path / "model")
    setattr(codec.network, half, WhenExported(getattr(codec.network, half), added))
    with pytest.raises(UserError, match=rf"^{half}\.onnx: expected what torch computes within 1e-04 of") as error:
        export(codec, tmp_path / "onnx", channels_last(pixels))
    difference = added if half == "decoder" else added / np.ptp(codec.transform(channels_last(pixels)))
    assert f"got a difference of {difference:.1e}:" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_network_that_is_no_graph_is_one_line(tmp_path: Path) -> None:
    codec, _ = packed(tmp_path / "model")
    codec.network.encoder = DependsOnData()
    with pytest.raises(UserError, match=r"expected a network that torch can export to encoder\.onnx, got: ") as error:
        export(codec, tmp_path / "onnx")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_bad_image_leaves_nothing(tmp_path: Path) -> None:
    codec, _ = packed(tmp_path / "model")
    with pytest.raises(UserError, match="expected an image, got"):
        export(codec, tmp_path / "onnx", [tmp_path / "missing.png"])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    codec, _ = packed(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    for taken in (tmp_path / "model", tmp_path / "model/config.json"):
        with pytest.raises(UserError, match="expected a new or an empty folder, got"):
            export(codec, taken)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    (tmp_path / "empty").mkdir()
    export(codec, tmp_path / "empty")
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == FILES


def test_a_model_that_is_only_trained_needs_images(tmp_path: Path) -> None:
    codec, pixels = packed(tmp_path / "model", whole=False)
    with pytest.raises(UserError, match="expected a model with a quantizer"):
        export(codec, tmp_path / "onnx")
    assert export(codec, tmp_path / "onnx", channels_last(pixels)).latents < 1e-5


def test_latents_are_drawn_as_those_of_training_images_are(tmp_path: Path) -> None:
    codec, pixels = packed(tmp_path / "model", "tiles")
    quantizer = Quantizer.load(tmp_path / "model" / QUANTIZER, codec.latent_dim)
    rows = len(quantizer.mean)
    drawn = draw(quantizer, 5000, codec.latent_dim).reshape(-1, rows)
    trained = codec.transform(channels_last(pixels)).reshape(-1, rows)
    assert (drawn.min(axis=0) >= trained.min(axis=0) - quantizer.step).all()
    assert (drawn.max(axis=0) <= trained.max(axis=0) + quantizer.step).all()
    spread = np.ptp(trained, axis=0)
    for part in (0.1, 0.5, 0.9):
        difference = np.quantile(drawn, part, axis=0) - np.quantile(trained, part, axis=0)
        assert (np.abs(difference) < 0.05 * spread).all()


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_one_line(package: str, tmp_path: Path) -> None:
    packed(tmp_path / "model")
    code = (
        "import sys; from pathlib import Path; from hourglass.console.command import guarded\n"
        f"sys.modules[{package!r}] = None  # as Python has it for what cannot be imported\n"
        "with guarded():\n"
        "    from hourglass.codec.codec import load; from hourglass.codec.onnx import export\n"
        "    export(load(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "model"), str(tmp_path / "onnx")]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: expected the package {package}, got: ")
    assert done.stderr.endswith("pip install 'hourglass[onnx]'\n")
    assert not (tmp_path / "onnx").exists()
