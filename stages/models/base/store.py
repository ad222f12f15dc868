"""Save and load a trained model.

model.safetensors       weights, no pickle
seed-<n>.safetensors    those of the further seeds of a model that was trained several times
epoch-<n>.safetensors   those after some of its epochs, if its recipe asks for them
config.json             how to build the network again
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from stages.common.errors import UserError
from stages.common.files import whole_file, write_json
from stages.models.base.autoencoder import Autoencoder
from stages.models.base.families import build

CONFIG = "config.json"


def weights_file(seed: int | None = None) -> str:
    """Name the file of the weights, or of those of a further seed."""
    return "model.safetensors" if seed is None else f"seed-{seed}.safetensors"


def save_model(folder: Path, model: Autoencoder, config: dict[str, Any], weights_name: str = weights_file()) -> None:
    """Write the weights and config.json; `config` has at least `family`, `image_shape` and `network`."""
    save_weights(folder / weights_name, model)
    write_json(folder / CONFIG, config)


def save_weights(path: Path, model: Autoencoder) -> None:
    """Write a model's weights alone."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    try:
        with whole_file(path) as partial:
            save_file(weights, partial)
    except SafetensorError as error:  # a full disk, say
        raise UserError(f"expected to write {path.name}, got: {error}: no output was written") from None


def load_model(
    folder: Path, device: torch.device, weights_name: str = weights_file()
) -> tuple[Autoencoder, dict[str, Any]]:
    """Build the model again, in evaluation mode on `device`, and give its config with it."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        model = build(config["family"], tuple(config["image_shape"]), config["network"])
        model.load_state_dict(load_file(folder / weights_name))
    except FileNotFoundError as error:
        raise UserError(f"expected {error.filename}, found none: dvc repro train@{folder.name}") from None
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: expected a trained model, got: {error}: dvc repro -f train@{folder.name}") from None
    return model.eval().to(device), config
