"""The PCA twin of a model: PCA of as many numbers an image on the same training images.

A network that codes tiles, or whose latent is feature maps, has a twin of tiles with as many numbers each: there is no
PCA of whole images with more numbers than there are images.
"""

import math

import torch
from torch import Tensor

from hourglass.data.prepared import Images
from hourglass.inference.batches import Arrays
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.linear_path import LinearPath
from hourglass.networks.base.tiling import join, split, tiles_per_image


class Twin(Autoencoder):
    """Principal components of images, or of their tiles: the family `pca` by the solver of the linear path.

    Args:
        image_shape: (C, H, W).
        tile: (height, width) of a tile; that of an image for PCA of whole images.
        directions: Components of an image, or of a tile.
    """

    def __init__(self, image_shape: ImageShape, tile: tuple[int, int], directions: int) -> None:
        super().__init__(image_shape, tiles_per_image(image_shape, tile) * directions)
        self.tile = tile
        self.tile_latent_dim = directions
        self.path = LinearPath((image_shape[0], *tile), directions)

    def fit(self, images: Images) -> "Twin":
        """Solve for the components of uint8 images (N, C, H, W).

        Raises:
            UserError: If there are fewer images, or tiles, than components.
        """
        self.path.fit(Arrays(images), tiled=self.tile != self.image_shape[1:])
        return self

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        # Not whitened, as those of PCA are not: distances between them are those between images.
        latents = self.path.project(split(images, self.tile)) * self.path.deviations
        return latents.view(len(images), self.latent_dim)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        whitened = latents.reshape(-1, self.tile_latent_dim) / self.path.deviations
        tiles = self.path.decode(whitened, lambda given: given.new_zeros(len(given), len(self.path.mean)))
        return join(tiles, self.image_shape)


def fit_twin(network: Autoencoder, train: Images, device: torch.device) -> Twin:
    """Solve for the twin of a network on its training images, uint8 (N, C, H, W).

    Raises:
        UserError: If there are fewer images, or tiles, than components.
    """
    twin = Twin(network.image_shape, *twin_shape(network))
    return twin.fit(train).to(device).eval()


def twin_shape(network: Autoencoder) -> tuple[tuple[int, int], int]:
    """Return (height, width) of what the twin of a network projects at once, and on how many numbers."""
    size = network.image_shape[1:]
    tile: tuple[int, int] | None = getattr(network, "tile", None)
    if tile is not None:
        return (tile[0], tile[1]), network.latent_dim // tiles_per_image(network.image_shape, tile)
    maps: tuple[int, ...] | None = getattr(network, "feature_maps", None)  # (F, h, w)
    if maps is not None:
        height, width = (math.ceil(side / steps) for side, steps in zip(size, maps[1:], strict=True))
        return (height, width), maps[0]
    return size, network.latent_dim
