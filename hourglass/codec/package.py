"""The folder of a model that is whole: all that goes from an image file to numbers and back, anywhere.

model.safetensors        weights, no pickle
quantizer.safetensors    steps and distributions of the latents
config.json              network, image shape, preparation, versions, bits, and the SHA-256 of it and of the two above
README.md                the model card
"""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hourglass.coding.fit import Coding
from hourglass.coding.quantizer import QUANTIZER
from hourglass.inference.store import CONFIG, save_weights, weights_file, write_config
from hourglass.networks.base.autoencoder import Autoencoder

CARD = "README.md"
FORMAT = 1  # of the folder
FILES = (CONFIG, weights_file(), QUANTIZER, CARD)


def pack(folder: Path, name: str, network: Autoencoder, config: Mapping[str, Any], coding: Coding, card: str) -> None:
    """Write all of a model that is trained."""
    (folder / CARD).write_text(card, encoding="utf-8")
    save_weights(folder / weights_file(), network)
    coding.quantizer.save(folder / QUANTIZER)
    versions = {**config.get("versions", {}), "pillow": version("pillow")}  # which decodes and resizes images
    further = {"format": FORMAT, "name": name, "bits": coding.bits, "scale": 1 / 255, "versions": versions}
    write_config(folder, {**config, **further})
