"""What the families build their networks of."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.common.errors import UserError

Block = Mapping[str, Any]  # the keywords of `encoder_block` or `decoder_block`
Weighted = TypeVar("Weighted", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def glorot(layer: Weighted) -> Weighted:
    """Draw a layer's first weights as Glorot and Bengio (2010), uniform, biases 0.

    That is how Keras begins too. torch's own first weights are smaller: several layers with ReLU let little through.
    """
    nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def make_activation(name: str, negative_slope: float = 0.01) -> nn.Module:
    """Make the layer "relu", "leaky_relu" (with that slope), "sigmoid" or "linear", which changes nothing."""
    # In place: what a dense or convolutional layer gave is needed by nothing else, and memory is what costs time.
    if name == "leaky_relu":
        return nn.LeakyReLU(negative_slope, inplace=True)
    if name == "relu":
        return nn.ReLU(inplace=True)
    return {"sigmoid": nn.Sigmoid, "linear": nn.Identity}[name]()


def dense_layers(widths: Sequence[int], activations: Sequence[str], negative_slope: float) -> list[nn.Module]:
    """Chain linear layers from width to width, each followed by its activation."""
    layers: list[nn.Module] = []
    for (inputs, outputs), activation in zip(pairwise(widths), activations, strict=True):
        layers += [glorot(nn.Linear(inputs, outputs)), make_activation(activation, negative_slope)]
    return layers


def dense_halves(
    image_shape: tuple[int, ...],
    hidden: Sequence[int],
    latent_dim: int,
    activation: str,
    latent_activation: str,
    output_activation: str,
    negative_slope: float,
) -> tuple[nn.Sequential, nn.Sequential]:
    """Make the encoder (N, C, H, W) -> (N, latent_dim) and the decoder, mirrored around the latent."""
    widths = [math.prod(image_shape), *hidden, latent_dim]
    inner = [activation] * len(hidden)
    encoder = dense_layers(widths, [*inner, latent_activation], negative_slope)
    decoder = dense_layers(widths[::-1], [*inner, output_activation], negative_slope)
    return nn.Sequential(nn.Flatten(), *encoder), nn.Sequential(*decoder, nn.Unflatten(1, image_shape))


class Permute(nn.Module):
    """Put the axes of a tensor into another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, values: Tensor) -> Tensor:
        """Give a view; nothing is copied."""
        return values.permute(self.axes)


