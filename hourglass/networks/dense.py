"""Fully connected autoencoders."""

from torch import Tensor

from hourglass.config.types import Activation, Count, Hidden, Slope
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.layers import dense_halves
from hourglass.networks.base.losses import MSE, LossWeights


class Dense(Autoencoder):
    """Fully connected autoencoder, mirrored around the latent.

        image (N, C, H, W) -> flatten -> hidden ... -> latent (N, D) -> ... hidden -> image

    Args:
        image_shape: (C, H, W).
        latent_dim: Numbers in a latent.
        hidden: Widths of the encoder's hidden layers, from the image to the latent; the decoder has the same in
            reverse. Without any, encoder and decoder are one layer each.
        activation: Follows every hidden layer.
        latent_activation: Follows the encoder's last layer.
        output_activation: Follows the decoder's last layer.
        negative_slope: Slope of every `leaky_relu` below 0.
        loss: Weights of the losses whose sum is minimized, by name; `ssim` is 1 - SSIM.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        latent_dim: Count,
        hidden: Hidden = (),
        activation: Activation = "relu",
        latent_activation: Activation = "linear",
        output_activation: Activation = "sigmoid",
        negative_slope: Slope = 0.01,
        loss: LossWeights = MSE,
    ) -> None:
        super().__init__(image_shape, latent_dim, loss)
        self.encoder, self.decoder = dense_halves(
            image_shape, hidden, latent_dim, activation, latent_activation, output_activation, negative_slope
        )

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return self.encoder(images)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return self.decoder(latents)
