"""How far a mean may be off: the spread over images, as a confidence interval."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95


def mean_interval(values: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """Return the ends of the bootstrap 95% interval of the mean of `values` (N,).

    Percentiles of the means of 1,000 samples of N values drawn with replacement: Efron and Tibshirani (1993), An
    introduction to the bootstrap.
    """
    generator = np.random.default_rng(seed)
    means = [generator.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
