"""How much better one model is than another: their scores of the same images, subtracted image by image."""

import numpy as np
from numpy.typing import NDArray

from hourglass.metrics.interval import mean_interval

MIN_IMAGES = 2  # one alone does not say how far differences are spread


def mean_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean of `first` - `second`, both (N,), and the ends of its bootstrap 95% interval.

    What makes an image hard is hard for both models: the interval is narrower than that of two separate means.

    Raises:
        ValueError: If they are not of the same images, two or more.
    """
    if first.shape != second.shape or first.ndim != 1 or len(first) < MIN_IMAGES:
        raise ValueError(f"expected scores of the same images (N,), got {first.shape} and {second.shape}")
    differences = np.subtract(first, second, dtype=np.float64)
    return float(differences.mean()), *mean_interval(differences)
