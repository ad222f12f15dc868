"""Save and load trained networks.

model.safetensors       weights, no pickle
seed-<n>.safetensors    weights of each further seed of a model that was trained with several
epoch-<n>.safetensors   weights after some of the epochs, if the recipe has `save_every`
config.json             all that is needed to build the network again
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hourglass.console.errors import UserError
from hourglass.files import whole_file, write_json
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.families import build

CONFIG = "config.json"


def weights_file(seed: int | None = None) -> str:
    """Return the name of the file that holds the weights, or those of a further seed."""
    return "model.safetensors" if seed is None else f"seed-{seed}.safetensors"


def save_model(folder: Path, network: Autoencoder, config: dict[str, Any], weights_name: str = weights_file()) -> None:
    """Write the weights and config.json; `config` has at least `family`, `image_shape` and `network`, its keywords.

    Raises:
        UserError: If the weights cannot be written.
    """
    save_weights(folder / weights_name, network)
    write_json(folder / CONFIG, config)


def save_weights(path: Path, network: Autoencoder) -> None:
    """Write the weights of a network to a safetensors file.

    Raises:
        UserError: If they cannot be written, to a full disk for example.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    try:
        with whole_file(path) as partial:
            save_file(weights, partial)
    except SafetensorError as error:
        raise UserError(f"expected to write {path.name}, got: {error}: no output was written") from None


def load_model(
    folder: Path, device: torch.device, weights_name: str = weights_file(), remedy: str = ""
) -> tuple[Autoencoder, dict[str, Any]]:
    """Build a saved network again, on `device` and in evaluation mode; return it and its config.

    `remedy` ends the message of an error: what to do if the model is missing or damaged.

    Raises:
        UserError: If a file is missing or damaged.
    """
    advice = f": {remedy}" if remedy else ""
    for path in (folder / CONFIG, folder / weights_name):
        if not path.exists():
            raise UserError(f"expected {path}, found none{advice}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        keywords = _with_loss(config["network"])
        network = build(config["family"], tuple(config["image_shape"]), keywords)
        network.load_state_dict(load_file(folder / weights_name))
    except (UserError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())  # torch lists what does not fit line by line
        raise UserError(f"{folder}: expected a trained model, got: {reason}{advice}") from None
    return network.eval().to(device), config | {"network": keywords}


def _with_loss(network: dict[str, Any]) -> dict[str, Any]:
    """Replace the keyword `ssim_weight`, of models trained before there was `loss`, by the `loss` that it stood for."""
    keywords = dict(network)
    weight = keywords.pop("ssim_weight", 0)
    return keywords | {"loss": {"mse": 1.0, "ssim": weight}} if weight else keywords
