"""Reconstruction losses, and their weighted sum.

A loss is a function of images and reconstructions, (N, C, H, W) each, that returns a scalar to minimize, 0 for perfect
reconstructions. It raises ValueError for images that it is not defined for. LOSSES names it in params.yaml.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from hourglass.config.keywords import Weights
from hourglass.metrics.ssim import mean_ssim

ROUNDING = (1 / 255) ** 2 / 12  # the mean squared error of an image that is rounded to bytes


def mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return the mean squared error over all pixels."""
    return functional.mse_loss(reconstructions, images)


def ssim(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return 1 - SSIM, the mean over all images."""
    return 1 - mean_ssim(images, reconstructions)


def log_mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Return ln(1 + MSE / that of rounding to bytes), the mean over all images.

    Well above rounding it falls by 0.23 where PSNR rises by 1 dB, in an image that is nearly perfect as in the worst.
    """
    errors = (reconstructions - images).square().flatten(1).mean(dim=1)
    return torch.log1p(errors / ROUNDING).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse, "ssim": ssim, "log_mse": log_mse}

LossWeights = Annotated[Mapping[str, float], Weights(LOSSES)]  # a loss's name -> its weight in the sum
MSE: Mapping[str, float] = {"mse": 1.0}


def weighted_losses(weights: Mapping[str, float], images: Tensor, reconstructions: Tensor) -> dict[str, Tensor]:
    """Return "loss", the weighted sum, and each loss by its name if there are several.

    The sum is in the order of LOSSES, so that its bits do not depend on the order of `weights`.
    """
    losses = {name: loss(images, reconstructions) for name, loss in LOSSES.items() if name in weights}
    terms = (loss if weights[name] == 1 else weights[name] * loss for name, loss in losses.items())
    total = {"loss": reduce(torch.add, terms)}
    return total | losses if len(losses) > 1 else total


def check_losses(weights: Mapping[str, float], image_shape: tuple[int, ...]) -> None:
    """Raise ValueError if a loss is not defined for images (C, H, W)."""
    no_images = torch.zeros(0, *image_shape, device="cpu")  # also where a network is built without memory, on "meta"
    for name in weights:
        try:
            LOSSES[name](no_images, no_images)
        except ValueError as error:
            raise ValueError(f"loss '{name}': {error}") from None
