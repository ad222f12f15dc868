"""Errors of reconstructions. All functions take images (N, C, H, W) in [0, 1] and give a value per image, (N,)."""

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
PerImage = NDArray[np.float64]

# A perfect reconstruction has no finite PSNR; at this squared error, a hundredth of a byte's step, PSNR ends at 88 dB.
SMALLEST_MSE = (0.01 / 255) ** 2


def mse(images: Images, reconstructions: Images) -> PerImage:
    """Mean squared error of each image."""
    difference = np.subtract(images, reconstructions, dtype=np.float64)
    return np.square(difference).mean(axis=(1, 2, 3))


def mae(images: Images, reconstructions: Images) -> PerImage:
    """Mean absolute error of each image."""
    difference = np.subtract(images, reconstructions, dtype=np.float64)
    return np.abs(difference).mean(axis=(1, 2, 3))


def psnr_db(mse_per_image: PerImage) -> PerImage:
    """Peak signal-to-noise ratio of each image in dB, from its mean squared error: 10 log10(1 / mse)."""
    return -10 * np.log10(np.maximum(mse_per_image, SMALLEST_MSE))
