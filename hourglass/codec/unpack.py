"""Load the folder of a model, and refuse what is none before it takes memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired

import torch
from pydantic import ValidationError, with_config
from safetensors import SafetensorError, safe_open

from hourglass.codec.package import FORMAT
from hourglass.coding.file import ModelId
from hourglass.coding.quantizer import QUANTIZER, Quantizer, check_bits
from hourglass.config.keywords import Keywords, read
from hourglass.config.types import Count, Text
from hourglass.console.errors import UserError
from hourglass.data import image
from hourglass.data.documents import STRICT, read_json
from hourglass.files import sha256
from hourglass.inference.store import CONFIG, Config, Preparation, load_model, weights_file
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.families import build, family_class


@with_config(STRICT)
class PackagedConfig(Config):
    """What config.json has besides, in a folder that is whole; one of a model that is only trained lacks the rest."""

    dataset: NotRequired[Text]
    preparation: Preparation
    training: NotRequired[dict[str, Any]]
    versions: NotRequired[dict[str, str]]
    dataset_sha256: NotRequired[Text]
    format: NotRequired[int]
    name: NotRequired[str]
    bits: NotRequired[Count]


@dataclass(frozen=True)
class Package:
    """A model that is loaded.

    Attributes:
        network: On its device, in evaluation mode.
        config: What config.json says.
        quantizer: None if the model is only trained.
        bits: Of each number in a file, unless others are asked for.
        identity: Which files it reads.
    """

    network: Autoencoder
    config: dict[str, Any]
    quantizer: Quantizer | None
    bits: int
    identity: ModelId


def identity(folder: Path, name: str) -> ModelId:
    """Return which files of images a model reads: those made with the same weights and the same quantizer."""
    digests = sha256(folder / weights_file()) + sha256(folder / QUANTIZER)
    return ModelId(name, hashlib.sha256(digests.encode()).digest()[:8])


def unpack(folder: Path, device: torch.device) -> Package:
    """Load a model from its folder.

    Raises:
        UserError: If it is no folder of a model, one of another version of `hourglass`, or damaged.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder}: expected the folder of a model, got one without {CONFIG}")
    remedy = "copy the model's folder again"
    config = read_json(folder / CONFIG, PackagedConfig, remedy)
    if (got := config.get("format", FORMAT)) != FORMAT:
        raise UserError(f"{folder}: expected version {FORMAT} of the format, got {got}: use another `hourglass`")
    _check_images(folder, config)
    _check_size(folder, config)
    network, whole = load_model(folder, device, remedy=remedy)
    name = config.get("name", folder.resolve().name)
    if not (folder / QUANTIZER).exists():
        if QUANTIZER in config.get("sha256", {}):
            raise UserError(f"expected {folder / QUANTIZER}, found none: {remedy}")
        return Package(network, whole, None, 0, ModelId(name, b""))
    expected, digest = config.get("sha256", {}).get(QUANTIZER, "none"), sha256(folder / QUANTIZER)
    if digest != expected:
        raise UserError(f"{folder / QUANTIZER}: expected SHA-256 {expected}, got {digest}: it is damaged: {remedy}")
    bits = config.get("bits", 0)
    check_bits(bits)
    quantizer = Quantizer.load(folder / QUANTIZER, network.latent_dim)
    return Package(network, whole, quantizer, bits, identity(folder, name))


def _check_images(folder: Path, config: PackagedConfig) -> None:
    """Refuse images of a size that no file has, and a preparation that does not make what the network takes."""
    channels, height, width = config["image_shape"]
    if height * width > image.MAX_PIXELS:
        raise UserError(f"{folder / CONFIG}: expected at most {image.MAX_PIXELS:,} pixels, got {height:,} x {width:,}")
    preparation = image.Preparation.of({**config["preparation"], "size": [height, width]})
    if preparation.channels != channels:
        got = f"{preparation.color} ones of {preparation.channels}"
        raise UserError(f"{folder / CONFIG}: expected images of {channels} channels, got {got}")


def _check_size(folder: Path, config: Config) -> None:
    """Refuse weights that are not those of the network before any memory is taken for it."""
    path = folder / weights_file()
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: expected weights, got: {error}: copy the model's folder again") from None
    try:
        keywords = read(Annotated[dict[str, Any], Keywords(family_class(config["family"]))], config["network"])
        with torch.device("meta"):
            network = build(config["family"], config["image_shape"], keywords)
    except ValidationError:
        return  # `load_model` says what is wrong with them, before it builds anything
    except (TypeError, RuntimeError, ArithmeticError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{folder / CONFIG}: expected a network, got: {reason}") from None
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            got = f"{name} of {shapes[name]}" if name in shapes else f"none of that name ({name})"
            raise UserError(f"{path}: expected {name} of {expected.get(name, 'no network')}, got {got}")