class Residual(nn.Module):
    """Adds to what goes through it: x + convolution(activation(batch norm(convolution(x)))), both 3x3.

    He et al. (2016), Deep residual learning, arXiv:1512.03385, with nothing after the sum. The second convolution
    begins at 0: a deep network begins as a shallow one.
    """

    def __init__(self, channels: int, activation: Callable[[], nn.Module], norm: bool) -> None:
        super().__init__()
        first, second = (glorot(nn.Conv2d(channels, channels, 3, padding="same")) for _ in range(2))
        nn.init.zeros_(second.weight)
        between = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.change = nn.Sequential(first, between, activation(), second)

    def forward(self, values: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        return values + self.change(values)


def encoder_block(
    channels: int,
    activation: Callable[[], nn.Module],
    filters: int,
    kernel: int = 3,
    stride: int = 1,
    padding: str = "same",
    norm: bool = False,
    pool: int = 1,
    residual: int = 0,
) -> list[nn.Module]:
    """Make a convolution of `filters`, its activation, batch norm if `norm`, and maxima of `pool` x `pool` if not 1.

    `padding` is "same", so that the stride alone makes the image smaller, or "valid", none. So many `residual` blocks
    follow, normalised too.
    """
    convolution = glorot(nn.Conv2d(channels, filters, kernel, stride, _border(kernel, padding)))
    return [convolution, *_after(filters, activation, norm, pool, residual)]


def decoder_block(
    channels: int,
    activation: Callable[[], nn.Module],
    filters: int,
    kernel: int = 3,
    stride: int = 1,
    padding: str = "same",
    transposed: bool = False,
    upsample: int = 1,
    shuffle: int = 1,
    norm: bool = False,
    residual: int = 0,
) -> list[nn.Module]:
    """Make every pixel `upsample` x `upsample`, then a convolution of `filters`, its activation, batch norm if `norm`.

    A `transposed` convolution enlarges by its `stride`, and with `padding` "valid" by what its `kernel` has beyond that
    too. With `shuffle`, the convolution makes all `shuffle` x `shuffle` pixels of each pixel at once (Shi et al. 2016,
    arXiv:1609.05158). So many `residual` blocks follow, normalised too.
    """
    border = _border(kernel, padding)
    layers: list[nn.Module] = [nn.Upsample(scale_factor=upsample)] if upsample > 1 else []
    if transposed:
        enlarged = stride - 1 if padding == "same" else 0
        layers.append(glorot(nn.ConvTranspose2d(channels, filters, kernel, stride, border, enlarged)))
    else:
        layers.append(glorot(nn.Conv2d(channels, filters * shuffle**2, kernel, stride, border)))
    if shuffle > 1:
        layers.append(nn.PixelShuffle(shuffle))
    return [*layers, *_after(filters, activation, norm, 1, residual)]


def _border(kernel: int, padding: str) -> int:
    """Count the pixels that a convolution pads each side with."""
    return kernel // 2 if padding == "same" else 0


def _after(filters: int, activation: Callable[[], nn.Module], norm: bool, pool: int, residual: int) -> list[nn.Module]:
    """Make what follows a block's convolution."""
    layers = [activation()]
    if norm:
        layers.append(nn.BatchNorm2d(filters))
    if pool > 1:
        layers.append(nn.MaxPool2d(pool))
    return [*layers, *(Residual(filters, activation, norm) for _ in range(residual))]


def reduction(encoder: Sequence[Block]) -> int:
    """Count the pixels of a side that become one, where nothing but stride and pooling makes the image smaller."""
    return math.prod(block.get("stride", 1) * block.get("pool", 1) for block in encoder)


def to_values() -> list[nn.Module]:
    """Flatten feature maps (N, F, h, w) into (N, values), in the memory order of channels_last."""
    return [Permute(0, 2, 3, 1), nn.Flatten()]


def to_features(features: tuple[int, ...]) -> list[nn.Module]:
    """Make feature maps of (F, h, w) of what `to_values` flattened."""
    filters, *size = features
    return [nn.Unflatten(1, (*size, filters)), Permute(0, 3, 1, 2)]


def pad_by_edge(images: Tensor, padding: Sequence[int]) -> Tensor:
    """Continue images (N, C, H, W) by their edge, by (left, right, top, bottom) pixels."""
    return functional.pad(images, padding, mode="replicate") if any(padding) else images


def chain(
    block: Callable[..., list[nn.Module]], channels: int, blocks: Sequence[Block], activation: Callable[[], nn.Module]
) -> tuple[list[nn.Module], int]:
    """Make all blocks, and give the channels that the last one has."""
    layers = []
    for keywords in blocks:
        layers += block(channels, activation, **keywords)
        channels = keywords["filters"]
    return layers, channels


def shape_after(layers: list[nn.Module], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Find what layers make of (C, H, W), without computing anything."""
    network = nn.Sequential(*layers).eval()  # batch norm trains on nothing but values
    try:
        return tuple(network(torch.zeros(0, *shape)).shape[1:])  # a batch of no images has a shape too
    except RuntimeError as error:  # a kernel or a pool that is larger than what it is given
        size = "x".join(map(str, shape))
        raise UserError(f"network: expected layers that fit {size} values, got: {error}") from None
    finally:
        network.train()


def check_decoder(layers: list[nn.Module], features: tuple[int, ...], image_shape: tuple[int, ...]) -> None:
    """Refuse a decoder that makes another size than the image's of the encoder's feature maps (F, h, w)."""
    decoded = shape_after(layers, features)
    if decoded[1:] != image_shape[1:]:
        expected, got = (f"{height}x{width}" for _, height, width in (image_shape, decoded))
        raise UserError(
            f"network: expected a decoder that gives {expected} back, got {got}: "
            "what the encoder's `pool`, `stride` and `padding: valid` take away, the decoder has to add"
        )
