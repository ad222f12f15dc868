"""Saved networks load again, those of earlier commits too; what is missing or damaged is one line."""

import json
import math
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hourglass.console.errors import UserError
from hourglass.inference.store import load_model, save_model, save_weights, write_config
from hourglass.networks.base.families import build

CPU = torch.device("cpu")
SHAPE = (1, 8, 8)

# As it was written before there was `loss`.
CONFIG = """
{
  "dataset": "digits",
  "dataset_sha256": "95c30715b257d388d6118cc3ec49e01996790b80cf1ce7fca0ab37c17cefe43f",
  "family": "conv",
  "image_shape": [1, 8, 8],
  "network": {
    "activation": "relu",
    "decoder": [
      {
        "filters": 4, "kernel": 3, "norm": false, "padding": "same", "residual": 0, "shuffle": 1, "stride": 1,
        "transposed": false, "upsample": 2
      }
    ],
    "encoder": [
      {"filters": 4, "kernel": 3, "norm": false, "padding": "same", "pool": 2, "residual": 0, "stride": 1}
    ],
    "expand_activation": "linear",
    "latent_activation": "linear",
    "latent_dim": 8,
    "negative_slope": 0.01,
    "output_activation": "sigmoid",
    "output_kernel": 3,
    "ssim_weight": 0.1
  },
  "seeds": [0],
  "versions": {"numpy": "2.4.6", "scikit-learn": "1.9.1", "torch": "2.13.0"}
}
"""


@pytest.mark.parametrize(("ssim_weight", "loss"), [(0.0, {"mse": 1.0}), (0.1, {"mse": 1.0, "ssim": 0.1})])
def test_a_model_of_an_earlier_commit_loads(ssim_weight: float, loss: dict[str, float], tmp_path: Path) -> None:
    keywords = {"encoder": [{"filters": 4, "pool": 2}], "decoder": [{"filters": 4, "upsample": 2}], "latent_dim": 8}
    network, images = build("conv", SHAPE, keywords, seed=1), torch.rand(3, *SHAPE)
    save_weights(tmp_path / "model.safetensors", network)
    config = json.loads(CONFIG)
    config["network"]["ssim_weight"] = ssim_weight
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    loaded, config = load_model(tmp_path, CPU)
    assert torch.equal(loaded(images), network.eval()(images))
    assert loaded.loss == loss
    assert config["network"].get("loss", {"mse": 1}) == loss
    assert "ssim_weight" not in config["network"]
    assert config["seeds"] == [0]


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected .*config.json, found none: train it$"):
        load_model(tmp_path, CPU, remedy="train it")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return the folder of a saved network."""
    save_model(
        tmp_path,
        build("dense", SHAPE, {"latent_dim": 3}),
        {"family": "dense", "network": {"latent_dim": 3}, "image_shape": SHAPE},
    )
    return tmp_path


def refusal(folder: Path) -> str:
    """Return the message that a damaged model is refused with."""
    with pytest.raises(UserError, match=r"expected a trained model, got: .*: train again$") as refused:
        load_model(folder, CPU, remedy="train again")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_damaged_weights_file_is_one_line(saved: Path) -> None:
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    refusal(saved)


def test_missing_weights_are_one_line(saved: Path) -> None:
    with pytest.raises(UserError, match=r"expected .*seed-1.safetensors, found none: train it$"):
        load_model(saved, CPU, "seed-1.safetensors", "train it")


def test_weights_of_another_network_are_one_line(saved: Path) -> None:
    save_weights(saved / "model.safetensors", build("dense", SHAPE, {"latent_dim": 4}))
    refusal(saved)


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")


@pytest.mark.parametrize("network", [{"latent_dim": 2}, {"latent_dim": 3, "activation": "sigmoid"}])
def test_a_config_that_is_not_as_it_was_written_is_one_line(saved: Path, network: dict[str, object]) -> None:
    change_config(saved, network=network)
    assert "got: config.json: expected SHA-256 " in refusal(saved)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("family", "dens", "expected a family, got 'dens'; did you mean 'dense'?"),
        ("network", {"latent_dm": 3}, "network: unknown key 'latent_dm'; did you mean 'latent_dim'?"),
        ("network", {}, "network.latent_dim: expected a value, got nothing: add this key"),
        ("network", {"latent_dim": 3, "hidden": [10**12]}, "network.hidden.0: expected a number less than or equal to"),
        ("network", {"latent_dim": 4}, "size mismatch for"),
        ("image_shape", [1, 8, 9], "size mismatch for"),
    ],
)
def test_a_config_of_another_network_is_one_line(saved: Path, key: str, value: object, message: str) -> None:
    """Models of earlier versions have no hashes to compare."""
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    del config["sha256"]
    (saved / "config.json").write_text(json.dumps(config | {key: value}), encoding="utf-8")
    assert message in refusal(saved)


@pytest.mark.parametrize(("key", "value"), [("family", 3), ("image_shape", [1, 8]), ("network", []), ("seeds", "0")])
def test_a_config_of_another_form_is_one_line(saved: Path, key: str, value: object) -> None:
    change_config(saved, **{key: value})
    with pytest.raises(UserError, match=rf"config.json: {key}.*: expected .*: train again$"):
        load_model(saved, CPU, remedy="train again")


def test_one_flipped_bit_of_the_weights_is_one_line(saved: Path) -> None:
    path = saved / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "got: model.safetensors: expected SHA-256 " in refusal(saved)


def test_weights_that_are_no_numbers_or_of_another_type_are_one_line(saved: Path) -> None:
    path = saved / "model.safetensors"
    weights = load_file(path)
    for wrong, message in ((math.nan, "expected finite weights, got others"), (math.inf, "expected finite weights")):
        save_file({name: torch.full_like(tensor, wrong) for name, tensor in weights.items()}, path)
        write_config(saved, json.loads((saved / "config.json").read_text(encoding="utf-8")))
        assert message in refusal(saved)
    save_file({name: tensor.double() for name, tensor in weights.items()}, path)
    write_config(saved, json.loads((saved / "config.json").read_text(encoding="utf-8")))
    assert "expected torch.float32, got torch.float64" in refusal(saved)


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o027])
def test_files_have_the_mode_that_the_umask_says(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        network = build("dense", SHAPE, {"latent_dim": 3})
        save_model(tmp_path, network, {"family": "dense", "network": {"latent_dim": 3}, "image_shape": SHAPE})
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask}
