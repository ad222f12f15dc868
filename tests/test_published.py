"""The published systems in params.yaml have the published layers, optimizers and batches."""

from typing import Any

import pytest
import torch

from hourglass.config.document import Params
from hourglass.networks.base.families import build

from .conftest import ROOT
from .test_conv import layers_of

ADAM: dict[str, object] = {"batch_size": 32, "learning_rate": 0.001}
ADADELTA: dict[str, object] = {"batch_size": 256, "learning_rate": 1, "optimizer": {"name": "adadelta", "rho": 0.8}}
FASHION: dict[str, object] = {"batch_size": 128, "learning_rate": 0.001, "patience": 10}
FACES: dict[str, object] = {
    "batch_size": 8,
    "learning_rate": 0.01,
    "learning_rate_batch": 256,
    "schedule": {"name": "plateau", "factor": 0.5, "patience": 3, "minimum": 1e-7},
    "patience": 20,
}
RECIPES: dict[str, dict[str, object]] = {  # without `epochs`, which a slow machine may lower
    "common-tiles": ADADELTA | {"batch_size": 32},
    "common-tiles-conv": ADADELTA | {"batch_size": 32},
    "fashion-baseline": FASHION,
    "fashion-modified": FASHION,
    "fashion-modified-slow": FASHION | {"learning_rate": 0.0001},
    "fashion-modified-64": FASHION,
    "fashion-modified-64-seed-3": FASHION | {"seeds": [3]},
    "fashion-modified-64-slow": FASHION | {"learning_rate": 0.0001},
    "frey-vae": ADAM | {"save_every": 10},
    "iiitm-conv": FACES,
    "london-conv": FACES,
    "mnist-dense": ADADELTA,
    "mnist-tiles": ADADELTA,
    "olivetti-dense": ADAM,
    "olivetti-dense-256": ADAM,
}


def mirrored(values: int, hidden: int, latent_dim: int, inner: str, last: str) -> list[str]:
    """Name the layers of a dense network with one hidden layer on each side."""
    encoder = ["Flatten", f"dense {hidden}", inner, f"dense {latent_dim}", inner]
    return [*encoder, f"dense {hidden}", inner, f"dense {values}", last, "Unflatten"]


def modified(latent_dim: int) -> list[str]:
    """Name the layers of the modified network of Fashion-MNIST."""
    return [
        *["conv 32 3x3 /1", "ReLU", "conv 64 3x3 /2", "ReLU", "conv 128 3x3 /2", "ReLU", "Flatten"],
        *[f"dense {latent_dim}", "ReLU", "dense 6272", "ReLU", "Unflatten"],
        *["transposed 128 3x3 /2", "ReLU", "transposed 64 3x3 /2", "ReLU", "conv 1 3x3 /1", "Sigmoid"],
    ]


LEAKY = "LeakyReLU 0.3"
BASELINE = [
    *["conv 32 3x3 /1", "ReLU", "conv 32 3x3 /1", "ReLU", "MaxPool2d", "Flatten", "dense 128", "Identity"],
    *["dense 6272", "Identity", "Unflatten", "Upsample", "conv 32 3x3 /1", "ReLU", "conv 32 3x3 /1", "ReLU"],
    *["conv 1 3x3 /1", "Sigmoid"],
]
OF_TILES = [
    *["conv 64 3x3 /1", LEAKY, "conv 1 3x3 /1", LEAKY, "Flatten", "Unflatten"],
    *["transposed 64 3x3 /1", LEAKY, "conv 1 3x3 /1", LEAKY],
]
VARIATIONAL = [
    *[layer for filters in (32, 64, 128) for layer in (f"conv {filters} 3x3 /1", "ReLU", "MaxPool2d")],
    *["Flatten", "dense 20", "dense 20", "dense 768", "Identity", "Unflatten"],
    *["transposed 64 3x3 /2", "ReLU", "transposed 32 3x3 /2", "ReLU", "transposed 1 3x3 /2", "Upsample"],
]
OF_FACES = [
    *[layer for filters in (128, 64, 32) for layer in (f"conv {filters} 3x3 /1", "ReLU", "BatchNorm2d", "MaxPool2d")],
    *["Flatten", "Unflatten"],
    *[layer for filters in (32, 64, 128) for layer in (f"transposed {filters} 3x3 /2", "ReLU", "BatchNorm2d")],
    *["conv 3 3x3 /1", "Sigmoid"],
]
# Of each system an image's (C, H, W), the numbers in its latent, and its layers.
NETWORKS: dict[str, tuple[tuple[int, int, int], int, list[str]]] = {
    "common-tiles": ((1, 256, 256), 256 * 16, mirrored(256, 64, 16, LEAKY, LEAKY)),
    "common-tiles-conv": ((1, 256, 256), 1024 * 36, OF_TILES),
    "fashion-baseline": ((1, 28, 28), 128, BASELINE),
    "fashion-modified": ((1, 28, 28), 128, modified(128)),
    "fashion-modified-slow": ((1, 28, 28), 128, modified(128)),
    "fashion-modified-64": ((1, 28, 28), 64, modified(64)),
    "fashion-modified-64-seed-3": ((1, 28, 28), 64, modified(64)),
    "fashion-modified-64-slow": ((1, 28, 28), 64, modified(64)),
    "frey-vae": ((1, 28, 20), 20, VARIATIONAL),
    "iiitm-conv": ((3, 1000, 800), 125 * 100 * 32, OF_FACES),
    "london-conv": ((3, 1000, 800), 125 * 100 * 32, OF_FACES),
    "mnist-dense": ((1, 28, 28), 4, mirrored(784, 300, 4, LEAKY, LEAKY)),
    "mnist-tiles": ((1, 28, 28), 4 * 10, mirrored(196, 300, 10, LEAKY, LEAKY)),
    "olivetti-dense": ((1, 64, 64), 128, mirrored(4096, 512, 128, "ReLU", "Sigmoid")),
    "olivetti-dense-256": ((1, 64, 64), 256, mirrored(4096, 512, 256, "ReLU", "Sigmoid")),
}


def entry(model: str) -> dict[str, Any]:
    """Return what params.yaml, or the file of what is to be switched on, says of a model."""
    params = Params.load(ROOT / ("docs/iiitm.yaml" if model.startswith("iiitm") else "params.yaml"))
    if not params.has("models", model):
        pytest.skip(f"{model} is not in params.yaml")
    found: dict[str, Any] = params.value("models", model)
    return found


@pytest.mark.parametrize("model", RECIPES)
def test_they_are_trained_as_published(model: str) -> None:
    recipe = entry(model)["training"]
    assert {key: value for key, value in recipe.items() if key != "epochs"} == RECIPES[model]


@pytest.mark.parametrize("model", NETWORKS)
def test_they_have_the_published_layers(model: str) -> None:
    shape, latent_dim, layers = NETWORKS[model]
    with torch.device("meta"):
        network = build(entry(model)["family"], shape, entry(model)["network"])
    assert network.latent_dim == latent_dim
    assert layers_of(network) == layers


def test_the_variational_one_has_the_published_likelihood() -> None:
    network = entry("frey-vae")["network"]
    assert "likelihood" not in network  # binary cross-entropy unless given
    assert "beta" not in network  # 1 unless given
