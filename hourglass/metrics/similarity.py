"""Structural similarity of arrays (N, C, H, W) in [0, 1]: a value for each image, (N,), the mean over colors.

`ssim` is the published definition, scikit-image's default; `ssim_gaussian` that of the paper, and `ms_ssim` that at
five scales. `hourglass.metrics.ssim` has the constants, and what a network can be trained by.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hourglass.metrics.ssim import K1, K2, WINDOW, why_not

GAUSSIAN_WINDOW = 11  # pixels, the side of the window
SIGMA = 1.5  # pixels, its standard deviation
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. (2003), from full size to a sixteenth
BLOCK_VALUES = 1 << 16  # of images that are scored at once: what is computed of them stays in the processor's cache

Images = NDArray[np.float32]
Values = NDArray[np.float64]
Filter = Callable[[Values], Values]  # (n, H, W) -> local means, where the window lies inside: (n, h, w)


def ssim(images: Images, reconstructions: Images) -> Values:
    """Return the structural similarity of each image: 7x7 uniform window, sample covariance.

    Wang et al. (2004), Image quality assessment: from error visibility to structural similarity, with the defaults of
    scikit-image's `structural_similarity`.

    Raises:
        ValueError: If the images are smaller than the window.
    """
    _check(why_not(images.shape[1:]))
    sample = WINDOW**2 / (WINDOW**2 - 1)

    def of_block(x: Values, y: Values) -> Values:
        luminance, structure = _terms(x, y, _uniform, sample)
        return _mean(luminance * structure)

    return _by_blocks(of_block, images, reconstructions)


def ssim_gaussian(images: Images, reconstructions: Images) -> Values:
    """Return the structural similarity of each image as in Wang et al. (2004): 11x11 Gaussian window, sigma 1.5 pixels.

    The covariance is that of the population. scikit-image has the same with `gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False`.

    Raises:
        ValueError: If the images are smaller than the window.
    """
    _check(why_not_gaussian(images.shape[1:]))

    def of_block(x: Values, y: Values) -> Values:
        luminance, structure = _terms(x, y, _gaussian)
        return _mean(luminance * structure)

    return _by_blocks(of_block, images, reconstructions)


def ms_ssim(images: Images, reconstructions: Images) -> Values:
    """Return the multi-scale structural similarity of each image: five scales, each half the size of the one before.

    Wang, Simoncelli and Bovik (2003), Multiscale structural similarity for image quality assessment. An image is halved
    by the means of 2x2 pixels, without the last row or column of an odd size. A term below 0 counts as 0.

    Raises:
        ValueError: If the images are so small that the window does not fit the last scale.
    """
    _check(why_not_multiscale(images.shape[1:]))

    def of_block(x: Values, y: Values) -> Values:
        product = np.ones(len(x))
        for scale, weight in enumerate(SCALE_WEIGHTS):
            luminance, structure = _terms(x, y, _gaussian)
            last = scale == len(SCALE_WEIGHTS) - 1
            product *= np.maximum(_mean(luminance * structure if last else structure), 0) ** weight
            x, y = _halved(x), _halved(y)
        return product

    return _by_blocks(of_block, images, reconstructions)


def why_not_gaussian(image_shape: tuple[int, ...]) -> str:
    """Return the reason why images (C, H, W) have no SSIM with a Gaussian window, or "" if they have one."""
    return _too_small(image_shape, GAUSSIAN_WINDOW, "its window")


def why_not_multiscale(image_shape: tuple[int, ...]) -> str:
    """Return the reason why images (C, H, W) have no multi-scale SSIM, or "" if they have one."""
    return _too_small(image_shape, GAUSSIAN_WINDOW << (len(SCALE_WEIGHTS) - 1), f"{len(SCALE_WEIGHTS)} scales")


def _too_small(image_shape: tuple[int, ...], side: int, what: str) -> str:
    height, width = image_shape[-2:]
    return (
        "" if min(height, width) >= side else f"expected {side}x{side} pixels or more for {what}, got {height}x{width}"
    )


def _check(reason: str) -> None:
    if reason:
        raise ValueError(reason)


def _terms(x: Values, y: Values, local_mean: Filter, correction: float = 1) -> tuple[Values, Values]:
    """Return the luminance term and that of contrast and structure, of every window of (n, H, W)."""
    c1, c2 = K1**2, K2**2
    mean_x, mean_y = local_mean(x), local_mean(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = correction * (local_mean(x**2 + y**2) - squares)
    covariance = correction * (local_mean(x * y) - product)
    return (2 * product + c1) / (squares + c1), (2 * covariance + c2) / (variances + c2)


def _uniform(values: Values) -> Values:
    from scipy.ndimage import uniform_filter1d  # 0.2 seconds of the start of a stage that only names metrics

    edge = WINDOW // 2
    rows = uniform_filter1d(values, WINDOW, axis=-1)[..., edge:-edge]
    return uniform_filter1d(rows, WINDOW, axis=-2)[..., edge:-edge, :]


def _gaussian(values: Values) -> Values:
    from scipy.ndimage import correlate1d

    edge = GAUSSIAN_WINDOW // 2
    weights = np.exp(-(np.arange(-edge, edge + 1) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    rows = correlate1d(values, weights, axis=-1)[..., edge:-edge]
    return correlate1d(rows, weights, axis=-2)[..., edge:-edge, :]


def _halved(values: Values) -> Values:
    """Return the means of 2x2 pixels of (n, H, W)."""
    _, height, width = values.shape
    even = values[:, : height // 2 * 2, : width // 2 * 2]
    return (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4


def _mean(values: Values) -> Values:
    return values.mean(axis=(1, 2))


def _by_blocks(function: Callable[[Values, Values], Values], images: Images, reconstructions: Images) -> Values:
    """Apply a function of (n, H, W) to each color of each image, a block at a time; return the means over colors."""
    count, channels, height, width = images.shape
    step = max(1, BLOCK_VALUES // (height * width))
    planes = [values.reshape(-1, height, width) for values in (images, reconstructions)]
    blocks = [
        function(*(plane[start : start + step].astype(np.float64) for plane in planes))
        for start in range(0, count * channels, step)
    ]
    return np.concatenate(blocks).reshape(count, channels).mean(axis=1)
