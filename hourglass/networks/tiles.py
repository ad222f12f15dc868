"""Autoencoders of tiles: one small network for all parts of all images."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from hourglass.config.types import Activation, Count, Hidden, Size, Slope
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.blocks import DecoderBlock, EncoderBlock, chain, decoder_block, encoder_block
from hourglass.networks.base.layers import (
    check_decoder,
    dense_halves,
    glorot,
    make_activation,
    shape_after,
)
from hourglass.networks.base.losses import MSE, LossWeights, check_losses, weighted_losses
from hourglass.networks.base.tiling import join, split, tiles_per_image


class Tiles(Autoencoder):
    """Autoencoder that splits images into tiles, and codes each tile on its own with the same network.

        image (N, C, H, W) -> split -> tiles (N * T, C, h, w) -> encoder -> (N * T, D) -> latent (N, T * D)
                           -> decoder -> tiles -> join -> image

    The network of a tile is dense, with `hidden` and `tile_latent_dim`, or convolutional, with `encoder` and `decoder`.
    It trains on tiles: `batch_size` counts those.

    Args:
        image_shape: (C, H, W).
        tile: (height, width) of a tile, in pixels. Tiles that reach beyond an image repeat its edge.
        tile_latent_dim: Numbers in the latent of a tile, of a dense network. That of a convolutional one is the
            encoder's feature maps.
        hidden: Widths of the dense encoder's hidden layers, from the tile to the latent; the decoder has the same in
            reverse.
        encoder: Blocks of the convolutional encoder, from the tile to the latent.
        decoder: Blocks of the convolutional decoder, from the latent to the tile; a convolution to C channels follows
            the last.
        activation: Follows every hidden layer, or every block's convolution.
        latent_activation: Follows the last layer of the dense encoder; needs `tile_latent_dim`.
        output_activation: Follows the decoder's last layer.
        negative_slope: Slope of every `leaky_relu` below 0.
        loss: Weights of the losses of tiles whose sum is minimized, by name; `ssim` is 1 - SSIM.

    Raises:
        ValueError: If the keywords are not those of one network, or its blocks do not fit tiles or each other.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        tile: Size,
        tile_latent_dim: Count | None = None,
        hidden: Hidden = (),
        encoder: tuple[EncoderBlock, ...] = (),
        decoder: tuple[DecoderBlock, ...] = (),
        activation: Activation = "relu",
        latent_activation: Activation = "linear",
        output_activation: Activation = "sigmoid",
        negative_slope: Slope = 0.01,
        loss: LossWeights = MSE,
    ) -> None:
        tile_shape = (image_shape[0], *tile)
        dense, convolutional = tile_latent_dim is not None, bool(encoder or decoder)
        if dense == convolutional or (convolutional and (hidden or not encoder)):
            raise ValueError(
                "expected `hidden` and `tile_latent_dim`, or `encoder` and `decoder`: a tile has one network"
            )
        if convolutional and latent_activation != "linear":
            raise ValueError("'latent_activation' is of a dense latent: expected `tile_latent_dim`")
        check_losses(loss, tile_shape)
        if tile_latent_dim is None:
            inner = partial(make_activation, activation, negative_slope)
            encoder_half, decoder_half, tile_latent_dim = _conv_halves(tile_shape, encoder, decoder, inner)
            decoder_half.append(make_activation(output_activation, negative_slope))
        else:
            encoder_half, decoder_half = dense_halves(
                tile_shape, hidden, tile_latent_dim, activation, latent_activation, output_activation, negative_slope
            )
        super().__init__(image_shape, tiles_per_image(image_shape, tile) * tile_latent_dim, loss)
        self.tile, self.tile_latent_dim = tile, tile_latent_dim
        self.encoder, self.decoder = encoder_half, decoder_half

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim), tile by tile."""
        return self.encoder(split(images, self.tile)).view(len(images), self.latent_dim)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return join(self.decoder(latents.reshape(-1, self.tile_latent_dim)), self.image_shape)

    def examples(self, images: Tensor) -> Tensor:
        """(N, C, H, W), of any dtype -> tiles (N * T, C, h, w), on which the network trains."""
        return split(images, self.tile)

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Return the weighted sum of the losses of tiles (N, C, h, w), and its terms."""
        return weighted_losses(self.loss, images, self.decoder(self.encoder(images)).float())


def _conv_halves(
    tile_shape: ImageShape,
    encoder: Sequence[EncoderBlock],
    decoder: Sequence[DecoderBlock],
    activation: Callable[[], nn.Module],
) -> tuple[nn.Sequential, nn.Sequential, int]:
    """Make the encoder and the decoder of tiles (C, h, w), and count the numbers between them."""
    encoding, filters = chain(encoder_block, tile_shape[0], encoder, activation)
    features = shape_after(encoding, tile_shape)
    decoding, filters = chain(decoder_block, filters, decoder, activation)
    decoding.append(glorot(nn.Conv2d(filters, tile_shape[0], 3, padding="same")))
    check_decoder(decoding, features, tile_shape)
    halves = nn.Sequential(*encoding, nn.Flatten()), nn.Sequential(nn.Unflatten(1, features), *decoding)
    return *halves, math.prod(features)
