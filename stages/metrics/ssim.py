"""Structural similarity, as the published figures have it: scikit-image's with its defaults."""

import numpy as np
from skimage.metrics import structural_similarity

from stages.common.errors import UserError
from stages.metrics.quality import Images, PerImage

WINDOW = 7  # pixels, the side of scikit-image's default window


def ssim(images: Images, reconstructions: Images) -> PerImage:
    """SSIM (Wang et al., 2004) of each image (N, C, H, W) in [0, 1]: 7x7 uniform window, sample covariance."""
    reason = why_not(images.shape[1:])
    if reason:
        raise UserError(f"ssim: {reason}")
    return np.array(
        [
            structural_similarity(image, reconstruction, data_range=1, channel_axis=0)
            for image, reconstruction in zip(images, reconstructions, strict=True)
        ]
    )


def why_not(image_shape: tuple[int, ...]) -> str:
    """Say why images (C, H, W) have no SSIM; "" if they have."""
    height, width = image_shape[-2:]
    if min(height, width) >= WINDOW:
        return ""
    return f"expected images of at least {WINDOW}x{WINDOW} for its window, got {height}x{width}"
