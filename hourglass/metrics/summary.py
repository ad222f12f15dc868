"""How the scores of many images are spread: how far their mean may be off, and how bad the bad ones are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hourglass.files import rounded
from hourglass.metrics.interval import mean_interval
from hourglass.metrics.quality import METRICS
from hourglass.metrics.scores import Scores, mean, shortened

BAD = 0.05  # of the images, the worst

Summary = dict[str, dict[str, float]]  # a metric's name -> mean, std, low, high, worst_5_percent


def summarize(scores: Scores) -> Summary:
    """Return, of the scores (N,) of every metric, how they are spread.

    mean, and std, the standard deviation over images, 0 of one image; low and high, the ends of the mean's bootstrap
    95% interval; worst_5_percent, which 5% of the images do not reach.
    """
    return {name: {key: rounded(value, 4) for key, value in _spread(name, of).items()} for name, of in scores.items()}


def _spread(metric: str, values: NDArray[np.float64]) -> dict[str, float]:
    low, high = mean_interval(values)
    worst = BAD if METRICS[metric].better == "higher" else 1 - BAD
    return {
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        "low": low,
        "high": high,
        "worst_5_percent": float(np.quantile(values, worst)),
    }


def by_class(scores: Scores, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the mean of every metric over the images of each class, and their number as `images`; "" is no class."""
    classes = np.array(labels, dtype=str)
    chosen = {name: classes == name for name in sorted(set(labels)) if name}
    return {
        name: shortened(mean({metric: of[rows] for metric, of in scores.items()})) | {"images": int(rows.sum())}
        for name, rows in chosen.items()
    }
