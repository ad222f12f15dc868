"""Principal component analysis: the best linear autoencoder, and so the baseline for all others."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hourglass.config.types import Count, Size
from hourglass.console.errors import UserError
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.tiling import join, split, tiles_per_image

# The solver depends on the shape of the data alone, never on a machine's memory: other solvers give other bits.
WHOLE_VALUES = 1 << 26  # of all images, up to which they are solved at once: 1.5 GiB at the peak
COVARIANCE_VALUES = 1 << 12  # of an image, or a tile, up to which its covariance is summed: 0.8 GiB at the peak
BLOCK_VALUES = 1 << 24  # of images that are multiplied by the directions at once: 64 MiB
PASSES = 50  # of the randomized solver over all images, at most: pictures take about 8, noise 25
TOLERANCE = 1e-5  # of the squared error that is left: the randomized solver stops where a pass gains less,
ROUNDING = 1e-7  # or less than this of the variance it has: float32 has no more digits

Batches = Iterable[NDArray[np.float32]]  # of images (N, C, H, W) in [0, 1]


class PCA(Autoencoder):
    """Principal component analysis: projection on the directions of largest variance in the training images.

        image (N, C, H, W) -> flatten, minus mean -> components (D, pixels) -> latent (N, D) -> back

    With `tile` and `tile_latent_dim`, images are split into tiles, and all tiles projected on the directions of largest
    variance among tiles: the counterpart of networks that code parts of an image, and the only PCA there is of fewer
    images than a latent has numbers.

    Images of up to 67 million values together (`WHOLE_VALUES`) are solved at once. More of them, and tiles, are solved
    by the covariance of all batches, which is exact too, where an image, or a tile, has up to 4,096 values. Otherwise
    it is randomized subspace iteration: its squared error on the training images is within one part in ten thousand of
    the least there is, and it takes the memory of a few batches and of the weights seven times. `solver` says which it
    was.

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
    solver: Literal["full", "covariance", "randomized"] | None = None  # what `fit` used; the first two are exact

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

    def fit(self, batches: Batches) -> str:
        """Solve for the components; return the solver that was used.

        Args:
            batches: The images; iterated several times if they are too many to be solved at once.

        Raises:
            UserError: If there are fewer images, or tiles, than components.
        """
        values = None if self.tiled else _gather(self._flat_batches(batches))
        if values is not None:
            mean, components = self._at_once(values)
        elif len(self.mean) <= COVARIANCE_VALUES:
            mean, components = self._by_covariance(batches)
        else:
            mean, components = self._by_iteration(batches)
        self.mean.copy_(torch.from_numpy(mean))
        self.components.copy_(torch.from_numpy(components))
        assert self.solver is not None
        return self.solver

    def _at_once(self, values: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        from sklearn import decomposition  # takes a second, and only `fit` needs it

        (count, pixels), directions = values.shape, len(self.components)
        self._check(count)
        # Both solvers are exact and deterministic; which is the faster depends on the shape.
        self.solver = "covariance" if count >= pixels else "full"
        svd_solver = "covariance_eigh" if self.solver == "covariance" else "full"
        projection = decomposition.PCA(directions, svd_solver=svd_solver).fit(values)
        return projection.mean_, projection.components_

    def _by_covariance(self, batches: Batches) -> tuple[NDArray[Any], NDArray[Any]]:
        """Solve with the covariance, summed over batches."""
        self.solver = "covariance"
        directions, pixels = self.components.shape
        count, total, squares = 0, np.zeros(pixels), np.zeros((pixels, pixels))
        for batch in self._flat_batches(batches):
            values = batch.astype(np.float64)
            count, total = count + len(values), total + values.sum(axis=0)
            squares += values.T @ values
        self._check(count)
        mean = total / count
        squares -= count * np.outer(mean, mean)
        _, vectors = np.linalg.eigh(squares)
        return mean, _signed(vectors.T[::-1][:directions])

    def _by_iteration(self, batches: Batches) -> tuple[NDArray[Any], NDArray[Any]]:
        """Solve by randomized subspace iteration, a pass over all images a step (Halko, Martinsson and Tropp, 2011).

        It finds twice as many directions as are kept, because the last ones converge slowly.
        """
        from scipy import linalg

        self.solver = "randomized"
        directions, pixels = self.components.shape
        count, total, squares = 0, np.zeros(pixels), 0.0
        for batch in self._flat_batches(batches):
            count, total = count + len(batch), total + batch.sum(axis=0, dtype=np.float64)
            squares += float(np.square(batch, dtype=np.float64).sum())
        self._check(count)
        mean = total / count
        variance = squares - count * float(mean @ mean)
        rows = min(2 * directions + 16, count, pixels)
        basis = np.random.default_rng(0).standard_normal((rows, pixels), np.float32)
        captured = 0.0
        for passes_left in reversed(range(PASSES)):
            # In place: LAPACK's arrays are of columns, one after the other.
            basis = linalg.qr(basis.T, overwrite_a=True, mode="economic", check_finite=False)[0].T
            product, inner = self._multiply(basis, mean.astype(np.float32), batches)
            variances, vectors = np.linalg.eigh(inner)
            gain = float(variances[-directions:].sum()) - captured
            captured += gain
            if gain <= max(TOLERANCE * (variance - captured), ROUNDING * captured) or not passes_left:
                break
            basis = product
        del product
        return mean, _signed(vectors[:, : -directions - 1 : -1].T.astype(np.float32) @ basis)

    def _multiply(
        self, basis: NDArray[np.float32], mean: NDArray[np.float32], batches: Batches
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Multiply a basis (K, pixels) with the covariance, N times over; and that with the basis, (K, K)."""
        product, inner = torch.zeros(basis.shape), np.zeros((len(basis), len(basis)))
        for block in _blocks(self._flat_batches(batches)):
            centered = torch.from_numpy(block - mean)
            latents = centered @ torch.from_numpy(basis).T
            product.addmm_(latents.T, centered)
            inner += (latents.T @ latents).numpy()
        return product.numpy(), inner

    def _flat_batches(self, batches: Batches) -> Batches:
        """Yield images, or their tiles, as (N, pixels)."""
        return (self._flat(torch.from_numpy(images)).numpy() for images in batches)

    def _check(self, count: int) -> None:
        directions, pixels = self.components.shape
        key, what = ("tile_latent_dim", "tiles") if self.tiled else ("latent_dim", "images")
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


def _gather(batches: Batches) -> NDArray[np.float32] | None:
    """Concatenate batches; return None if they have too many values to be solved at once."""
    gathered, values = [], 0
    for batch in batches:
        values += batch.size
        if values > WHOLE_VALUES:
            return None
        gathered.append(batch)
    return np.concatenate(gathered)


def _blocks(batches: Batches) -> Iterator[NDArray[np.float32]]:
    """Concatenate batches to blocks: each costs a pass through all of a large basis."""
    gathered: list[NDArray[np.float32]] = []
    for batch in batches:
        gathered.append(batch)
        if sum(each.size for each in gathered) >= BLOCK_VALUES:
            yield np.concatenate(gathered)
            gathered = []
    if gathered:
        yield np.concatenate(gathered)


def _signed(components: NDArray[Any]) -> NDArray[Any]:
    """Make the largest part of each component positive: the sign of a component is arbitrary."""
    largest = np.abs(components).argmax(axis=1)
    return components * np.sign(np.take_along_axis(components, largest[:, None], axis=1))
