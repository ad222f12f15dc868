"""Scores of every image, from images and reconstructions (N, C, H, W) in [0, 1]: a value for each, (N,).

`METRICS` is the registry: an entry there is scored by `evaluate`, and unless it says otherwise a key of the files in
metrics/ and a column of the reports.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hourglass.metrics.similarity import ms_ssim, ssim, ssim_gaussian, why_not_gaussian, why_not_multiscale
from hourglass.metrics.ssim import why_not

Images = NDArray[np.float32]
PerImage = NDArray[np.float64]

# A perfect reconstruction has no finite PSNR; at this squared error, a hundredth of a byte's step, PSNR ends at 88 dB.
SMALLEST_MSE = (0.01 / 255) ** 2


def mse(images: Images, reconstructions: Images) -> PerImage:
    """Return the mean squared error of each image."""
    difference = np.subtract(images, reconstructions, dtype=np.float64)
    return np.square(difference, out=difference).mean(axis=(1, 2, 3))


def mae(images: Images, reconstructions: Images) -> PerImage:
    """Return the mean absolute error of each image."""
    difference = np.subtract(images, reconstructions, dtype=np.float64)
    return np.abs(difference).mean(axis=(1, 2, 3))


def psnr_db(images: Images, reconstructions: Images) -> PerImage:
    """Return the peak signal-to-noise ratio of each image in dB: 10 log10(1 / mse), 88.1 at most."""
    return -10 * np.log10(np.maximum(mse(images, reconstructions), SMALLEST_MSE))


def always_fits(_image_shape: tuple[int, ...]) -> str:
    """Return the reason why images (C, H, W) cannot be scored: none, for a metric without a window."""
    return ""


@dataclass(frozen=True)
class Metric:
    """A score and how reports show it.

    Attributes:
        function: images and reconstructions (N, C, H, W) in [0, 1] -> the score of each image, (N,).
        label: its column's heading, with the unit.
        format: its format in a table.
        better: which values are better.
        compared: whether it has a panel in the picture of a group.
        column: whether it has a column in a group's table, which is 120 characters wide.
        tracked: whether it is in metrics/, whose differences between commits DVC shows.
        why_not: image shape (C, H, W) -> why such images cannot be scored, "" if they can.
    """

    function: Callable[[Images, Images], PerImage]
    label: str
    format: str
    better: Literal["lower", "higher"]
    compared: bool = False
    column: bool = True
    tracked: bool = True
    why_not: Callable[[tuple[int, ...]], str] = always_fits


METRICS = {
    "mse": Metric(mse, "MSE", ".5f", "lower", compared=True),
    "mae": Metric(mae, "MAE", ".4f", "lower", column=False),
    "psnr_db": Metric(psnr_db, "PSNR (dB)", ".2f", "higher"),
    "ssim": Metric(ssim, "SSIM", ".4f", "higher", compared=True, why_not=why_not),
    "ssim_gaussian": Metric(
        ssim_gaussian, "SSIM, Gaussian", ".4f", "higher", column=False, tracked=False, why_not=why_not_gaussian
    ),
    "ms_ssim": Metric(ms_ssim, "MS-SSIM", ".4f", "higher", column=False, tracked=False, why_not=why_not_multiscale),
}
