"""Rows of numbers along their principal axes: as many coordinates as there are rows say all of any columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_VALUES = 1 << 23  # of rows that are converted to float64 at once: 64 MiB

Rows = NDArray[Any]  # (N, D), of bytes or floats
Coordinates = NDArray[np.float64]


def principal_coordinates(
    rows: Rows, others: Rows | None = None, *, standardize: bool = False
) -> tuple[Coordinates, Coordinates]:
    """Rotate rows (N, D), and others (M, D) with them, to the principal axes of the rows: (N, R) and (M, R).

    Both are centered on the mean of the rows. The axis of largest variance is the first; R, the rank of the centered
    rows, is less than N and at most D. What of the others lies outside all axes is left out. It adds the same to an
    image's squared distance to every row, and a linear model with an L2 penalty, whose weights are a combination of the
    rows, gives it no weight: neighbors and predictions are those of the columns themselves.

    Columns are converted to float64 a block at a time, so that the memory for them is bounded.

    Args:
        rows: What determines the axes.
        others: Further rows; none unless given.
        standardize: Whether each column is first divided by its standard deviation over the rows, unless that is 0.
    """
    further = rows[:0] if others is None else others
    if rows.shape[1] <= len(rows):
        centered, further = next(_centered(rows, further, rows.shape[1], standardize))
        _, axes = _decompose(centered.T @ centered, max(rows.shape))
        return _signed(centered @ axes, further @ axes)
    # X = U S V^T: the products of the rows, X X^T = U S^2 U^T, are far fewer than those of the columns.
    products, crossed = np.zeros((len(rows), len(rows))), np.zeros((len(further), len(rows)))
    step = max(1, BLOCK_VALUES // (len(rows) + len(further)))
    for centered, block in _centered(rows, further, step, standardize):
        products += centered @ centered.T
        crossed += block @ centered.T
    squares, vectors = _decompose(products, max(rows.shape))
    lengths = np.sqrt(squares)
    return _signed(vectors * lengths, crossed @ vectors / lengths)


def variances(coordinates: Coordinates) -> NDArray[np.float64]:
    """Return the variance along each principal axis (R,), of the coordinates (N, R) of the rows."""
    return np.square(coordinates).sum(axis=0) / len(coordinates)


def plane(coordinates: Coordinates) -> tuple[Coordinates, NDArray[np.float64]]:
    """Return the first two of the coordinates (N, R), and the shares of the variance along them: (N, 2) and (2,).

    What rows of one axis, or of none, do not have is 0.
    """
    missing = max(0, 2 - coordinates.shape[1])
    along = variances(coordinates)
    shares = along[:2] / max(along.sum(), np.finfo(float).tiny)
    return np.pad(coordinates[:, :2], [(0, 0), (0, missing)]), np.pad(shares, (0, missing))


def _centered(rows: Rows, others: Rows, step: int, standardize: bool) -> Iterator[tuple[Coordinates, Coordinates]]:
    """Yield `step` columns of both at a time, without the mean of the rows."""
    for start in range(0, rows.shape[1], step):
        origin = rows[:1, start : start + step].astype(np.float64)
        # By way of the first row, so that columns without variance are exactly 0.
        first, second = (part[:, start : start + step] - origin for part in (rows, others))
        mean = first.mean(axis=0)
        first -= mean
        second -= mean
        if standardize:
            deviations = np.sqrt(np.square(first).mean(axis=0))
            deviations[deviations == 0] = 1
            first /= deviations
            second /= deviations
        yield first, second


def _decompose(products: Coordinates, longest: int) -> tuple[NDArray[np.float64], Coordinates]:
    """Return the eigenvalues that are more than rounding, the largest first, and their vectors as columns."""
    values, vectors = np.linalg.eigh(products)
    kept = values > max(values[-1], 0) * longest * np.finfo(float).eps
    return values[kept][::-1], vectors[:, kept][:, ::-1]


def _signed(rows: Coordinates, others: Coordinates) -> tuple[Coordinates, Coordinates]:
    """Make the farthest row positive: the sign of an axis is arbitrary, and a rerun has to be the same picture."""
    farthest = np.take_along_axis(rows, np.abs(rows).argmax(axis=0)[None], axis=0)
    signs = np.where(farthest < 0, -1.0, 1.0)
    return rows * signs, others * signs
