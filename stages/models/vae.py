"""Variational autoencoders."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.models.base.autoencoder import Autoencoder, ImageShape
from stages.models.base.layers import (
    Block,
    chain,
    decoder_block,
    encoder_block,
    glorot,
    make_activation,
    pad_by_edge,
    reduction,
    shape_after,
    to_features,
    to_values,
)


class VAE(Autoencoder):
    """Encodes an image as a normal distribution, and learns to decode what is drawn from it.

        image (N, C, H, W) -> encoder blocks -> features -> mean (N, D), log variance (N, D)
                           -> mean + standard deviation * noise -> dense -> decoder blocks
                           -> transposed convolution to C channels -> resized to H x W -> sigmoid -> image

    Kingma and Welling (2014), Auto-encoding variational Bayes, arXiv:1312.6114. `encoder` and `decoder` list the
    keywords of `encoder_block` and `decoder_block`; pooling drops the rest where an image does not divide. Binary
    cross-entropy, summed over pixels, plus `beta` times the Kullback-Leibler divergence from the standard normal
    distribution, summed over dimensions: `beta` 1 is the bound of that paper, more of it is Higgins et al. (2017),
    beta-VAE. The latent is the mean.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: int,
        encoder: Sequence[Block],
        decoder: Sequence[Block],
        beta: float = 1.0,
        activation: str = "relu",
        expand_activation: str = "linear",
        negative_slope: float = 0.01,
    ) -> None:
        super().__init__(image_shape, latent_dim)
        channels, *size = image_shape
        self.beta = beta
        step = reduction(encoder)
        smallest = (channels, max(size[0], step), max(size[1], step))  # what is smaller would be pooled to nothing
        self.padding = [0, smallest[2] - size[1], 0, smallest[1] - size[0]]
        inner = partial(make_activation, activation, negative_slope)
        layers, filters = chain(encoder_block, channels, encoder, inner)
        features = shape_after(layers, smallest)
        values = math.prod(features)
        self.encoder = nn.Sequential(*layers, *to_values())
        self.mean, self.log_variance = (glorot(nn.Linear(values, latent_dim)) for _ in range(2))
        layers, filters = chain(decoder_block, filters, decoder, inner)
        last = glorot(nn.ConvTranspose2d(filters, channels, 3, stride=2, padding=1, output_padding=1))
        shape_after([*layers, last], features)  # or say which layer does not fit
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
        """Give "loss", "reconstruction" + beta * "kl", in nats an image; noise is drawn in training alone."""
        features = self._features(images)
        mean, log_variance = self.mean(features).float(), self.log_variance(features).float()
        noise = torch.randn_like(mean) if self.training else 0.0
        logits = self._logits(mean + (log_variance / 2).exp() * noise).float()
        reconstruction = functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)
        kl = divergence(mean, log_variance).sum() / len(images)
        return {"loss": reconstruction + self.beta * kl, "reconstruction": reconstruction, "kl": kl}

    def divergences(self, images: Tensor) -> Tensor:
        """Give, for images (N, C, H, W), how far each dimension is from the prior, in nats: (N, latent_dim)."""
        features = self._features(images)
        return divergence(self.mean(features), self.log_variance(features))

    def _features(self, images: Tensor) -> Tensor:
        return self.encoder(pad_by_edge(images, self.padding))

    def _logits(self, latents: Tensor) -> Tensor:
        _, height, width = self.image_shape
        return self.decoder(latents)[:, :, :height, :width]


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Give the Kullback-Leibler divergence of each normal distribution from the standard one, in nats: same shape."""
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2
