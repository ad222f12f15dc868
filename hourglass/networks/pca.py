"""Principal component analysis: the best linear autoencoder, and so the baseline for all others."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hourglass.config.types import Count, Size
from hourglass.console.errors import UserError
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.tiling import join, split, tiles_per_image


class PCA(Autoencoder):
    """Principal component analysis: projection on the directions of largest variance in the training images.

        image (N, C, H, W) -> flatten, minus mean -> components (D, pixels) -> latent (N, D) -> back

    With `tile` and `tile_latent_dim`, images are split into tiles, and all tiles projected on the directions of largest
    variance among tiles: the counterpart of networks that code parts of an image, and the only PCA there is of fewer
    images than a latent has numbers.

    Pearson (1901). A linear autoencoder trained with squared error can at best find the same subspace (Baldi and
    Hornik, 1989). It has a closed form: `fit` in place of gradient descent.

    Args:
        image_shape: (C, H, W).
        latent_dim: Numbers in a latent, of whole images.
        tile: (height, width) of a tile, in pixels. Tiles that reach beyond an image repeat its edge.
        tile_latent_dim: Numbers in the latent of a tile.

    Raises:
        ValueError: Unless there is either `latent_dim`, or `tile` and `tile_latent_dim`.
    """

    mean: Tensor
    components: Tensor

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        latent_dim: Count | None = None,
        tile: Size | None = None,
        tile_latent_dim: Count | None = None,
    ) -> None:
        given = [value is not None for value in (latent_dim, tile, tile_latent_dim)]
        if given not in ([True, False, False], [False, True, True]):
            raise ValueError("expected `latent_dim`, or `tile` and `tile_latent_dim`")
        directions = latent_dim or tile_latent_dim
        assert directions is not None
        tile_shape = tile or image_shape[1:]
        super().__init__(image_shape, tiles_per_image(image_shape, tile_shape) * directions)
        self.tile, self.tiled = tile_shape, tile is not None
        pixels = image_shape[0] * math.prod(tile_shape)
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("components", torch.zeros(directions, pixels))

    def fit(self, batches: Iterable[NDArray[np.float32]]) -> None:
        """Solve for the components of images (N, C, H, W) in [0, 1].

        Raises:
            UserError: If there are fewer images, or tiles, than components.
        """
        flat = (self._flat(torch.from_numpy(images)).numpy() for images in batches)
        mean, components = self._of_tiles(flat) if self.tiled else self._of_images(np.concatenate(list(flat)))
        self.mean.copy_(torch.from_numpy(mean))
        self.components.copy_(torch.from_numpy(components))

    def _of_images(self, values: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        from sklearn import decomposition  # takes a second, and only `fit` needs it

        (count, pixels), directions = values.shape, len(self.components)
        self._check(directions, count, "latent_dim", "images")
        # Both solvers are exact and deterministic; which is the faster depends on the shape.
        solver = "covariance_eigh" if count >= pixels else "full"
        projection = decomposition.PCA(directions, svd_solver=solver).fit(values)
        return projection.mean_, projection.components_

    def _of_tiles(self, batches: Iterable[NDArray[np.float32]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Solve with the covariance, summed over batches: the tiles of large images do not fit into memory."""
        directions, pixels = self.components.shape
        count, total, squares = 0, np.zeros(pixels), np.zeros((pixels, pixels))
        for batch in batches:
            values = batch.astype(np.float64)
            count, total, squares = count + len(values), total + values.sum(axis=0), squares + values.T @ values
        self._check(directions, count, "tile_latent_dim", "tiles")
        mean = total / count
        _, vectors = np.linalg.eigh(squares - count * np.outer(mean, mean))
        components = vectors.T[::-1][:directions]
        # The sign of a component is arbitrary: make the largest part of each positive.
        largest = np.abs(components).argmax(axis=1)
        return mean, components * np.sign(np.take_along_axis(components, largest[:, None], axis=1))

    def _check(self, directions: int, count: int, key: str, what: str) -> None:
        pixels = len(self.mean)
        if directions > min(count, pixels):
            most = f"at most {min(count, pixels)} for PCA of {count} training {what} of {pixels} values"
            raise UserError(f"expected {key} of {most}, got {directions}")

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return ((self._flat(images) - self.mean) @ self.components.T).view(len(images), self.latent_dim)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        flat = latents.reshape(-1, len(self.components)) @ self.components + self.mean
        return join(flat.unflatten(1, (self.image_shape[0], *self.tile)), self.image_shape)

    def _flat(self, images: Tensor) -> Tensor:
        """Flatten images, or their tiles, to (N, pixels)."""
        return (split(images, self.tile) if self.tiled else images).flatten(1)
