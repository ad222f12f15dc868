"""All scores of reconstructions together: a value for each image first, the means at the end."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hourglass.files import rounded
from hourglass.metrics.quality import METRICS, Images

Scores = dict[str, NDArray[np.float64]]  # a metric's name -> its value for each image, (N,)


def left_out(image_shape: tuple[int, ...]) -> dict[str, str]:
    """Return the metrics that images (C, H, W) do not have, each with the reason."""
    reasons = {name: metric.why_not(image_shape) for name, metric in METRICS.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def score(images: Images, reconstructions: Images, only: Collection[str] = METRICS) -> Scores:
    """Score every image (N, C, H, W) in [0, 1] by every metric that its size allows, or by some of them."""
    fitting = [name for name in METRICS if name in only and name not in left_out(images.shape[1:])]
    return {name: METRICS[name].function(images, reconstructions) for name in fitting}


def to_table(scores: Scores) -> pd.DataFrame:
    """Return a row for each image: index, and a column for each metric."""
    return pd.DataFrame(scores).rename_axis("index").reset_index()


def join(batches: Sequence[Scores]) -> Scores:
    """Concatenate the scores of batches."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def mean(scores: Scores) -> dict[str, float]:
    """Return the mean of every metric over the images."""
    return {name: float(values.mean()) for name, values in scores.items()}


def shortened(means: dict[str, float]) -> dict[str, float]:
    """Round every mean to the four significant digits that files in git hold."""
    return {name: rounded(value, 4) for name, value in means.items()}


def tracked(means: dict[str, float]) -> dict[str, float]:
    """Return what metrics/ holds of the means: few numbers, whose differences between commits say something."""
    return {name: value for name, value in shortened(means).items() if METRICS[name].tracked}
