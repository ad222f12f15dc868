"""Principal component analysis: the best linear autoencoder, and so what every other one has to beat."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.common.errors import UserError
from stages.models.base.autoencoder import Autoencoder, ImageShape
from stages.models.base.tiling import join, split


class PCA(Autoencoder):
    """Projection on the `latent_dim` directions in which the training images differ most.

        image (N, C, H, W) -> flatten, minus mean -> components (D, pixels) -> latent (N, D) -> back

    With `tile` and `tile_latent_dim`, every image is cut into tiles, and all of them are projected on the directions in
    which tiles differ most: the twin of networks that look at parts of an image, and all that is left where there are
    fewer images than numbers in a latent.

    Pearson, 1901. A linear autoencoder trained with squared error can at best find the same subspace (Baldi and
    Hornik, 1989). Solved, not trained: `fit` in place of gradient descent.
    """

    mean: Tensor
    components: Tensor

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: int | None = None,
        tile: tuple[int, int] | None = None,
        tile_latent_dim: int | None = None,
    ) -> None:
        tile_shape = tile or image_shape[1:]
        count = math.prod(math.ceil(size / side) for size, side in zip(image_shape[1:], tile_shape, strict=True))
        directions = tile_latent_dim or latent_dim
        assert directions is not None
        super().__init__(image_shape, count * directions)
        self.tile, self.tiled = tile_shape, tile is not None
        pixels = image_shape[0] * math.prod(tile_shape)
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("components", torch.zeros(directions, pixels))

    def fit(self, batches: Iterable[NDArray[np.float32]]) -> None:
        """Solve for the components of images (N, C, H, W) in [0, 1], whole ones with scikit-learn."""
        flat = (self._flat(torch.from_numpy(images)).numpy() for images in batches)
        mean, components = self._of_tiles(flat) if self.tiled else self._of_images(np.concatenate(list(flat)))
        self.mean.copy_(torch.from_numpy(mean))
        self.components.copy_(torch.from_numpy(components))

    def _of_images(self, values: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        from sklearn import decomposition  # a second of the start of every stage that does not solve

        (count, pixels), directions = values.shape, len(self.components)
        self._check(directions, count, "latent_dim", "images")
        # Both solvers are exact and give the same bits every time; which is the faster depends on the shape.
        solver = "covariance_eigh" if count >= pixels else "full"
        projection = decomposition.PCA(directions, svd_solver=solver).fit(values)
        return projection.mean_, projection.components_

    def _of_tiles(self, batches: Iterable[NDArray[np.float32]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Solve from the covariance, summed up batch by batch: the tiles of large images do not fit into memory."""
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
        """Give the values of every image, or of every tile, one after the other: (N, pixels)."""
        return (split(images, self.tile) if self.tiled else images).flatten(1)
