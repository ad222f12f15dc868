"""Principal components of images, or of tiles: one solver for the family `pca` and for the linear path of all others.

Images of up to 67 million values together (`WHOLE_VALUES`) are solved at once. More of them, and tiles, are solved by
the covariance of all batches, which is exact too, where an image, or a tile, has up to 4,096 values. Otherwise it is
randomized subspace iteration: its squared error on the training images is within one part in ten thousand of the least
there is, and it takes the memory of a few batches and of the weights seven times.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hourglass.console.errors import UserError

# The solver depends on the shape of the data alone, never on a machine's memory: other solvers give other bits.
WHOLE_VALUES = 1 << 26  # of all images, up to which they are solved at once: 1.5 GiB at the peak
COVARIANCE_VALUES = 1 << 12  # of an image, or a tile, up to which its covariance is summed: 0.8 GiB at the peak
BLOCK_VALUES = 1 << 24  # of images that are multiplied by the directions at once: 64 MiB
PASSES = 50  # of the randomized solver over all images, at most: pictures take about 8, noise 25
TOLERANCE = 1e-5  # of the squared error that is left: the randomized solver stops where a pass gains less,
ROUNDING = 1e-7  # or less than this of the variance it has: float32 has no more digits

Batches = Iterable[NDArray[np.float32]]  # of flattened images or tiles, (N, pixels) in [0, 1]
Solver = Literal["full", "covariance", "randomized"]  # the first two are exact


@dataclass(frozen=True)
class Solution:
    """The directions of largest variance.

    Attributes:
        mean: (pixels,).
        components: Orthonormal, the one of largest variance first, (K, pixels).
        solver: What found them.
    """

    mean: NDArray[Any]
    components: NDArray[Any]
    solver: Solver


def solve(batches: Batches, directions: int, pixels: int, tiled: bool) -> Solution:
    """Solve for the directions of largest variance.

    Args:
        batches: Flattened images, or tiles; iterated several times if they are too many to be solved at once.
        directions: How many, K.
        pixels: Values of an image, or of a tile.
        tiled: Whether they are tiles, of which there are always many.

    Raises:
        UserError: If there are fewer images, or tiles, than directions.
    """
    values = None if tiled else _gather(batches)
    if values is not None:
        _check(len(values), directions, pixels, tiled)
        return _at_once(values, directions)
    if pixels <= COVARIANCE_VALUES:
        return _by_covariance(batches, directions, pixels, tiled)
    return _by_iteration(batches, directions, pixels, tiled)


def _check(count: int, directions: int, pixels: int, tiled: bool) -> None:
    key, what = ("tile_latent_dim", "tiles") if tiled else ("latent_dim", "images")
    if directions > min(count, pixels):
        most = f"at most {min(count, pixels)} for PCA of {count} training {what} of {pixels} values"
        raise UserError(f"expected {key} of {most}, got {directions}")


def _at_once(values: NDArray[np.float32], directions: int) -> Solution:
    from sklearn import decomposition  # takes a second, and only a solution needs it

    count, pixels = values.shape
    # Both solvers are exact and deterministic; which is the faster depends on the shape.
    solver: Solver = "covariance" if count >= pixels else "full"
    svd_solver = "covariance_eigh" if solver == "covariance" else "full"
    with np.errstate(invalid="ignore", divide="ignore"):  # shares of no variance, of images that are all the same
        projection = decomposition.PCA(directions, svd_solver=svd_solver).fit(values)
    return Solution(projection.mean_, projection.components_, solver)


def _by_covariance(batches: Batches, directions: int, pixels: int, tiled: bool) -> Solution:
    """Solve with the covariance, summed over batches."""
    count, total, squares = 0, np.zeros(pixels), np.zeros((pixels, pixels))
    for batch in batches:
        values = batch.astype(np.float64)
        count, total = count + len(values), total + values.sum(axis=0)
        squares += values.T @ values
    _check(count, directions, pixels, tiled)
    mean = total / count
    squares -= count * np.outer(mean, mean)
    _, vectors = np.linalg.eigh(squares)
    return Solution(mean, _signed(vectors.T[::-1][:directions]), "covariance")


def _by_iteration(batches: Batches, directions: int, pixels: int, tiled: bool) -> Solution:
    """Solve by randomized subspace iteration, a pass over all images a step (Halko, Martinsson and Tropp, 2011).

    It finds twice as many directions as are kept, because the last ones converge slowly.
    """
    from scipy import linalg

    count, total, squares = 0, np.zeros(pixels), 0.0
    for batch in batches:
        count, total = count + len(batch), total + batch.sum(axis=0, dtype=np.float64)
        squares += float(np.square(batch, dtype=np.float64).sum())
    _check(count, directions, pixels, tiled)
    mean = total / count
    variance = squares - count * float(mean @ mean)
    rows = min(2 * directions + 16, count, pixels)
    basis = np.random.default_rng(0).standard_normal((rows, pixels), np.float32)
    captured = 0.0
    for passes_left in reversed(range(PASSES)):
        # In place: LAPACK's arrays are of columns, one after the other.
        basis = linalg.qr(basis.T, overwrite_a=True, mode="economic", check_finite=False)[0].T
        product, inner = _multiply(basis, mean.astype(np.float32), batches)
        variances, vectors = np.linalg.eigh(inner)
        gain = float(variances[-directions:].sum()) - captured
        captured += gain
        if gain <= max(TOLERANCE * (variance - captured), ROUNDING * captured) or not passes_left:
            break
        basis = product
    del product
    components = _signed(vectors[:, : -directions - 1 : -1].T.astype(np.float32) @ basis)
    return Solution(mean, components, "randomized")


def _multiply(
    basis: NDArray[np.float32], mean: NDArray[np.float32], batches: Batches
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Multiply a basis (K, pixels) with the covariance, N times over; and that with the basis, (K, K)."""
    product, inner = torch.zeros(basis.shape), np.zeros((len(basis), len(basis)))
    for block in _blocks(batches):
        centered = torch.from_numpy(block - mean)
        latents = centered @ torch.from_numpy(basis).T
        product.addmm_(latents.T, centered)
        inner += (latents.T @ latents).numpy()
    return product.numpy(), inner


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
