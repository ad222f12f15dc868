"""Principal component analysis: the best linear autoencoder, and so the baseline for all others."""

import math

import torch
from torch import Tensor

from hourglass.config.types import Count, Size
from hourglass.networks.base.autoencoder import Autoencoder, ImageBatches, ImageShape
from hourglass.networks.base.principal import Solver, solve
from hourglass.networks.base.tiling import Parts, join, split, tiles_per_image


class PCA(Autoencoder):
    """Principal component analysis: projection on the directions of largest variance in the training images.

        image (N, C, H, W) -> flatten, minus mean -> components (D, pixels) -> latent (N, D) -> back

    With `tile` and `tile_latent_dim`, images are split into tiles, and all tiles projected on the directions of largest
    variance among tiles: the counterpart of networks that code parts of an image, and the only PCA there is of fewer
    images than a latent has numbers.

    Pearson (1901). A linear autoencoder trained with squared error can at best find the same subspace (Baldi and
    Hornik, 1989). It has a closed form: `fit` in place of gradient descent. `hourglass.networks.base.principal` says
    how it is solved; that depends on the number and the size of the images.

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
    solver: Solver | None = None  # what `fit` used

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

    def fit(self, batches: ImageBatches) -> str:
        """Solve for the components; return the solver that was used.

        Args:
            batches: The images; iterated several times if they are too many to be solved at once.

        Raises:
            UserError: If there are fewer images, or tiles, than components.
        """
        directions, pixels = self.components.shape
        solution = solve(Parts(batches, self.tile if self.tiled else None), directions, pixels, self.tiled)
        self.mean.copy_(torch.from_numpy(solution.mean))
        self.components.copy_(torch.from_numpy(solution.components))
        self.solver = solution.solver
        return solution.solver

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        flat = (split(images, self.tile) if self.tiled else images).flatten(1)
        return ((flat - self.mean) @ self.components.T).view(len(images), self.latent_dim)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        flat = latents.reshape(-1, len(self.components)) @ self.components + self.mean
        return join(flat.unflatten(1, (self.image_shape[0], *self.tile)), self.image_shape)
