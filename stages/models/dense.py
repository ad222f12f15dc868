"""Fully connected autoencoders."""

from collections.abc import Sequence

from torch import Tensor

from stages.models.base.autoencoder import Autoencoder, ImageShape
from stages.models.base.layers import dense_halves


class Dense(Autoencoder):
    """Fully connected autoencoder, mirrored around the latent.

        image (N, C, H, W) -> flatten -> hidden ... -> latent (N, D) -> ... hidden -> image

    `hidden` are the widths of the encoder's layers, the widest first. `activation` follows every hidden layer,
    `latent_activation` the latent, `output_activation` the image; `negative_slope` is that of every leaky_relu.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: int,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        latent_activation: str = "linear",
        output_activation: str = "sigmoid",
        negative_slope: float = 0.01,
    ) -> None:
        super().__init__(image_shape, latent_dim)
        self.encoder, self.decoder = dense_halves(
            image_shape, hidden, latent_dim, activation, latent_activation, output_activation, negative_slope
        )

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return self.encoder(images)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return self.decoder(latents)
