"""Variational autoencoders."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hourglass.config.types import Activation, Count, Flag, Hidden, NonNegative, Slope
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.blocks import DecoderBlock, EncoderBlock, chain, decoder_block, encoder_block, reduction
from hourglass.networks.base.layers import (
    dense_layers,
    glorot,
    make_activation,
    pad_by_edge,
    shape_after,
    to_features,
    to_values,
)
from hourglass.networks.base.linear_path import Linear, linear_path, zero_last, zeroed
from hourglass.networks.base.losses import MSE, LossWeights, weighted_losses

ACTIVE = 0.01  # nats of KL divergence from the prior, above which a dimension says something of an image
SMALLEST_VARIANCE = (0.01 / 255) ** 2  # of an image in [0, 1]: a hundredth of a byte's step
SHARES = 1e-4, 0.995  # of a latent's deviation that are noise before the training, at least and at most

Likelihood = Literal["bernoulli", "gaussian"]


class VAE(Autoencoder):
    """Variational autoencoder: encodes an image as a normal distribution, and learns to decode samples of it.

        image (N, C, H, W) -> encoder -> features -> mean (N, D), log variance (N, D)
                           -> mean + standard deviation * noise -> decoder -> resized to H x W -> sigmoid -> image

    Kingma and Welling (2014), Auto-encoding variational Bayes, arXiv:1312.6114. The latent is the mean. The loss is the
    negative logarithm of the likelihood of an image, summed over pixels, plus `beta` times the Kullback-Leibler
    divergence from the standard normal distribution, summed over dimensions.

    The network is dense, with `hidden`, or convolutional, with `encoder` and `decoder`: of those the decoder ends in a
    transposed convolution to C channels, which doubles both sides, and its output is resized to the image.

    Args:
        image_shape: (C, H, W).
        latent_dim: Numbers in a latent.
        hidden: Widths of the dense encoder's hidden layers, from the image to the latent; the decoder has the same in
            reverse.
        encoder: Blocks of the convolutional encoder, from the image to the latent. What their strides and pooling
            cannot divide is dropped.
        decoder: Blocks of the convolutional decoder, from the latent to the image.
        likelihood: `bernoulli`: binary cross-entropy, as if pixels were black or white. `gaussian`: normal
            distributions around the reconstruction, of the variance that is best for each batch (Rybkin, Daniilidis and
            Levine, 2021, Simple and effective VAE training with calibrated decoders, arXiv:2006.13202).
        beta: Weight of the Kullback-Leibler divergence. 1 is the bound of the paper; more is Higgins et al. (2017),
            beta-VAE.
        activation: Follows every hidden layer, or every block's convolution.
        expand_activation: Follows the dense layer that makes feature maps of the latent; needs `decoder`.
        negative_slope: Slope of every `leaky_relu` below 0.
        linear: `pca` sets the principal components of the training images beside the network, which starts as nothing
            and learns what they leave; needs `likelihood: gaussian`. None unless given.
        train_linear: Whether the components learn too, from those of PCA on.
        loss: Weights of the losses whose sum stands for the variance of the Gaussian, by name: only the mean squared
            error makes it a likelihood; `ssim` is 1 - SSIM, `log_mse` the mean logarithm of the images' errors.

    Raises:
        ValueError: If the keywords are not those of one network or one likelihood, or the blocks do not fit the images
            or each other.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        latent_dim: Count,
        hidden: Hidden = (),
        encoder: tuple[EncoderBlock, ...] = (),
        decoder: tuple[DecoderBlock, ...] = (),
        likelihood: Likelihood = "bernoulli",
        beta: NonNegative = 1.0,
        activation: Activation = "relu",
        expand_activation: Activation = "linear",
        negative_slope: Slope = 0.01,
        linear: Linear | None = None,
        train_linear: Flag = False,
        loss: LossWeights = MSE,
    ) -> None:
        if hidden and (encoder or decoder):
            raise ValueError("expected `hidden`, or `encoder` and `decoder`: an image has one network")
        if expand_activation != "linear" and not encoder:
            raise ValueError("'expand_activation' is of feature maps: expected `encoder` and `decoder`")
        if likelihood != "gaussian" and (linear is not None or loss != MSE):
            key = "loss" if linear is None else "linear"
            raise ValueError(f"'{key}' is of images with Gaussian noise: expected `likelihood: gaussian`")
        path = linear_path(linear, train_linear, image_shape, latent_dim)
        super().__init__(image_shape, latent_dim, loss, path)
        self.beta, self.likelihood = beta, likelihood
        inner = partial(make_activation, activation, negative_slope)
        if encoder:
            self._make_convolutional(encoder, decoder, inner, make_activation(expand_activation, negative_slope))
        elif decoder:
            raise ValueError("expected `encoder` and `decoder`, got no `encoder`")
        else:
            self._make_dense(hidden, activation, negative_slope)
        if path is not None:
            zeroed(self.mean)
            zeroed(self.log_variance)
            zero_last(self.decoder)

    def _make_dense(self, hidden: Sequence[int], activation: Activation, negative_slope: float) -> None:
        widths = [math.prod(self.image_shape), *hidden]
        inner = [activation] * len(hidden)
        self.padding = [0, 0, 0, 0]
        self.encoder = nn.Sequential(nn.Flatten(), *dense_layers(widths, inner, negative_slope))
        self.mean, self.log_variance = (glorot(nn.Linear(widths[-1], self.latent_dim)) for _ in range(2))
        decoding = dense_layers([self.latent_dim, *widths[::-1]], [*inner, "linear"], negative_slope)
        self.decoder = nn.Sequential(*decoding, nn.Unflatten(1, self.image_shape))

    def _make_convolutional(
        self,
        encoder: Sequence[EncoderBlock],
        decoder: Sequence[DecoderBlock],
        activation: Callable[[], nn.Module],
        expand_activation: nn.Module,
    ) -> None:
        channels, *size = self.image_shape
        layers, filters = chain(encoder_block, channels, encoder, activation)
        step = reduction(layers)
        smallest = (channels, max(size[0], step), max(size[1], step))  # a smaller image would be pooled to nothing
        self.padding = [0, smallest[2] - size[1], 0, smallest[1] - size[0]]
        features = shape_after(layers, smallest)
        values = math.prod(features)
        self.encoder = nn.Sequential(*layers, *to_values())
        self.mean, self.log_variance = (glorot(nn.Linear(values, self.latent_dim)) for _ in range(2))
        layers, filters = chain(decoder_block, filters, decoder, activation)
        last = glorot(nn.ConvTranspose2d(filters, channels, 3, stride=2, padding=1, output_padding=1))
        shape_after([*layers, last], features)  # raises if a layer does not fit
        self.decoder = nn.Sequential(
            glorot(nn.Linear(self.latent_dim, values)),
            expand_activation,
            *to_features(features),
            *layers,
            last,
            nn.Upsample(smallest[1:], mode="bilinear"),
        )

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> the means (N, latent_dim)."""
        return self._distribution(images)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return self._logits(latents).sigmoid() if self.linear is None else self.linear.decode(latents, self._logits)

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Return "loss", "reconstruction" + beta * "kl", in nats per image, and how well the latent is used.

        "active_units" are the dimensions whose mean divergence from the prior is more than 0.01 nats, and "sigma" the
        standard deviation of the Gaussian, of images in [0, 1]. Validation draws the same noise every time.
        """
        mean, log_variance = self._distribution(images)
        noise = torch.randn_like(mean) if self.training else _constant_noise(mean)
        latents = mean + (log_variance / 2).exp() * noise
        divergences = divergence(mean, log_variance).mean(dim=0)
        kl = divergences.sum()
        further = {"kl": kl, "active_units": (divergences > ACTIVE).sum().to(kl)}
        if self.likelihood == "bernoulli":
            logits = self._logits(latents).float()
            reconstruction = functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)
        else:
            variance = weighted_losses(self.loss, images, self.bounded(self.decode(latents).float()))["loss"]
            reconstruction = gaussian_bound(variance, math.prod(self.image_shape))
            further["sigma"] = variance.sqrt()
        return {"loss": reconstruction + self.beta * kl, "reconstruction": reconstruction} | further

    def divergences(self, images: Tensor) -> Tensor:
        """Return each latent dimension's KL divergence from the prior, in nats: (N, C, H, W) -> (N, latent_dim)."""
        return divergence(*self._distribution(images))

    def _distribution(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the means and the logarithms of the variances, (N, latent_dim) each."""
        if self.linear is None:
            features = self._features(images)
            return self.mean(features).float(), self.log_variance(features).float()
        # As `LinearPath.encode` does, for two numbers each. What the components leave is the noise of PCA as a model of
        # normal distributions (Tipping and Bishop, 1999), and its share of a deviation that of the latent.
        normalized = self.linear.normalize(images)
        features = self._features(normalized)
        mean = self.linear.project(images) + self.linear.share * self.linear.learned(normalized, self.mean(features))
        return mean, self.log_variance(features).float() + 2 * self.linear.share.clamp(*SHARES).log()

    def _features(self, images: Tensor) -> Tensor:
        return self.encoder(pad_by_edge(images, self.padding))

    def _logits(self, latents: Tensor) -> Tensor:
        _, height, width = self.image_shape
        return self.decoder(latents)[:, :, :height, :width]


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the KL divergence of normal distributions from the standard one, in nats, element by element."""
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2


def gaussian_bound(mean_squared_error: Tensor, pixels: int) -> Tensor:
    """Return the negative log likelihood of images in nats, each of `pixels` values with the best shared variance.

    That variance is the mean squared error itself, so that of (log(2 pi variance) + error / variance) / 2 for each
    value the error is left as a logarithm alone.
    """
    return pixels / 2 * ((2 * math.pi * mean_squared_error.clamp(min=SMALLEST_VARIANCE)).log() + 1)


def _constant_noise(like: Tensor) -> Tensor:
    """Return standard normal noise of the shape of a tensor, the same every time."""
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(0)).to(like)
