"""Save and load trained networks.

model.safetensors       weights, no pickle
seed-<n>.safetensors    weights of each further seed of a model that was trained with several
epoch-<n>.safetensors   weights after some of the epochs, if the recipe has `save_every`
config.json             all that is needed to build the network again, and the SHA-256 of it and of all weights
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NotRequired

import torch
from pydantic import ValidationError, with_config
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from typing_extensions import TypedDict

from hourglass.config.entries import Model
from hourglass.config.keywords import Keywords, mistakes, read
from hourglass.config.types import Count, Seed, Text
from hourglass.console.errors import UserError
from hourglass.data.documents import STRICT, read_json
from hourglass.files import sha256, whole_file, write_json
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.families import build, family_class

CONFIG = "config.json"
PACKAGES = ("torch", "numpy", "scikit-learn")  # whose versions can change the weights
FINISHED = "finished"  # marks the folder of checkpoints of a training whose model has been saved
DIGEST = "sha256"  # the key of config.json that has the hash of each file of weights, and that of all other keys


@with_config(STRICT)
class Config(TypedDict):
    """What config.json has to hold; the loader needs nothing else."""

    family: str
    image_shape: tuple[Count, Count, Count]
    network: dict[str, Any]
    seeds: NotRequired[list[Seed]]
    sha256: NotRequired[dict[str, str]]


@with_config(STRICT | {"extra": "forbid"})
class Preparation(TypedDict):
    """What makes an array of an image file, as `prepare` writes it and config.json keeps it."""

    color: Text
    orientation: Text
    resample: Text
    resize: Text
    size: tuple[Count, Count]


def describe(
    entry: Model,
    network: dict[str, Any],
    image_shape: tuple[int, ...],
    sums: Sequence[str],
    preparation: Preparation,
) -> dict[str, Any]:
    """Return what config.json says of a model before it is trained: how to build its network, and what it is made from.

    Args:
        entry: Its entry of params.yaml.
        network: The keywords of its network.
        image_shape: (C, H, W).
        sums: The SHA-256 of each file of train and val, one after the other.
        preparation: Of its data set.
    """
    return {
        "family": entry.family,
        "network": network,
        "image_shape": image_shape,
        "dataset": entry.dataset,
        "dataset_sha256": hashlib.sha256("".join(sums).encode()).hexdigest(),
        "preparation": preparation,
        "versions": {package: version(package).partition("+")[0] for package in PACKAGES},
    }


def weights_file(seed: int | None = None) -> str:
    """Return the name of the file that holds the weights, or those of a further seed."""
    return "model.safetensors" if seed is None else f"seed-{seed}.safetensors"


def snapshot_file(epoch: int) -> str:
    """Return the name of the file that holds the weights after an epoch."""
    return f"epoch-{epoch:06}.safetensors"


def remove_finished(checkpoints: Path) -> None:
    """Remove what a model's finished trainings have left, for the case that the model is lost before DVC has it."""
    for finished in checkpoints.glob(f"*/{FINISHED}"):
        shutil.rmtree(finished.parent)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write config.json, after all files of weights; it has at least the keys of `Config` that are required."""
    sums = {path.name: sha256(path) for path in sorted(folder.glob("*.safetensors"))}
    values = {key: value for key, value in config.items() if key != DIGEST}
    write_json(folder / CONFIG, values | {DIGEST: sums | {CONFIG: _digest(values)}})


def save_model(
    folder: Path, network: Autoencoder, config: Mapping[str, Any], weights_name: str = weights_file()
) -> None:
    """Write the weights, and then config.json."""
    save_weights(folder / weights_name, network)
    write_config(folder, config)


def save_weights(path: Path, network: Autoencoder) -> None:
    """Write the weights of a network to a safetensors file, and have the disk keep them.

    Raises:
        OSError: If they cannot be written, to a full disk for example.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    # Not `save_file`, whose files nobody but their owner can read.
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(save(weights))
        file.flush()
        os.fsync(file.fileno())


def load_model(
    folder: Path, device: torch.device, weights_name: str = weights_file(), remedy: str = "train it again"
) -> tuple[Autoencoder, dict[str, Any]]:
    """Build a saved network again, on `device` and in evaluation mode; return it and its config.

    Args:
        folder: The folder of the model.
        device: Where the network will compute.
        weights_name: Name of the file of weights.
        remedy: What to do if the model is missing or damaged; ends the error message.

    Raises:
        UserError: If a file is missing, damaged, or not as it was written.
    """
    config = read_json(folder / CONFIG, Config, remedy)
    path = folder / weights_name
    if not path.exists():
        raise UserError(f"expected {path}, found none: {remedy}")
    try:
        _check_digests(config, path)
        keywords = _keywords(config)
        network = build(config["family"], config["image_shape"], keywords)
        weights = load_file(path)
        _check_weights(weights, network)
        network.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError, MemoryError, UserError) as error:
        reason = " ".join(str(error).split())  # torch lists what does not fit line by line
        raise UserError(f"{folder}: expected a trained model, got: {reason}: {remedy}") from None
    return network.eval().to(device), {**config, "network": keywords}


def _check_digests(config: Config, path: Path) -> None:
    """Compare config.json and a file of weights with their SHA-256; models of earlier versions have none."""
    if "sha256" not in config and "computed" not in config:
        return
    values = {key: value for key, value in config.items() if key != DIGEST}
    for name, got in ((CONFIG, _digest(values)), (path.name, sha256(path))):
        expected = config.get("sha256", {}).get(name, "none")
        if got != expected:
            raise UserError(f"{name}: expected SHA-256 {expected}, got {got}: it is damaged")


def _digest(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of values as JSON in its shortest form."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _keywords(config: Config) -> dict[str, Any]:
    """Return the keywords of the network, checked as those of params.yaml are."""
    network = _with_loss(config["network"])
    family = family_class(config["family"])
    try:
        keywords: dict[str, Any] = read(Annotated[dict[str, Any], Keywords(family)], network)
    except ValidationError as error:
        first = mistakes(error, network)[0]
        raise UserError(f"{'.'.join(map(str, ('network', *first.about)))}: {first.message}") from None
    return keywords


def _check_weights(weights: Mapping[str, Tensor], network: Autoencoder) -> None:
    """Refuse what torch would convert in silence, and numbers that are none; names and shapes it checks itself."""
    for name, tensor in network.state_dict().items():
        if name in weights and weights[name].dtype != tensor.dtype:
            raise UserError(f"{name}: expected {tensor.dtype}, got {weights[name].dtype}")
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(f"{name}: expected finite weights, got others")


def _with_loss(network: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the keyword `ssim_weight`, of models trained before there was `loss`, by the `loss` that it stood for."""
    keywords = dict(network)
    weight = keywords.pop("ssim_weight", 0)
    return keywords | {"loss": {"mse": 1.0, "ssim": weight}} if weight else keywords
