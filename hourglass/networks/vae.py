"""Variational autoencoders."""

import math
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from hourglass.config.types import Activation, Count, NonNegative, Slope
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.blocks import DecoderBlock, EncoderBlock, chain, decoder_block, encoder_block, reduction
from hourglass.networks.base.layers import (
    glorot,
    make_activation,
    pad_by_edge,
    shape_after,
    to_features,
    to_values,
)


class VAE(Autoencoder):
    """Variational autoencoder: encodes an image as a normal distribution, and learns to decode samples of it.

        image (N, C, H, W) -> encoder blocks -> features -> mean (N, D), log variance (N, D)
                           -> mean + standard deviation * noise -> dense -> decoder blocks
                           -> transposed convolution to C channels -> resized to H x W -> sigmoid -> image

    Kingma and Welling (2014), Auto-encoding variational Bayes, arXiv:1312.6114. The latent is the mean. The loss is the
    binary cross-entropy, summed over pixels, plus `beta` times the Kullback-Leibler divergence from the standard normal
    distribution, summed over dimensions.

    Args:
        image_shape: (C, H, W).
        latent_dim: Numbers in a latent.
        encoder: Blocks of the encoder, from the image to the latent. What their strides and pooling cannot divide is
            dropped.
        decoder: Blocks of the decoder, from the latent to the image; a transposed convolution to C channels, which
            doubles both sides, follows the last. The result is resized to the image.
        beta: Weight of the Kullback-Leibler divergence. 1 is the bound of the paper; more is Higgins et al. (2017),
            beta-VAE.
        activation: Follows every block's convolution.
        expand_activation: Follows the dense layer that makes feature maps of the latent.
        negative_slope: Slope of every `leaky_relu` below 0.

    Raises:
        ValueError: If the blocks do not fit the images or each other.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        latent_dim: Count,
        encoder: Annotated[tuple[EncoderBlock, ...], Field(min_length=1)],
        decoder: tuple[DecoderBlock, ...],
        beta: NonNegative = 1.0,
        activation: Activation = "relu",
        expand_activation: Activation = "linear",
        negative_slope: Slope = 0.01,
    ) -> None:
        super().__init__(image_shape, latent_dim)
        channels, *size = image_shape
        self.beta = beta
        inner = partial(make_activation, activation, negative_slope)
        layers, filters = chain(encoder_block, channels, encoder, inner)
        step = reduction(layers)
        smallest = (channels, max(size[0], step), max(size[1], step))  # a smaller image would be pooled to nothing
        self.padding = [0, smallest[2] - size[1], 0, smallest[1] - size[0]]
        features = shape_after(layers, smallest)
        values = math.prod(features)
        self.encoder = nn.Sequential(*layers, *to_values())
        self.mean, self.log_variance = (glorot(nn.Linear(values, latent_dim)) for _ in range(2))
        layers, filters = chain(decoder_block, filters, decoder, inner)
        last = glorot(nn.ConvTranspose2d(filters, channels, 3, stride=2, padding=1, output_padding=1))
        shape_after([*layers, last], features)  # raises if a layer does not fit
        self.decoder = nn.Sequential(
            glorot(nn.Linear(latent_dim, values)),
            make_activation(expand_activation, negative_slope),
            *to_features(features),
            *layers,
            last,
            nn.Upsample(smallest[1:], mode="bilinear"),
        )

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> the means (N, latent_dim)."""
        return self.mean(self._features(images))

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return self._logits(latents).sigmoid()

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Return "loss", "reconstruction" + beta * "kl", in nats per image; only training draws noise."""
        features = self._features(images)
        mean, log_variance = self.mean(features).float(), self.log_variance(features).float()
        noise = torch.randn_like(mean) if self.training else 0.0
        logits = self._logits(mean + (log_variance / 2).exp() * noise).float()
        reconstruction = functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)
        kl = divergence(mean, log_variance).sum() / len(images)
        return {"loss": reconstruction + self.beta * kl, "reconstruction": reconstruction, "kl": kl}

    def divergences(self, images: Tensor) -> Tensor:
        """Return each latent dimension's KL divergence from the prior, in nats: (N, C, H, W) -> (N, latent_dim)."""
        features = self._features(images)
        return divergence(self.mean(features), self.log_variance(features))

    def _features(self, images: Tensor) -> Tensor:
        return self.encoder(pad_by_edge(images, self.padding))

    def _logits(self, latents: Tensor) -> Tensor:
        _, height, width = self.image_shape
        return self.decoder(latents)[:, :, :height, :width]


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the KL divergence of normal distributions from the standard one, in nats, element by element."""
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2
