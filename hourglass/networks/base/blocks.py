"""Blocks of convolutional layers: the items of `encoder` and `decoder` in params.yaml."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from torch import nn

from hourglass.config.keywords import Keywords
from hourglass.config.types import Depth, Factor, Flag, Norm, Odd, Width
from hourglass.networks.base.layers import Residual, glorot

Padding = Literal["same", "valid"]
MOST_BLOCKS = 256  # of an encoder or a decoder, residual ones too: far more than can be trained, and built in seconds


def encoder_block(
    channels: int,
    activation: Callable[[], nn.Module],
    *,
    filters: Width,
    kernel: Odd = 3,
    stride: Factor = 1,
    padding: Padding = "same",
    norm: Norm = False,
    pool: Factor = 1,
    residual: Depth = 0,
) -> list[nn.Module]:
    """Make a block of layers that shrinks feature maps, or only changes their number.

        (N, channels, h, w) -> convolution [-> batch norm] -> activation [-> batch norm] [-> max pooling]
                            [-> residual blocks]

    Args:
        channels: Feature maps that come in.
        activation: Makes the layer that follows the convolution.
        filters: Feature maps that come out.
        kernel: Side of the convolution's kernel, in pixels; odd.
        stride: Step of the convolution, in pixels: both sides shrink by this factor.
        padding: `same`: the convolution pads with zeros, so that only `stride` and `pool` shrink the maps. `valid`: no
            padding, and both sides lose `kernel` - 1 pixels.
        norm: Whether batch norm follows the activation, or with `before` stands before it: as Ioffe and Szegedy (2015,
            arXiv:1502.03167) have it, and without saturated pixels where an activation is almost never on.
        pool: Side of the max pooling, in pixels: both sides shrink by this factor; 1 for none.
        residual: Number of residual blocks at the end, with batch norm inside if `norm`.
    """
    convolution = glorot(nn.Conv2d(channels, filters, kernel, stride, _border(kernel, padding)))
    return [convolution, *_after(filters, activation, norm, pool, residual)]


def decoder_block(
    channels: int,
    activation: Callable[[], nn.Module],
    *,
    filters: Width,
    kernel: Odd = 3,
    stride: Factor = 1,
    padding: Padding = "same",
    transposed: Flag = False,
    upsample: Factor = 1,
    shuffle: Factor = 1,
    norm: Norm = False,
    residual: Depth = 0,
) -> list[nn.Module]:
    """Make a block of layers that enlarges feature maps, or only changes their number.

        (N, channels, h, w) [-> upsample] -> convolution [-> shuffle] [-> batch norm] -> activation [-> batch norm]
                            [-> residual blocks]

    Args:
        channels: Feature maps that come in.
        activation: Makes the layer that follows the convolution.
        filters: Feature maps that come out.
        kernel: Side of the convolution's kernel, in pixels; odd.
        stride: Factor by which a `transposed` convolution enlarges both sides.
        padding: `same`: the size changes by no other keyword than `stride`, `upsample` and `shuffle`. `valid`: no
            padding; both sides lose `kernel` - 1 pixels, or gain them if `transposed`.
        transposed: Whether the convolution is a transposed one.
        upsample: Factor by which both sides are enlarged before the convolution, by repeating pixels; 1 for none.
        shuffle: Factor by which the convolution enlarges both sides, by `shuffle` x `shuffle` as many filters
            (sub-pixel convolution, Shi et al. 2016, arXiv:1609.05158); 1 for none.
        norm: Whether batch norm follows the activation, or with `before` stands before it: as Ioffe and Szegedy (2015,
            arXiv:1502.03167) have it, and without saturated pixels where an activation is almost never on.
        residual: Number of residual blocks at the end, with batch norm inside if `norm`.

    Raises:
        ValueError: If there is `shuffle` with `transposed`, or `stride` without.
    """
    if shuffle > 1 and transposed:
        raise ValueError("'shuffle' expects a plain convolution, got `transposed: true`")
    if stride > 1 and not transposed:
        raise ValueError("'stride' in a decoder expects `transposed: true`; to enlarge without, use 'upsample'")
    layers: list[nn.Module] = [nn.Upsample(scale_factor=upsample)] if upsample > 1 else []
    if transposed:
        grown = stride - 1 if padding == "same" else 0
        layers.append(glorot(nn.ConvTranspose2d(channels, filters, kernel, stride, _border(kernel, padding), grown)))
    else:
        layers.append(glorot(nn.Conv2d(channels, filters * shuffle**2, kernel, stride, _border(kernel, padding))))
    if shuffle > 1:
        layers.append(nn.PixelShuffle(shuffle))
    return [*layers, *_after(filters, activation, norm, 1, residual)]


def _border(kernel: int, padding: str) -> int:
    """Return the pixels by which a convolution pads each side."""
    return kernel // 2 if padding == "same" else 0


def _after(filters: int, activation: Callable[[], nn.Module], norm: Norm, pool: int, residual: int) -> list[nn.Module]:
    """Make the layers behind a block's convolution."""
    layers = [activation()]
    if norm:
        layers.insert(0 if norm == "before" else 1, nn.BatchNorm2d(filters))
    if pool > 1:
        layers.append(nn.MaxPool2d(pool))
    return [*layers, *(Residual(filters, activation, bool(norm)) for _ in range(residual))]


EncoderBlock = Annotated[Mapping[str, Any], Keywords(encoder_block)]
DecoderBlock = Annotated[Mapping[str, Any], Keywords(decoder_block)]


def chain(
    block: Callable[..., list[nn.Module]],
    channels: int,
    blocks: Sequence[Mapping[str, Any]],
    activation: Callable[[], nn.Module],
) -> tuple[list[nn.Module], int]:
    """Make the layers of all blocks, one after the other, and count the feature maps that come out of the last.

    Raises:
        ValueError: If the keywords of a block do not go together, or there are too many blocks.
    """
    count = sum(1 + keywords.get("residual", 0) for keywords in blocks)
    if count > MOST_BLOCKS:
        raise ValueError(f"expected at most {MOST_BLOCKS} blocks and residual blocks together, got {count:,}")
    layers: list[nn.Module] = []
    for index, keywords in enumerate(blocks):
        try:
            layers += block(channels, activation, **keywords)
        except ValueError as error:
            raise ValueError(f"{block.__name__.removesuffix('_block')}[{index}]: {error}") from None
        channels = keywords["filters"]
    return layers, channels


def reduction(layers: Sequence[nn.Module]) -> int:
    """Return the factor by which the strides and the pooling of an encoder's layers shrink a side."""
    strides = (layer.stride for layer in layers if isinstance(layer, nn.Conv2d | nn.MaxPool2d))
    return math.prod(stride if isinstance(stride, int) else stride[0] for stride in strides)
