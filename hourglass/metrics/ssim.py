"""Structural similarity (SSIM): the one definition that losses and scores share.

Wang et al. (2004), Image quality assessment: from error visibility to structural similarity, with scikit-image's
defaults, which published figures are computed with: a 7x7 uniform window, sample covariance, images in [0, 1].
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # scores of arrays need the constants, and not the second that torch takes to import
    from torch import Tensor

WINDOW = 7  # pixels, the side of the window
K1, K2 = 0.01, 0.03  # of the constants (K * data range)^2 that keep both fractions finite


def why_not(image_shape: tuple[int, ...]) -> str:
    """Return the reason why images (C, H, W) have no SSIM, or "" if they have one."""
    height, width = image_shape[-2:]
    if min(height, width) >= WINDOW:
        return ""
    return f"expected images of at least {WINDOW}x{WINDOW} for its window, got {height}x{width}"


def mean_ssim(images: "Tensor", reconstructions: "Tensor") -> "Tensor":
    """Return the mean SSIM of images (N, C, H, W) in [0, 1], a scalar that can be differentiated.

    Raises:
        ValueError: If the images are smaller than the window.
    """
    reason = why_not(images.shape[1:])
    if reason:
        raise ValueError(reason)
    x, y = images, reconstructions
    c1, c2 = K1**2, K2**2
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    sample = WINDOW**2 / (WINDOW**2 - 1)
    variance_x = sample * (_local_mean(x * x) - mean_x * mean_x)
    variance_y = sample * (_local_mean(y * y) - mean_y * mean_y)
    covariance = sample * (_local_mean(x * y) - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).mean()


def _local_mean(values: "Tensor") -> "Tensor":
    from torch.nn import functional

    return functional.avg_pool2d(values, WINDOW, stride=1)
