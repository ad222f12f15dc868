"""Tiles that overlap: a tile and its eight neighbors are one transform, on images of any size."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hourglass.console.errors import UserError
from hourglass.networks.base.families import build
from hourglass.networks.base.grid import Grid
from hourglass.networks.tiles import Tiles

from .test_families import move_from_zero

SHAPE = (2, 15, 23)  # 5 x 6 tiles
TILE = (3, 4)
OVERLAP: dict[str, Any] = {"tile": TILE, "tile_latent_dim": 5, "linear": "pca", "overlap": True}
DEEP: dict[str, Any] = {"hidden": [11, 9], "residual": 2, "activation": "silu"}


def some(shape: tuple[int, int, int], count: int = 12) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def solved(shape: tuple[int, int, int] = SHAPE, **keywords: object) -> Tiles:
    """Return a network with a solved linear path, in evaluation mode."""
    network = build("tiles", shape, OVERLAP | keywords).eval()
    assert isinstance(network, Tiles)
    assert network.linear is not None
    network.linear.fit([some(shape).numpy()], tiled=True)
    return network


def changed(before: Tensor, after: Tensor) -> set[tuple[int, int]]:
    """Return the places of a grid (rows, columns, values) where something is different."""
    return {(row, column) for row, column in (before != after).any(dim=2).nonzero().tolist()}


@pytest.mark.parametrize("keywords", [{}, DEEP], ids=["lapped", "deep"])
@pytest.mark.parametrize("place", [(2, 2), (0, 0), (4, 5)], ids=str)
def test_a_tile_and_its_eight_neighbors_and_no_others(keywords: dict[str, Any], place: tuple[int, int]) -> None:
    network = solved(**keywords)
    row, column = place
    images = some(SHAPE, 1)
    other = images.clone()
    other[:, :, row * 3 + 1, column * 4 + 1] += 0.5
    latents = network.encode(images)
    other_latents = latents.clone().view(5, 6, 5)
    other_latents[row, column] += 0.5

    def reach() -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        encoded = (network.encode(values).view(5, 6, 5) for values in (images, other))
        decoded = (
            torch.nn.functional.pad(network.decode(values.reshape(1, -1)), (0, 1))
            .unflatten(3, (6, 4))
            .unflatten(2, (5, 3))
            for values in (latents, other_latents)
        )
        return changed(*encoded), changed(*(image.permute(2, 4, 0, 1, 3, 5).flatten(2) for image in decoded))

    assert reach() == ({place}, {place})
    move_from_zero(network)
    neighbors = {(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)}
    inside = {(r, c) for r, c in neighbors if 0 <= r < 5 and 0 <= c < 6}
    assert reach() == (inside, inside)


def lift(network: Tiles) -> None:
    """Make a lapped transform that has an inverse: the first half of each tile's numbers changes the rest of its neighbors'.

    The encoder adds L p to the principal components p of the tiles, and the decoder subtracts L z from the latents z:
    L, a convolution of 3x3 tiles from the first half of the numbers to the rest, is nothing when applied twice.
    """
    path, encoder, decoder = network.linear, network.encoder, network.decoder
    assert path is not None
    assert isinstance(encoder, Grid)
    assert isinstance(decoder, Grid)
    path.residual.fill_(0.3)
    half, count = network.tile_latent_dim // 2, network.tile_latent_dim
    lifting = torch.zeros(count, count, 3, 3)
    lifting[half:, :half] = torch.randn(count - half, half, 3, 3, generator=torch.Generator().manual_seed(2)) / 3
    into = path.components / path.deviations[:, None] * path.spread  # from the encoder's inputs to components
    out_of = path.components * path.deviations[:, None] / path.residual
    with torch.no_grad():
        encoder.lapped.weight.copy_(torch.einsum("oikl,ip->opkl", lifting / path.share[:, None, None, None], into))
        decoder.lapped.weight.copy_(-torch.einsum("op,oikl->pikl", out_of, lifting))


@pytest.mark.parametrize(
    ("shape", "tile"), [((1, 12, 16), (3, 4)), ((2, 15, 9), (5, 3)), ((3, 7, 21), (1, 7))], ids=str
)
def test_as_many_numbers_as_pixels_lose_nothing(shape: tuple[int, int, int], tile: tuple[int, int]) -> None:
    network = solved(shape, tile=tile, tile_latent_dim=shape[0] * math.prod(tile))
    images = some(shape)
    assert network.latent_dim == math.prod(shape)
    torch.testing.assert_close(network(images), images, atol=1e-5, rtol=0)
    latents = network.encode(images)
    lift(network)
    assert (network.encode(images) - latents).square().mean().sqrt() > 0.5  # of latents with variance 1
    torch.testing.assert_close(network(images), images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("keywords", [{}, DEEP, {"loss": {"mse": 1, "ssim": 0.1}}], ids=str)
def test_a_crop_is_coded_as_an_image_of_its_size(keywords: dict[str, Any]) -> None:
    network = solved(**keywords)
    move_from_zero(network)
    crop = (2, 12, 12)
    of_crops = build("tiles", crop, OVERLAP | keywords).eval()
    of_crops.load_state_dict(network.state_dict())
    crops = some(SHAPE)[:, :, 2:14, 3:15]
    losses, expected = network.losses(crops), of_crops.losses(crops)
    assert losses.keys() == expected.keys()
    assert all(torch.equal(losses[name], expected[name]) for name in losses)
    mean = (of_crops(crops).clamp(0, 1) - crops).square().mean()
    assert losses.get("mse", losses["loss"]).item() == pytest.approx(mean.item(), rel=1e-5)


@pytest.mark.parametrize("shape", [SHAPE, (1, 9, 8)], ids=str)
def test_the_loss_is_that_of_whole_images_without_what_tiles_reach_beyond(shape: tuple[int, int, int]) -> None:
    network, images = solved(shape, **DEEP), some(shape)
    move_from_zero(network)
    assert torch.equal(network.examples(images), images)
    expected = (network(images).clamp(0, 1) - images).square().mean()
    torch.testing.assert_close(network.losses(images)["loss"], expected)


def test_crops_are_multiples_of_tiles() -> None:
    assert solved().crop_multiple == 12
    assert solved(tile=(3, 3)).crop_multiple == 3
    assert build("tiles", SHAPE, OVERLAP | {"overlap": False}).crop_multiple is None


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"linear": None}, "'overlap' is learned beside a linear path: expected `linear: pca` and `tile_latent_dim`"),
        (
            {"tile_latent_dim": None, "encoder": [{"filters": 1}]},
            "'overlap' is learned beside a linear path: expected `linear: pca` and `tile_latent_dim`",
        ),
        ({"residual": 1}, "'residual' is of tiles that overlap: expected `overlap: true` and `hidden`"),
        ({"residual": 1, "hidden": [4], "overlap": False}, "'residual' is of tiles that overlap"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_one_line(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        build("tiles", SHAPE, OVERLAP | keywords)
    assert "\n" not in str(refused.value)
