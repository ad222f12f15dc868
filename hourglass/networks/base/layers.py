"""Layers that the families build their networks from, and checks of what they do to shapes."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hourglass.config.types import Activation

Weighted = TypeVar("Weighted", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def glorot(layer: Weighted) -> Weighted:
    """Initialize a layer in place by Glorot and Bengio (2010), uniform, with biases 0, and return it.

    Keras does the same. torch's own initial weights are smaller: little passes through several layers with ReLU.
    """
    nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def make_activation(name: Activation, negative_slope: float = 0.01) -> nn.Module:
    """Make the layer of an activation; "linear" is the identity, `negative_slope` is that of "leaky_relu"."""
    # In place: nothing else needs the output of the layer before, and memory traffic is what takes the time.
    if name == "leaky_relu":
        return nn.LeakyReLU(negative_slope, inplace=True)
    if name == "relu":
        return nn.ReLU(inplace=True)
    return {"silu": nn.SiLU, "sigmoid": nn.Sigmoid, "linear": nn.Identity}[name]()


def dense_layers(widths: Sequence[int], activations: Sequence[Activation], negative_slope: float) -> list[nn.Module]:
    """Make linear layers from each width to the next, each followed by its activation."""
    layers: list[nn.Module] = []
    for (inputs, outputs), activation in zip(pairwise(widths), activations, strict=True):
        layers += [glorot(nn.Linear(inputs, outputs)), make_activation(activation, negative_slope)]
    return layers


def dense_halves(
    image_shape: tuple[int, ...],
    hidden: Sequence[int],
    latent_dim: int,
    activation: Activation,
    latent_activation: Activation,
    output_activation: Activation,
    negative_slope: float,
) -> tuple[nn.Sequential, nn.Sequential]:
    """Make the encoder (N, C, H, W) -> (N, latent_dim) and the decoder, mirrored around the latent."""
    widths = [math.prod(image_shape), *hidden, latent_dim]
    inner = [activation] * len(hidden)
    encoder = dense_layers(widths, [*inner, latent_activation], negative_slope)
    decoder = dense_layers(widths[::-1], [*inner, output_activation], negative_slope)
    return nn.Sequential(nn.Flatten(), *encoder), nn.Sequential(*decoder, nn.Unflatten(1, image_shape))


class Permute(nn.Module):
    """Reorders the axes of a tensor."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, values: Tensor) -> Tensor:
        """Return a view with the axes in their new order."""
        return values.permute(self.axes)


class Residual(nn.Module):
    """Residual block of two convolutions, 3x3 by default: x + convolution(activation(batch norm(convolution(x)))).

    He et al. (2016), Deep residual learning, arXiv:1512.03385, without an activation after the sum. The second
    convolution is initialized with 0, so that a deep network starts as a shallow one.
    """

    def __init__(self, channels: int, activation: Callable[[], nn.Module], norm: bool, kernel: int = 3) -> None:
        super().__init__()
        first, second = (glorot(nn.Conv2d(channels, channels, kernel, padding="same")) for _ in range(2))
        nn.init.zeros_(second.weight)
        between = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.change = nn.Sequential(first, between, activation(), second)

    def forward(self, values: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        return values + self.change(values)


def to_values() -> list[nn.Module]:
    """Flatten feature maps (N, F, h, w) into (N, values), in the memory order of channels_last."""
    return [Permute(0, 2, 3, 1), nn.Flatten()]


def to_features(features: tuple[int, ...]) -> list[nn.Module]:
    """Unflatten (N, values) into feature maps (N, F, h, w): the inverse of `to_values`."""
    filters, *size = features
    return [nn.Unflatten(1, (*size, filters)), Permute(0, 3, 1, 2)]


def pad_by_edge(images: Tensor, padding: Sequence[int]) -> Tensor:
    """Pad images (N, C, H, W) by (left, right, top, bottom) pixels that repeat those of the edge."""
    return functional.pad(images, padding, mode="replicate") if any(padding) else images


def shape_after(layers: list[nn.Module], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of what comes out of layers for an input (C, H, W), without computing any values.

    Raises:
        ValueError: If a kernel or a pooling window is larger than its input.
    """
    network = nn.Sequential(*layers).eval()  # batch norm refuses to train on no values
    images = torch.zeros(0, *shape)  # a batch of no images has a shape too
    if images.is_meta:
        images = torch.zeros(1, *shape)  # nothing is computed on the meta device, where upsampling refuses no images
    try:
        return tuple(network(images).shape[1:])
    except RuntimeError as error:
        size = "x".join(map(str, shape))
        raise ValueError(f"expected layers that fit {size} values, got: {error}") from None
    finally:
        network.train()


def check_decoder(layers: list[nn.Module], features: tuple[int, ...], image_shape: tuple[int, ...]) -> None:
    """Raise ValueError if a decoder does not return feature maps (F, h, w) to the size of images (C, H, W)."""
    decoded = shape_after(layers, features)
    if decoded[1:] != image_shape[1:]:
        expected, got = (f"{height}x{width}" for _, height, width in (image_shape, decoded))
        raise ValueError(
            f"expected a decoder with an output of {expected}, got {got}: "
            "it has to enlarge by what the encoder's `pool`, `stride` and `padding: valid` shrink"
        )
