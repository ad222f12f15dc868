"""Tiles are cut and joined without loss, and each is coded by itself."""

import pytest
import torch

from hourglass.console.errors import UserError
from hourglass.networks.base.families import build
from hourglass.networks.base.tiling import join, split
from hourglass.networks.tiles import Tiles

SIZES = [(1, 8, 8), (3, 9, 7), (1, 5, 16), (2, 1, 1)]


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("tile", [(4, 4), (2, 3), (8, 16)], ids=str)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32], ids=str)
def test_joined_tiles_are_the_image(shape: tuple[int, int, int], tile: tuple[int, int], dtype: torch.dtype) -> None:
    images = torch.randint(0, 256, (3, *shape)).to(dtype)
    tiles = split(images, tile)
    assert tiles.shape[1:] == (shape[0], *tile)
    assert torch.equal(join(tiles, shape), images)


def test_tiles_are_squares_of_the_image_row_by_row() -> None:
    image = torch.arange(24).view(1, 1, 4, 6)
    tiles = split(image, (2, 3))
    assert tiles[0, 0].tolist() == [[0, 1, 2], [6, 7, 8]]
    assert tiles[1, 0].tolist() == [[3, 4, 5], [9, 10, 11]]
    assert tiles[2, 0].tolist() == [[12, 13, 14], [18, 19, 20]]


def test_beyond_the_edge_the_edge_goes_on() -> None:
    tiles = split(torch.tensor([[[[1, 2, 3]]]]), (2, 2))
    assert tiles[:, 0].tolist() == [[[1, 2], [1, 2]], [[3, 3], [3, 3]]]


def test_a_tile_is_coded_by_itself() -> None:
    network = build("tiles", (1, 8, 8), {"tile": (4, 4), "tile_latent_dim": 3, "hidden": (5,)})
    images = torch.rand(1, 1, 8, 8)
    changed = images.clone()
    changed[:, :, 4:, 4:] = 0  # the last of four
    before, after = network.encode(images), network.encode(changed)
    assert network.latent_dim == 12
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.equal(before[:, 9:], after[:, 9:])


def test_the_loss_of_tiles_is_that_of_images_that_they_fill() -> None:
    network = build("tiles", (1, 8, 8), {"tile": (4, 4), "tile_latent_dim": 3})
    assert isinstance(network, Tiles)
    images = torch.rand(5, 1, 8, 8)
    whole = torch.nn.functional.mse_loss(network(images), images)
    assert network.losses(network.examples(images))["loss"].item() == pytest.approx(whole.item(), rel=1e-5)


def test_the_published_convolutional_tiles_take_36_numbers_for_64() -> None:
    keywords = {
        "tile": (8, 8),
        "encoder": [{"filters": 64, "padding": "valid"}, {"filters": 1}],
        "decoder": [{"filters": 64, "padding": "valid", "transposed": True}],
    }
    network = build("tiles", (1, 256, 256), keywords)
    assert network.latent_dim == 36 * 1024
    assert network(torch.rand(1, 1, 256, 256)).shape == (1, 1, 256, 256)


def test_a_decoder_that_gives_another_tile_is_one_line() -> None:
    with pytest.raises(UserError, match="expected a decoder with an output of 8x8, got 4x4"):
        build("tiles", (1, 8, 8), {"tile": (8, 8), "encoder": [{"filters": 4, "pool": 2}], "decoder": []})


CONV: dict[str, object] = {"encoder": [{"filters": 1}], "decoder": []}


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"hidden": [5]},
        {"decoder": [{"filters": 1}]},
        CONV | {"hidden": [5]},
        CONV | {"tile_latent_dim": 3},
    ],
    ids=str,
)
def test_a_tile_has_one_network(keywords: dict[str, object]) -> None:
    with pytest.raises(UserError, match="network: expected `hidden` and `tile_latent_dim`, or `encoder` and `decoder`"):
        build("tiles", (1, 8, 8), {"tile": (4, 4)} | keywords)


def test_the_activation_of_a_dense_latent_needs_one() -> None:
    with pytest.raises(UserError, match="'latent_activation' is of a dense latent: expected `tile_latent_dim`"):
        build("tiles", (1, 8, 8), {"tile": (4, 4), "latent_activation": "relu"} | CONV)


def test_losses_have_to_fit_the_tiles() -> None:
    keywords = {"tile_latent_dim": 3, "loss": {"ssim": 1}}
    assert build("tiles", (1, 8, 8), {"tile": (7, 7)} | keywords).latent_dim == 4 * 3
    with pytest.raises(UserError, match=r"network: loss 'ssim': expected images of at least 7x7 .*, got 4x7"):
        build("tiles", (1, 8, 8), {"tile": (4, 7)} | keywords)
