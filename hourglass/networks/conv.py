"""Convolutional autoencoders."""

import math
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from hourglass.config.types import Activation, Count, Flag, Odd, Slope
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.blocks import DecoderBlock, EncoderBlock, chain, decoder_block, encoder_block, reduction
from hourglass.networks.base.layers import (
    check_decoder,
    glorot,
    make_activation,
    pad_by_edge,
    shape_after,
    to_features,
    to_values,
)
from hourglass.networks.base.linear_path import Linear, check_latent, last_activation, linear_path, zero_last, zeroed
from hourglass.networks.base.losses import MSE, LossWeights


class Conv(Autoencoder):
    """Convolutional autoencoder, with a dense latent or with feature maps as the latent.

        image (N, C, H, W) -> pad -> encoder blocks -> features (N, F, h, w) [-> dense -> latent (N, D) -> dense]
                           -> decoder blocks -> convolution to C channels -> crop -> image

    An image whose sides the encoder cannot divide is padded by its edge, and the reconstruction cropped.

    Args:
        image_shape: (C, H, W).
        encoder: Blocks of the encoder, from the image to the latent.
        decoder: Blocks of the decoder, from the latent to the image; a convolution to C channels follows the last.
        latent_dim: Numbers in a latent, between two dense layers. Without it the latent is the encoder's feature maps.
        activation: Follows every block's convolution.
        latent_activation: Follows the dense layer that makes the latent; needs `latent_dim`.
        expand_activation: Follows the dense layer that makes feature maps of the latent; needs `latent_dim`.
        output_activation: Follows the decoder's last convolution: a sigmoid unless given, and nothing beside `linear`.
        output_kernel: Side of that convolution's kernel, in pixels; odd.
        negative_slope: Slope of every `leaky_relu` below 0.
        linear: `pca` sets the principal components of the training images beside the network, which starts as nothing
            and learns what they leave; needs `latent_dim`. None unless given.
        train_linear: Whether the components learn too, from those of PCA on.
        loss: Weights of the losses whose sum is minimized, by name; `ssim` is 1 - SSIM, `log_mse` the mean
            logarithm of the images' errors, by which each counts as in the mean PSNR.

    Raises:
        ValueError: If an activation or the linear path needs a `latent_dim`, or the blocks do not fit the images or
            each other.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        encoder: Annotated[tuple[EncoderBlock, ...], Field(min_length=1)],
        decoder: tuple[DecoderBlock, ...],
        latent_dim: Count | None = None,
        activation: Activation = "relu",
        latent_activation: Activation = "linear",
        expand_activation: Activation = "linear",
        output_activation: Activation | None = None,
        output_kernel: Odd = 3,
        negative_slope: Slope = 0.01,
        linear: Linear | None = None,
        train_linear: Flag = False,
        loss: LossWeights = MSE,
    ) -> None:
        if latent_dim is None and (latent_activation, expand_activation) != ("linear", "linear"):
            raise ValueError("'latent_activation' and 'expand_activation' are of a dense latent: expected `latent_dim`")
        if latent_dim is None and linear is not None:
            raise ValueError("'linear' is of whole images: expected `latent_dim`, or the family `tiles`")
        check_latent(latent_activation, linear)
        output_activation = last_activation(output_activation, linear)
        channels, height, width = image_shape
        inner = partial(make_activation, activation, negative_slope)
        layers, filters = chain(encoder_block, channels, encoder, inner)
        step = reduction(layers)
        padded = (channels, _up_to_multiple(height, step), _up_to_multiple(width, step))
        features = shape_after(layers, padded)
        values = math.prod(features)
        size = values if latent_dim is None else latent_dim
        path = linear_path(linear, train_linear, image_shape, size)
        super().__init__(image_shape, size, loss, path)
        self.feature_maps = features if latent_dim is None else None  # (F, h, w) of a latent that is these
        # (left, right, top, bottom), half on each side
        self.padding = [*_halves(padded[2] - width), *_halves(padded[1] - height)]
        squeeze: list[nn.Module] = []
        expand: list[nn.Module] = []
        if latent_dim is not None:
            squeeze = [glorot(nn.Linear(values, latent_dim)), make_activation(latent_activation, negative_slope)]
            expand = [glorot(nn.Linear(latent_dim, values)), make_activation(expand_activation, negative_slope)]
        self.encoder = nn.Sequential(*layers, *to_values(), *squeeze)
        if path is not None:
            zero_last(self.encoder)
        layers, filters = chain(decoder_block, filters, decoder, inner)
        output = glorot(nn.Conv2d(filters, channels, output_kernel, padding="same"))
        check_decoder([*layers, output], features, padded)
        if path is not None:
            zeroed(output)
        self.decoder = nn.Sequential(
            *expand, *to_features(features), *layers, output, make_activation(output_activation, negative_slope)
        )

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return self._encode(images) if self.linear is None else self.linear.encode(images, self._encode)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return self._decode(latents) if self.linear is None else self.linear.decode(latents, self._decode)

    def _encode(self, images: Tensor) -> Tensor:
        return self.encoder(pad_by_edge(images, self.padding))

    def _decode(self, latents: Tensor) -> Tensor:
        _, height, width = self.image_shape
        left, _, top, _ = self.padding
        return self.decoder(latents)[:, :, top : top + height, left : left + width]


def _up_to_multiple(value: int, step: int) -> int:
    return -(-value // step) * step


def _halves(value: int) -> tuple[int, int]:
    return value // 2, value - value // 2
