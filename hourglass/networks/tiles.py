"""Autoencoders of tiles: one small network for all parts of all images."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from hourglass.config.types import Activation, Count, Depth, Flag, Hidden, Size, Slope
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.blocks import DecoderBlock, EncoderBlock, chain, decoder_block, encoder_block
from hourglass.networks.base.grid import Grid
from hourglass.networks.base.layers import check_decoder, dense_halves, glorot, make_activation, shape_after
from hourglass.networks.base.linear_path import Linear, check_latent, last_activation, linear_path, zero_last, zeroed
from hourglass.networks.base.losses import MSE, LossWeights, check_losses, weighted_losses
from hourglass.networks.base.tiling import join, split, tiles_per_image


class Tiles(Autoencoder):
    """Autoencoder that splits images into tiles, and codes each with the same network.

        image (N, C, H, W) -> split -> tiles (N * T, C, h, w) -> encoder -> (N * T, D) -> latent (N, T * D)
                           -> decoder -> tiles -> join -> image

    The network of a tile is dense, with `hidden` and `tile_latent_dim`, or convolutional, with `encoder` and `decoder`.
    It trains on tiles: `batch_size` counts those.

    With `overlap`, encoder and decoder see a tile's neighbors too: see `hourglass.networks.base.grid`. The numbers per
    image stay the same. Such a network trains on images, or crops of them: `batch_size` counts those.

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
        output_activation: Follows the decoder's last layer: a sigmoid unless given, and nothing beside `linear`.
        negative_slope: Slope of every `leaky_relu` below 0.
        linear: `pca` sets the principal components of the training images' tiles beside the network, which starts as
            nothing and learns what they leave. None unless given.
        train_linear: Whether the components learn too, from those of PCA on.
        overlap: Whether a linear transform of a tile and its eight neighbors is learned beside the network, against
            seams between tiles; needs `linear` and `tile_latent_dim`.
        residual: Residual blocks behind the last hidden layer; needs `overlap`.
        loss: Weights of the losses of tiles whose sum is minimized, by name; of images with `overlap`. `ssim` is
            1 - SSIM, `log_mse` the mean logarithm of the images' errors, by which each counts as in the mean PSNR.

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
        output_activation: Activation | None = None,
        negative_slope: Slope = 0.01,
        linear: Linear | None = None,
        train_linear: Flag = False,
        overlap: Flag = False,
        residual: Depth = 0,
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
        if overlap and (linear is None or convolutional):
            raise ValueError("'overlap' is learned beside a linear path: expected `linear: pca` and `tile_latent_dim`")
        if residual and not (overlap and hidden):
            raise ValueError("'residual' is of tiles that overlap: expected `overlap: true` and `hidden`")
        check_latent(latent_activation, linear)
        output_activation = last_activation(output_activation, linear)
        inner = partial(make_activation, activation, negative_slope)
        if not overlap:
            check_losses(loss, tile_shape)
        last = make_activation(output_activation, negative_slope)
        halves: tuple[nn.Module, nn.Module]
        if tile_latent_dim is None:
            first, second, tile_latent_dim = _conv_halves(tile_shape, encoder, decoder, inner, last, linear)
            halves = first, second
        elif overlap:
            widths = math.prod(tile_shape), tile_latent_dim
            halves = (
                Grid(widths[0], hidden, widths[1], residual, inner),
                Grid(widths[1], hidden[::-1], widths[0], residual, inner),
            )
        else:
            halves = dense_halves(
                tile_shape, hidden, tile_latent_dim, activation, latent_activation, output_activation, negative_slope
            )
            if linear is not None:
                halves = zero_last(halves[0]), zero_last(halves[1])
        path = linear_path(linear, train_linear, tile_shape, tile_latent_dim)
        super().__init__(image_shape, tiles_per_image(image_shape, tile) * tile_latent_dim, loss, path)
        self.tile, self.tile_latent_dim, self.overlap = tile, tile_latent_dim, overlap
        self.cuts, self.crop_multiple = not overlap, math.lcm(*tile) if overlap else None
        self.encoder: nn.Module = halves[0]
        self.decoder: nn.Module = halves[1]

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return self._encode(split(images, self.tile), images.shape[2:]).reshape(len(images), -1)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        size = self.image_shape[1:]
        return join(self._decode(latents.reshape(-1, self.tile_latent_dim), size), self.image_shape)

    def examples(self, images: Tensor) -> Tensor:
        """(N, C, H, W), of any dtype -> tiles (N * T, C, h, w), or the images themselves if their tiles overlap."""
        return images if self.overlap else split(images, self.tile)

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Return the weighted sum of the losses, and its terms.

        Of tiles (N, C, h, w); with `overlap`, of images or crops of them, (N, C, H, W).
        """
        if not self.overlap:
            tiles = self._decode(self._encode(images, self.tile), self.tile).float()
            return weighted_losses(self.loss, images, self.bounded(tiles))
        channels, height, width = images.shape[1:]
        latents = self._encode(split(images, self.tile), (height, width))
        joined = join(self._decode(latents, (height, width)), (channels, height, width))
        return weighted_losses(self.loss, images, self.bounded(joined))

    def _encode(self, tiles: Tensor, size: Sequence[int]) -> Tensor:
        """Encode the tiles (M, C, h, w) of images of some (height, width): (M, D)."""
        if self.linear is None:
            return self.encoder(tiles)
        return self.linear.encode(tiles, self._over(self.encoder, size))

    def _decode(self, latents: Tensor, size: Sequence[int]) -> Tensor:
        """(M, D) -> the tiles (M, C, h, w) of images of some (height, width)."""
        if self.linear is None:
            return self.decoder(latents)
        return self.linear.decode(latents, self._over(self.decoder, size))

    def _over(self, network: nn.Module, size: Sequence[int]) -> Callable[[Tensor], Tensor]:
        """Return half of the network as a function of the tiles of images of some (height, width)."""
        if not self.overlap:
            return network
        rows, columns = (math.ceil(pixels / side) for pixels, side in zip(size, self.tile, strict=True))

        def over_grid(tiles: Tensor) -> Tensor:
            grid = tiles.flatten(1).unflatten(0, (-1, rows, columns)).permute(0, 3, 1, 2)  # as channels_last has it
            return network(grid).permute(0, 2, 3, 1).flatten(0, 2)

        return over_grid


def _conv_halves(
    tile_shape: ImageShape,
    encoder: Sequence[EncoderBlock],
    decoder: Sequence[DecoderBlock],
    activation: Callable[[], nn.Module],
    last: nn.Module,
    linear: Linear | None,
) -> tuple[nn.Sequential, nn.Sequential, int]:
    """Make the encoder and the decoder of tiles (C, h, w), and count the numbers between them.

    Beside a linear path both end in a convolution that starts at zero.
    """
    encoding, filters = chain(encoder_block, tile_shape[0], encoder, activation)
    features = shape_after(encoding, tile_shape)
    decoding, filters = chain(decoder_block, filters, decoder, activation)
    output = glorot(nn.Conv2d(filters, tile_shape[0], 3, padding="same"))
    check_decoder([*decoding, output], features, tile_shape)
    if linear is not None:
        encoding.append(zeroed(nn.Conv2d(features[0], features[0], 1)))
        zeroed(output)
    decoding += [output, last]
    halves = nn.Sequential(*encoding, nn.Flatten()), nn.Sequential(nn.Unflatten(1, features), *decoding)
    return *halves, math.prod(features)
