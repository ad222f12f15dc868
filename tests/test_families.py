"""One contract over all families: any image size, color or gray; weights that all learn, and survive the file."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docstring_parser
import pytest
import torch

from hourglass.config.keywords import section
from hourglass.console.errors import UserError
from hourglass.inference.store import load_model, save_model
from hourglass.networks.base.autoencoder import Autoencoder, Generative, Solvable, scale
from hourglass.networks.base.blocks import decoder_block, encoder_block
from hourglass.networks.base.families import build, families, family_class

from .conftest import ROOT

SHAPES = [(1, 8, 8), (1, 9, 7), (3, 5, 13), (1, 1, 4)]
NETWORK: dict[str, dict[str, Any]] = {
    "conv": {
        "latent_dim": 3,
        "encoder": [{"filters": 4, "norm": True, "pool": 2}, {"filters": 5, "stride": 2}],
        "decoder": [{"filters": 4, "transposed": True, "stride": 2, "norm": True}, {"filters": 3, "upsample": 2}],
        "activation": "leaky_relu",
    },
    "dense": {"latent_dim": 3, "hidden": [11, 6]},
    "pca": {"latent_dim": 3},
    "tiles": {"tile": [3, 4], "tile_latent_dim": 3, "hidden": [9], "activation": "leaky_relu"},
    "vae": {
        "latent_dim": 3,
        "encoder": [{"filters": 4, "pool": 2}, {"filters": 5, "pool": 2}],
        "decoder": [{"filters": 4, "transposed": True, "stride": 2}],
    },
}

VARIANTS: dict[str, dict[str, Any]] = {  # of a family, so named: what comes after the colon
    "pca: tiles": {"tile": [3, 4], "tile_latent_dim": 3},
    "tiles: conv": {
        "tile": [4, 4],
        "encoder": [{"filters": 4, "pool": 2}, {"filters": 1}],
        "decoder": [{"filters": 4, "transposed": True, "stride": 2}],
        "activation": "leaky_relu",
    },
    "conv: residual": {
        "latent_dim": 3,
        "encoder": [{"filters": 4, "stride": 2, "norm": True, "residual": 1}],
        "decoder": [{"filters": 4, "shuffle": 2, "norm": True, "residual": 1}],
        "activation": "leaky_relu",
    },
    "conv: norm before": {
        "latent_dim": 3,
        "encoder": [{"filters": 4, "norm": "before", "pool": 2}],
        "decoder": [{"filters": 4, "norm": "before", "upsample": 2}],
        "activation": "leaky_relu",
    },
    "vae: dense": {"latent_dim": 3, "hidden": [9], "activation": "leaky_relu"},
    "vae: gaussian": {"latent_dim": 3, "hidden": [9], "activation": "leaky_relu", "likelihood": "gaussian"},
}
GAUSSIAN = {"likelihood": "gaussian", "linear": "pca"}
LINEAR: dict[str, dict[str, Any]] = {  # with a linear path
    "dense: linear": NETWORK["dense"] | {"linear": "pca"},
    "conv: linear": NETWORK["conv"] | {"linear": "pca"},
    "tiles: linear": NETWORK["tiles"] | {"linear": "pca"},
    "tiles: conv linear": VARIANTS["tiles: conv"] | {"linear": "pca"},
    "tiles: overlap": NETWORK["tiles"] | {"linear": "pca", "overlap": True, "residual": 1},
    "tiles: lapped": {"tile": [3, 4], "tile_latent_dim": 3, "linear": "pca", "overlap": True},
    "vae: linear": VARIANTS["vae: dense"] | GAUSSIAN,
    "vae: conv linear": NETWORK["vae"] | GAUSSIAN,
}
LINEAR |= {f"{name}, trained": network | {"train_linear": True} for name, network in LINEAR.items()}
VARIANTS |= LINEAR

every_family = pytest.mark.parametrize("family", [*NETWORK, *VARIANTS])
every_family_and_shape = pytest.mark.parametrize(
    ("family", "shape"),
    [
        (family, shape)
        for family, network in (NETWORK | VARIANTS).items()
        for shape in SHAPES
        if all(side <= size for side, size in zip(network.get("tile", ()), shape[1:], strict=False))
    ],
    ids=str,
)


def make(family: str, shape: tuple[int, int, int], seed: int = 0) -> tuple[Autoencoder, torch.Tensor]:
    """Build a small network, solved if it has a closed form or a linear path, and 20 random images for it."""
    network = build(family.partition(":")[0], shape, (NETWORK | VARIANTS)[family], seed).eval()
    images = torch.rand(20, *shape, generator=torch.Generator().manual_seed(1))
    if isinstance(network, Solvable):
        network.fit([images.numpy()])
    if network.linear is not None:
        network.linear.fit([images.numpy()], tiled="tiles" in family)
    return network, images


def move_from_zero(network: torch.nn.Module) -> None:
    """Set the weights of the layers that start at zero, which are in the way of all gradients, to random ones."""
    for module in network.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.ConvTranspose2d) and not module.weight.any():
            torch.nn.init.xavier_uniform_(module.weight, generator=torch.Generator().manual_seed(2))


def examples(network: Autoencoder, images: torch.Tensor) -> torch.Tensor:
    """Return what a network trains on."""
    return network.examples(images)


def test_every_family_is_tested() -> None:
    assert families() == sorted(NETWORK)


def test_a_family_is_imported_by_its_name_alone() -> None:
    code = (
        "import sys; from hourglass.networks.base.families import families, family_class; names = families(); "
        "family_class('pca'); print([name for name in names if 'hourglass.networks.' + name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['pca']"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("cnov", "did you mean 'conv'?"), ("Dense", "did you mean 'dense'?"), ("xyz", f"known: {', '.join(families())}")],
)
def test_an_unknown_family_is_one_line(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"expected a family, got '{name}'; {hint}")):
        build(name, (1, 8, 8), {})


def test_a_package_is_no_family() -> None:
    with pytest.raises(UserError, match="expected a family, got 'base'"):
        family_class("base")


def test_families_with_a_closed_form_are_told_by_their_class() -> None:
    assert [name for name in families() if issubclass(family_class(name), Solvable)] == ["pca"]
    assert [name for name in families() if issubclass(family_class(name), Generative)] == ["vae"]


@pytest.mark.parametrize("family", [*NETWORK])
def test_every_keyword_is_checked_and_explained(family: str) -> None:
    target = family_class(family)
    checked = section(target).model_validate(NETWORK[family])
    assert build(family, (1, 8, 8), dict(checked)).latent_dim == build(family, (1, 8, 8), NETWORK[family]).latent_dim
    documented = {parameter.arg_name for parameter in docstring_parser.parse(target.__doc__ or "").params}
    assert documented == {"image_shape", *section(target).model_fields}


@pytest.mark.parametrize("block", [encoder_block, decoder_block])
def test_every_keyword_of_a_block_is_explained(block: Callable[..., object]) -> None:
    documented = {parameter.arg_name for parameter in docstring_parser.parse(block.__doc__ or "").params}
    assert documented == {"channels", "activation", *section(block).model_fields}


def test_a_latent_larger_than_the_image_is_one_line() -> None:
    with pytest.raises(UserError, match=r"network: expected a latent of at most 64 numbers, .*, got 65"):
        build("dense", (1, 8, 8), {"latent_dim": 65})
    with torch.device("meta"), pytest.raises(UserError, match="expected a latent of at most 64 numbers"):
        build("conv", (1, 8, 8), {"encoder": [{"filters": 2}], "decoder": []})


@every_family_and_shape
def test_shapes(family: str, shape: tuple[int, int, int]) -> None:
    network, images = make(family, shape)
    latents = network.encode(images)
    assert latents.shape == (20, network.latent_dim)
    assert network.latent_dim == 3 or "tiles" in family
    assert latents.dtype == torch.float32
    assert network.decode(latents).shape == images.shape
    assert torch.equal(network(images), network.decode(latents))
    assert network.losses(network.examples(images))["loss"].shape == ()


@every_family_and_shape
def test_gradients_reach_every_parameter(family: str, shape: tuple[int, int, int]) -> None:
    network, images = make(family, shape)
    if isinstance(network, Solvable):
        assert not list(network.parameters())  # nothing to train
        return
    move_from_zero(network)  # as after the first step
    network.train().losses(network.examples(images))["loss"].backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every_family_and_shape
def test_weights_survive_the_file_bit_for_bit(family: str, shape: tuple[int, int, int], tmp_path: Path) -> None:
    network, images = make(family, shape)
    save_model(
        tmp_path,
        network,
        {"family": family.partition(":")[0], "network": (NETWORK | VARIANTS)[family], "image_shape": shape},
    )
    again, config = load_model(tmp_path, torch.device("cpu"))
    assert config["family"] == family.partition(":")[0]
    assert again.state_dict().keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert torch.equal(again(images), network.eval()(images))


@every_family
def test_first_weights_depend_on_the_seed_alone(family: str) -> None:
    torch.rand(7)  # whatever was drawn before does not matter
    state = torch.get_rng_state()
    first = make(family, SHAPES[0], seed=5)[0].state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    assert all(
        torch.equal(first[name], tensor) for name, tensor in make(family, SHAPES[0], seed=5)[0].state_dict().items()
    )


def test_other_seed_other_weights() -> None:
    first, other = (make("dense", SHAPES[0], seed)[0].state_dict() for seed in (1, 2))
    assert not any(torch.equal(first[name], other[name]) for name in first if name.endswith("weight"))


@pytest.mark.parametrize("family", ["conv", "dense", "tiles", "vae"])
def test_first_weights_are_glorots(family: str) -> None:
    network = make(family, SHAPES[1])[0].requires_grad_(requires_grad=False)
    layers = [
        layer
        for layer in network.modules()
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    ]
    assert layers
    for layer in layers:
        reference = torch.nn.init.xavier_uniform_(layer.weight.clone())
        largest, expected = layer.weight.abs().max().item(), reference.abs().max().item()
        assert largest == pytest.approx(expected, rel=0.4)  # uniform, so the largest are near the limit
        assert layer.bias is not None
        assert not layer.bias.any()


def test_scale_returns_float32_from_0_to_1() -> None:
    scaled = scale(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert scaled.dtype == torch.float32
    assert scaled.tolist() == pytest.approx([0, 0.2, 1])
