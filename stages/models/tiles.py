"""Autoencoders of tiles: one small network for all parts of all images."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from stages.models.base.autoencoder import Autoencoder, ImageShape
from stages.models.base.layers import (
    Block,
    chain,
    check_decoder,
    decoder_block,
    dense_halves,
    encoder_block,
    glorot,
    make_activation,
    shape_after,
)
from stages.models.base.tiling import join, split


class Tiles(Autoencoder):
    """Cuts every image into tiles, which one network squeezes and gives back, and puts them together again.

        image (N, C, H, W) -> split -> tiles (N * T, C, h, w) -> encoder -> (N * T, D) -> latent (N, T * D)
                           -> decoder -> tiles -> join -> image

    The network is dense, with `hidden` widths and `tile_latent_dim` numbers a tile, or, if `encoder` and `decoder` list
    blocks, convolutional, its last feature maps the latent. `activation` follows every layer but the last,
    `latent_activation` the latent of the dense one, `output_activation` the tile; `negative_slope` is that of every
    leaky_relu. It trains on tiles: batches are of those.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        tile: tuple[int, int],
        tile_latent_dim: int | None = None,
        hidden: Sequence[int] = (),
        encoder: Sequence[Block] = (),
        decoder: Sequence[Block] = (),
        activation: str = "relu",
        latent_activation: str = "linear",
        output_activation: str = "sigmoid",
        negative_slope: float = 0.01,
    ) -> None:
        channels, height, width = image_shape
        tile_shape = (channels, *tile)
        if tile_latent_dim is None:
            inner = partial(make_activation, activation, negative_slope)
            encoder_half, decoder_half, tile_latent_dim = _conv_halves(tile_shape, encoder, decoder, inner)
            decoder_half.append(make_activation(output_activation, negative_slope))
        else:
            encoder_half, decoder_half = dense_halves(
                tile_shape, hidden, tile_latent_dim, activation, latent_activation, output_activation, negative_slope
            )
        count = math.ceil(height / tile[0]) * math.ceil(width / tile[1])
        super().__init__(image_shape, count * tile_latent_dim)
        self.tile, self.tile_latent_dim = tile, tile_latent_dim
        self.encoder, self.decoder = encoder_half, decoder_half

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim), tile by tile."""
        return self.encoder(split(images, self.tile)).view(len(images), self.latent_dim)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return join(self.decoder(latents.reshape(-1, self.tile_latent_dim)), self.image_shape)

    def examples(self, images: Tensor) -> Tensor:
        """(N, C, H, W), of any type -> tiles (N * T, C, h, w), on which the network trains."""
        return split(images, self.tile)

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Give the mean squared error of tiles (N, C, h, w)."""
        return {"loss": functional.mse_loss(self.decoder(self.encoder(images)).float(), images)}


def _conv_halves(
    tile_shape: ImageShape, encoder: Sequence[Block], decoder: Sequence[Block], activation: Callable[[], nn.Module]
) -> tuple[nn.Sequential, nn.Sequential, int]:
    """Make the encoder and the decoder of tiles (C, h, w), and count the numbers between them."""
    encoding, filters = chain(encoder_block, tile_shape[0], encoder, activation)
    features = shape_after(encoding, tile_shape)
    decoding, filters = chain(decoder_block, filters, decoder, activation)
    decoding.append(glorot(nn.Conv2d(filters, tile_shape[0], 3, padding="same")))
    check_decoder(decoding, features, tile_shape)
    halves = nn.Sequential(*encoding, nn.Flatten()), nn.Sequential(nn.Unflatten(1, features), *decoding)
    return *halves, math.prod(features)
