"""How much better one model is than another: their scores of the same images, subtracted image by image."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from hourglass.metrics.interval import LEVEL, mean_interval

MIN_IMAGES = 2  # one alone does not say how far differences are spread


def mean_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean of `first` - `second`, both (N,), and the ends of its bootstrap 95% interval.

    What makes an image hard is hard for both models: the interval is narrower than that of two separate means. That
    of a few images is widened by what a bootstrap lacks there.

    Raises:
        ValueError: If they are not of the same images, two or more.
    """
    if first.shape != second.shape or first.ndim != 1 or len(first) < MIN_IMAGES:
        raise ValueError(f"expected scores of the same images (N,), got {first.shape} and {second.shape}")
    differences = np.subtract(first, second, dtype=np.float64)
    mean, wider = float(differences.mean()), _expansion(len(differences))
    low, high = (mean + wider * (end - mean) for end in mean_interval(differences))
    return mean, low, high


def _expansion(count: int) -> float:
    """Return by how much the percentile interval of a mean of `count` values is too narrow: 1.6 of 5, 1.02 of 100.

    It takes the normal distribution for Student's, and values for spread as they are about their own mean: Hesterberg
    (2015), What teachers should know about the bootstrap, on narrowness bias. Unwidened, intervals of two images
    exclude zero every other time where there is no difference.
    """
    tail = (1 + LEVEL) / 2
    return math.sqrt(count / (count - 1)) * float(stdtrit(count - 1, tail) / ndtri(tail))
