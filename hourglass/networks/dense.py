"""Fully connected autoencoders."""

from torch import Tensor

from hourglass.config.types import Activation, Count, Flag, Hidden, Slope
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.layers import dense_halves
from hourglass.networks.base.linear_path import Linear, check_latent, last_activation, linear_path, zero_last
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
        output_activation: Follows the decoder's last layer: a sigmoid unless given, and nothing beside `linear`.
        negative_slope: Slope of every `leaky_relu` below 0.
        linear: `pca` sets the principal components of the training images beside the network, which starts as nothing
            and learns what they leave. None unless given.
        train_linear: Whether the components learn too, from those of PCA on.
        loss: Weights of the losses whose sum is minimized, by name; `ssim` is 1 - SSIM, `log_mse` the mean
            logarithm of the images' errors, by which each counts as in the mean PSNR.

    Raises:
        ValueError: If an activation would limit what the network adds to a linear path.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        latent_dim: Count,
        hidden: Hidden = (),
        activation: Activation = "relu",
        latent_activation: Activation = "linear",
        output_activation: Activation | None = None,
        negative_slope: Slope = 0.01,
        linear: Linear | None = None,
        train_linear: Flag = False,
        loss: LossWeights = MSE,
    ) -> None:
        check_latent(latent_activation, linear)
        output_activation = last_activation(output_activation, linear)
        path = linear_path(linear, train_linear, image_shape, latent_dim)
        super().__init__(image_shape, latent_dim, loss, path)
        self.encoder, self.decoder = dense_halves(
            image_shape, hidden, latent_dim, activation, latent_activation, output_activation, negative_slope
        )
        if path is not None:
            zero_last(self.encoder)
            zero_last(self.decoder)

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return self.encoder(images) if self.linear is None else self.linear.encode(images, self.encoder)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return self.decoder(latents) if self.linear is None else self.linear.decode(latents, self.decoder)
