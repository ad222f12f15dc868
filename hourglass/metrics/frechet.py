"""How far two sets of images are apart as a whole: the Fréchet distance of normal distributions fitted to features."""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]


def project(images: NDArray[np.float32], mean: NDArray[np.floating], components: NDArray[np.floating]) -> Features:
    """Return the features (N, K) of flattened images (N, pixels) in a fixed linear space.

    Args:
        images: In [0, 1].
        mean: What is subtracted, (pixels,).
        components: What is projected on, (K, pixels).
    """
    return (images - mean.astype(np.float32)).astype(np.float64) @ components.T.astype(np.float64)


def frechet_distance(first: Features, second: Features) -> float:
    """Return the Fréchet distance of normal distributions with the mean and covariance of features (N, K) and (M, K).

    In squared units of the features; 0 for equal moments. The fewer images there are, the larger it is for sets that
    are alike: compare distances of equally many.

    Raises:
        ValueError: If a set has fewer than two rows, and so no covariance, they have other features, or not all are
            finite.
    """
    if min(len(first), len(second)) < 2 or first.shape[1:] != second.shape[1:]:
        raise ValueError(f"expected features (N, K) of at least 2 images each, got {first.shape} and {second.shape}")
    if not np.isfinite(first).all() or not np.isfinite(second).all():
        raise ValueError("expected finite features, got others")
    return gaussian_distance(*_moments(first), *_moments(second))


def gaussian_distance(
    first_mean: Features, first_covariance: Features, second_mean: Features, second_covariance: Features
) -> float:
    """Return the squared Fréchet distance of two normal distributions of means (K,) and covariances (K, K).

        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2)

    Dowson and Landau (1982), The Fréchet distance between multivariate normal distributions. The last trace is the sum
    of the singular values of C1^1/2 C2^1/2, of which no root has to be taken: that of a rounding error is large.
    """
    roots = _root(first_covariance) @ _root(second_covariance)
    overlap = np.linalg.svd(roots, compute_uv=False).sum()
    squared = np.square(first_mean - second_mean).sum()
    return max(0.0, float(squared + np.trace(first_covariance) + np.trace(second_covariance) - 2 * overlap))


def _moments(features: Features) -> tuple[Features, Features]:
    """Return the mean (K,) and the sample covariance (K, K)."""
    mean = features.mean(axis=0, dtype=np.float64)
    centered = features - mean
    return mean, centered.T @ centered / (len(features) - 1)


def _root(covariance: Features) -> Features:
    """Return the symmetric square root; eigenvalues that rounding makes negative are 0."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
