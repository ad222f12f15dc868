"""Fully connected autoencoders."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from stages.models.autoencoder import Autoencoder, ImageShape, make_activation


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
        widths = [math.prod(image_shape), *hidden, latent_dim]
        inner = [activation] * len(hidden)
        self.encoder = nn.Sequential(nn.Flatten(), *_layers(widths, [*inner, latent_activation], negative_slope))
        self.decoder = nn.Sequential(
            *_layers(widths[::-1], [*inner, output_activation], negative_slope), nn.Unflatten(1, image_shape)
        )

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return self.encoder(images)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return self.decoder(latents)


def _layers(widths: Sequence[int], activations: Sequence[str], negative_slope: float) -> list[nn.Module]:
    """Chain linear layers from width to width, each followed by its activation."""
    layers: list[nn.Module] = []
    for (inputs, outputs), activation in zip(pairwise(widths), activations, strict=True):
        layers += [nn.Linear(inputs, outputs), make_activation(activation, negative_slope)]
    return layers
