"""All scores of reconstructions together: a value for each image first, the means at the end."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.metrics import quality, ssim

Scores = dict[str, NDArray[np.float64]]  # a metric's name -> its value for each image


def score(images: quality.Images, reconstructions: quality.Images) -> Scores:
    """Rate each image (N, C, H, W) by every metric that its size allows."""
    mse = quality.mse(images, reconstructions)
    scores = {"mse": mse, "mae": quality.mae(images, reconstructions), "psnr_db": quality.psnr_db(mse)}
    if not ssim.why_not(images.shape[1:]):
        scores["ssim"] = ssim.ssim(images, reconstructions)
    return scores


def join(batches: Sequence[Scores]) -> Scores:
    """Put the scores of batches one after the other."""
    return {metric: np.concatenate([batch[metric] for batch in batches]) for metric in batches[0]}


def mean(scores: Scores) -> dict[str, float]:
    """Average every metric over the images."""
    return {metric: float(values.mean()) for metric, values in scores.items()}
