"""Convolutional autoencoders."""

import math
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from stages.common.errors import UserError
from stages.models.base.autoencoder import Autoencoder, ImageShape
from stages.models.base.layers import (
    Block,
    chain,
    check_decoder,
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

WINDOW = 7  # pixels; this and the constants are those of `stages.metrics.ssim`, which is what scores are made of
PIXELS = WINDOW**2
C1, C2 = 0.01**2, 0.03**2


class Conv(Autoencoder):
    """Convolutional autoencoder, with a dense latent or with feature maps as the latent.

        image (N, C, H, W) -> pad -> encoder blocks -> features (N, F, h, w) -> [dense -> latent (N, D) -> dense]
                           -> decoder blocks -> convolution to C channels -> crop -> image

    `encoder` and `decoder` list the keywords of `encoder_block` and `decoder_block`. With `latent_dim` a dense layer,
    followed by `latent_activation`, makes the latent, and another, followed by `expand_activation`, the features again.
    Without, the features are the latent. `activation` follows every block's convolution, `output_activation` the image;
    `negative_slope` is that of every leaky_relu. An image whose sides the encoder cannot divide is padded by its edge,
    and the padding is cropped from what comes back. The loss is the mean squared error plus `ssim_weight` * (1 - SSIM).
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
        ssim_weight: float = 0.0,
    ) -> None:
        channels, height, width = image_shape
        if ssim_weight and min(height, width) < WINDOW:
            raise UserError(
                f"network: `ssim_weight` expects images of at least {WINDOW}x{WINDOW}, got {height}x{width}"
            )
        step = reduction(encoder)
        padded = (channels, _up_to_multiple(height, step), _up_to_multiple(width, step))
        inner = partial(make_activation, activation, negative_slope)
        layers, filters = chain(encoder_block, channels, encoder, inner)
        features = shape_after(layers, padded)
        super().__init__(image_shape, math.prod(features) if latent_dim is None else latent_dim)
        self.ssim_weight = ssim_weight
        # (left, right, top, bottom), half on each side
        self.padding = [*_halves(padded[2] - width), *_halves(padded[1] - height)]
        squeeze: list[nn.Module] = []
        expand: list[nn.Module] = []
        if latent_dim is not None:
            values = math.prod(features)
            squeeze = [glorot(nn.Linear(values, latent_dim)), make_activation(latent_activation, negative_slope)]
            expand = [glorot(nn.Linear(latent_dim, values)), make_activation(expand_activation, negative_slope)]
        self.encoder = nn.Sequential(*layers, *to_values(), *squeeze)
        layers, filters = chain(decoder_block, filters, decoder, inner)
        output = glorot(nn.Conv2d(filters, channels, output_kernel, padding="same"))
        check_decoder([*layers, output], features, padded)
        self.decoder = nn.Sequential(
            *expand, *to_features(features), *layers, output, make_activation(output_activation, negative_slope)
        )

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return self.encoder(pad_by_edge(images, self.padding))

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        _, height, width = self.image_shape
        left, _, top, _ = self.padding
        return self.decoder(latents)[:, :, top : top + height, left : left + width]

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Give "loss", and with an `ssim_weight` its parts, "mse" and "ssim"."""
        if not self.ssim_weight:
            return super().losses(images)
        reconstructions = self(images).float()
        mse, ssim = functional.mse_loss(reconstructions, images), mean_ssim(images, reconstructions)
        return {"loss": mse + self.ssim_weight * (1 - ssim), "mse": mse, "ssim": ssim}


def _up_to_multiple(value: int, step: int) -> int:
    return -(-value // step) * step


def _halves(value: int) -> tuple[int, int]:
    return value // 2, value - value // 2


def mean_ssim(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Give the mean SSIM of images (N, C, H, W) in [0, 1], by a 7x7 uniform window and the sample covariance.

    Wang et al. (2004), Image quality assessment: from error visibility to structural similarity.
    """
    x, y = images, reconstructions
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    sample = PIXELS / (PIXELS - 1)
    variance_x = sample * (_local_mean(x * x) - mean_x * mean_x)
    variance_y = sample * (_local_mean(y * y) - mean_y * mean_y)
    covariance = sample * (_local_mean(x * y) - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return (luminance * structure).mean()


def _local_mean(values: Tensor) -> Tensor:
    return functional.avg_pool2d(values, WINDOW, stride=1)
