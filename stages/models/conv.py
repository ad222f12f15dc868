"""Convolutional autoencoders."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.errors import UserError
from stages.models.autoencoder import Autoencoder, ImageShape, make_activation

Block = Mapping[str, Any]


class Conv(Autoencoder):
    """Convolutional autoencoder, with a dense latent or with feature maps as the latent.

        image (N, C, H, W) -> pad -> encoder blocks -> features (N, F, h, w) -> [dense -> latent (N, D) -> dense]
                           -> decoder blocks -> convolution to C channels -> crop -> image

    `encoder` and `decoder` list the keywords of `encoder_block` and `decoder_block`. With `latent_dim` a dense layer,
    followed by `latent_activation`, makes the latent, and another, followed by `expand_activation`, the features again.
    Without, the features are the latent. `activation` follows every block's convolution, `output_activation` the image;
    `negative_slope` is that of every leaky_relu. An image whose sides the encoder cannot divide is padded by its edge,
    and the padding is cropped from what comes back.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        encoder: Sequence[Block],
        decoder: Sequence[Block],
        latent_dim: int | None = None,
        activation: str = "relu",
        latent_activation: str = "linear",
        expand_activation: str = "linear",
        output_activation: str = "sigmoid",
        output_kernel: int = 3,
        negative_slope: float = 0.01,
    ) -> None:
        channels, height, width = image_shape
        step = math.prod(block.get("stride", 1) * block.get("pool", 1) for block in encoder)
        padded = (channels, _up_to_multiple(height, step), _up_to_multiple(width, step))
        inner = partial(make_activation, activation, negative_slope)
        layers, filters = _chain(encoder_block, channels, encoder, inner)
        features = _shape_after(layers, padded)
        super().__init__(image_shape, math.prod(features) if latent_dim is None else latent_dim)
        # (left, right, top, bottom), half on each side
        self.padding = [*_halves(padded[2] - width), *_halves(padded[1] - height)]
        squeeze: list[nn.Module] = [nn.Flatten()]
        expand: list[nn.Module] = [nn.Unflatten(1, (*features[1:], features[0]))]
        if latent_dim is not None:
            values = math.prod(features)
            squeeze += [nn.Linear(values, latent_dim), make_activation(latent_activation, negative_slope)]
            expand = [nn.Linear(latent_dim, values), make_activation(expand_activation, negative_slope), *expand]
        # Between convolutions and dense layers the features are (N, h, w, F): the memory order of channels_last.
        self.encoder = nn.Sequential(*layers, Permute(0, 2, 3, 1), *squeeze)
        layers, filters = _chain(decoder_block, filters, decoder, inner)
        output = nn.Conv2d(filters, channels, output_kernel, padding="same")
        self.decoder = nn.Sequential(
            *expand, Permute(0, 3, 1, 2), *layers, output, make_activation(output_activation, negative_slope)
        )
        _, *decoded = _shape_after([*layers, output], features)
        if decoded != list(padded[1:]):
            raise UserError(
                f"network: expected a decoder that gives {padded[1]}x{padded[2]} back, got {decoded[0]}x{decoded[1]}: "
                "what the encoder's `pool`, `stride` and `padding: valid` take away, the decoder has to add"
            )

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        if any(self.padding):
            images = functional.pad(images, self.padding, mode="replicate")
        return self.encoder(images)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        _, height, width = self.image_shape
        left, _, top, _ = self.padding
        return self.decoder(latents)[:, :, top : top + height, left : left + width]


class Permute(nn.Module):
    """Put the axes of a tensor into another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, values: Tensor) -> Tensor:
        """Give a view; nothing is copied."""
        return values.permute(self.axes)


def encoder_block(
    channels: int,
    activation: Callable[[], nn.Module],
    filters: int,
    kernel: int = 3,
    stride: int = 1,
    padding: str = "same",
    norm: bool = False,
    pool: int = 1,
) -> list[nn.Module]:
    """Make a convolution of `filters`, its activation, batch norm if `norm`, and maxima of `pool` x `pool` if not 1.

    `padding` is "same", so that the stride alone makes the image smaller, or "valid", none.
    """
    border = kernel // 2 if padding == "same" else 0
    layers: list[nn.Module] = [nn.Conv2d(channels, filters, kernel, stride, border), activation()]
    if norm:
        layers.append(nn.BatchNorm2d(filters))
    if pool > 1:
        layers.append(nn.MaxPool2d(pool))
    return layers


def decoder_block(
    channels: int,
    activation: Callable[[], nn.Module],
    filters: int,
    kernel: int = 3,
    stride: int = 1,
    padding: str = "same",
    transposed: bool = False,
    upsample: int = 1,
    norm: bool = False,
) -> list[nn.Module]:
    """Make every pixel `upsample` x `upsample`, then a convolution of `filters`, its activation, batch norm if `norm`.

    A `transposed` convolution enlarges by its `stride`, and with `padding` "valid" by its `kernel` too.
    """
    border = kernel // 2 if padding == "same" else 0
    layers: list[nn.Module] = [nn.Upsample(scale_factor=upsample)] if upsample > 1 else []
    if transposed:
        enlarged = stride - 1 if padding == "same" else 0
        layers.append(nn.ConvTranspose2d(channels, filters, kernel, stride, border, enlarged))
    else:
        layers.append(nn.Conv2d(channels, filters, kernel, stride, border))
    layers.append(activation())
    if norm:
        layers.append(nn.BatchNorm2d(filters))
    return layers


def _chain(
    block: Callable[..., list[nn.Module]], channels: int, blocks: Sequence[Block], activation: Callable[[], nn.Module]
) -> tuple[list[nn.Module], int]:
    """Make all blocks, and give the channels that the last one has."""
    layers = []
    for keywords in blocks:
        layers += block(channels, activation, **keywords)
        channels = keywords["filters"]
    return layers, channels


def _shape_after(layers: list[nn.Module], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Find what layers make of (C, H, W), without computing anything."""
    # A layer on the device "meta" knows shapes alone.
    network = copy.deepcopy(nn.Sequential(*layers)).to("meta").eval()
    try:
        return tuple(network(torch.zeros(1, *shape, device="meta")).shape[1:])
    except RuntimeError as error:  # a kernel or a pool that is larger than what it is given
        size = "x".join(map(str, shape))
        raise UserError(f"network: expected layers that fit {size} values, got: {error}") from None


def _up_to_multiple(value: int, step: int) -> int:
    return -(-value // step) * step


def _halves(value: int) -> tuple[int, int]:
    return value // 2, value - value // 2
