"""Convolutional autoencoders have the layers that they are told, and fit images of any size."""

from typing import Any

import pytest
import torch

from hourglass.console.errors import UserError
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.families import build
from hourglass.networks.base.layers import Permute, Residual
from hourglass.networks.conv import Conv


def layers_of(network: Autoencoder) -> list[str]:
    """Name every layer that has weights or changes what goes through, with its sizes."""
    described = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Linear):
            described.append(f"dense {layer.out_features}")
        elif isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            kind = "conv" if isinstance(layer, torch.nn.Conv2d) else "transposed"
            described.append(
                f"{kind} {layer.out_channels} {layer.kernel_size[0]}x{layer.kernel_size[1]} /{layer.stride[0]}"
            )
        elif isinstance(layer, torch.nn.LeakyReLU):
            described.append(f"LeakyReLU {layer.negative_slope}")
        elif not isinstance(layer, Autoencoder | torch.nn.Sequential | Permute):
            described.append(type(layer).__name__)
    return described


def test_conv_without_a_dense_layer_keeps_feature_maps() -> None:
    keywords = {
        "encoder": [{"filters": filters, "norm": True, "pool": 2} for filters in (128, 64, 32)],
        "decoder": [{"filters": filters, "norm": True, "transposed": True, "stride": 2} for filters in (32, 64, 128)],
    }
    with torch.device("meta"):
        network = build("conv", (3, 1000, 800), keywords)
    assert network.latent_dim == 125 * 100 * 32  # six times fewer numbers than 1000 x 800 x 3
    small = build("conv", (3, 25, 20), keywords).eval()  # padded to 32x24
    images = torch.rand(2, 3, 25, 20)
    assert small.encode(images).shape == (2, small.latent_dim) == (2, 4 * 3 * 32)
    assert small(images).shape == images.shape
    assert layers_of(small)[:4] == ["conv 128 3x3 /1", "ReLU", "BatchNorm2d", "MaxPool2d"]


@pytest.mark.parametrize(
    ("norm", "behind"),
    [(False, ["ReLU"]), (True, ["ReLU", "BatchNorm2d"]), ("before", ["BatchNorm2d", "ReLU"])],
    ids=str,
)
def test_batch_norm_follows_the_activation_or_stands_before_it(norm: object, behind: list[str]) -> None:
    keywords = {
        "encoder": [{"filters": 4, "norm": norm, "pool": 2}],
        "decoder": [{"filters": 4, "norm": norm, "shuffle": 2}, {"filters": 5, "norm": norm, "transposed": True}],
    }
    assert layers_of(build("conv", (1, 8, 8), keywords)) == [
        *["conv 4 3x3 /1", *behind, "MaxPool2d", "Flatten", "Unflatten"],
        *["conv 16 3x3 /1", "PixelShuffle", *behind, "transposed 5 3x3 /1", *behind, "conv 1 3x3 /1", "Sigmoid"],
    ]


@pytest.mark.parametrize(("norm", "inside"), [(False, "Identity"), (True, "BatchNorm2d"), ("before", "BatchNorm2d")])
def test_residual_blocks_have_batch_norm_where_their_block_has(norm: object, inside: str) -> None:
    network = build("conv", (2, 4, 4), {"encoder": [{"filters": 2, "norm": norm, "residual": 1}], "decoder": []})
    (block,) = (module for module in network.modules() if isinstance(module, Residual))
    assert [type(layer).__name__ for layer in block.change] == ["Conv2d", inside, "ReLU", "Conv2d"]


def test_padding_is_cropped_where_it_was_put() -> None:
    keywords = {"encoder": [{"filters": 1, "pool": 4}], "decoder": [{"filters": 1, "upsample": 4}]}
    network = build("conv", (1, 6, 5), keywords)
    seen: list[torch.Tensor] = []
    network.encoder[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))  # type: ignore[index,union-attr]
    images = torch.rand(2, 1, 6, 5)
    network.encode(images)
    (padded,) = seen
    assert padded.shape == (2, 1, 8, 8)
    assert isinstance(network, Conv)
    left, _, top, _ = network.padding
    assert torch.equal(padded[:, :, top : top + 6, left : left + 5], images)
    assert torch.equal(padded[:, :, 0, left : left + 5], images[:, :, 0])  # by the edge


def test_valid_convolutions_shrink_and_grow() -> None:
    keywords = {
        "encoder": [{"filters": 64, "padding": "valid"}, {"filters": 1}],
        "decoder": [{"filters": 64, "padding": "valid", "transposed": True}],
    }
    network = build("conv", (1, 8, 8), keywords)
    assert network.latent_dim == 36
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 1, 8, 8)


def test_a_decoder_that_does_not_fit_is_one_line() -> None:
    keywords = {"encoder": [{"filters": 4, "pool": 2}], "decoder": [{"filters": 4}]}
    with pytest.raises(UserError, match="expected a decoder with an output of 8x8, got 4x4"):
        build("conv", (1, 8, 8), keywords)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"shuffle": 2, "transposed": True}, r"network: decoder\[1\]: 'shuffle' expects a plain convolution"),
        ({"stride": 2}, r"network: decoder\[1\]: 'stride' in a decoder expects `transposed: true`"),
    ],
)
def test_a_block_that_contradicts_itself_is_one_line(block: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build("conv", (1, 8, 8), {"encoder": [{"filters": 1}], "decoder": [{"filters": 4}, {"filters": 4} | block]})


@pytest.mark.parametrize("key", ["latent_activation", "expand_activation"])
def test_activations_of_a_dense_latent_need_one(key: str) -> None:
    with pytest.raises(UserError, match="are of a dense latent: expected `latent_dim`"):
        build("conv", (1, 8, 8), {"encoder": [{"filters": 1}], "decoder": [], key: "relu"})


def test_layers_that_do_not_fit_the_image_are_one_line() -> None:
    keywords = {"encoder": [{"filters": 4, "kernel": 11, "padding": "valid"}], "decoder": []}
    with pytest.raises(UserError, match=r"expected layers that fit 1x8x8 values, got: .*[Kk]ernel") as refused:
        build("conv", (1, 8, 8), keywords)
    assert "\n" not in str(refused.value)


RESIDUAL: dict[str, Any] = {
    "latent_dim": 5,
    "encoder": [{"filters": 4, "stride": 2, "residual": 2}],
    "decoder": [{"filters": 3, "shuffle": 2, "residual": 1}],
}


def test_residual_blocks_add_to_what_goes_through_them() -> None:
    network = build("conv", (1, 7, 5), RESIDUAL)  # padded to 8x6
    blocks = [module for module in network.modules() if isinstance(module, Residual)]
    assert len(blocks) == 3
    values = torch.rand(2, 4, 3, 3)
    assert torch.equal(blocks[0](values), values)  # at first they add nothing
    torch.nn.init.ones_(blocks[0].change[3].bias)  # type: ignore[arg-type]
    assert torch.allclose(blocks[0](values), values + 1)
    assert network(torch.rand(2, 1, 7, 5)).shape == (2, 1, 7, 5)
