"""Run images through a model, batch by batch."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.models.base.autoencoder import Autoencoder, scale

BATCH_VALUES = 1 << 22  # floats in a batch of images: 16 MiB, and a hundred times that inside a wide network


@torch.no_grad()
def reconstruct(
    model: Autoencoder, images: NDArray[np.uint8], device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Give originals, latents and reconstructions of bytes (N, C, H, W), in batches of bounded memory.

    What a family gives outside [0, 1] is no image, and is clipped for all alike.
    """
    for originals in batches(images, device):
        latents = model.encode(originals)
        yield originals, latents, model.decode(latents).clamp(0, 1)


def batches(images: NDArray[np.uint8], device: torch.device) -> Iterator[Tensor]:
    """Scale bytes (N, C, H, W) to [0, 1], in batches of bounded memory."""
    step = batch_size(images.shape[1:])
    for start in range(0, len(images), step):
        yield scale(torch.from_numpy(np.array(images[start : start + step])).to(device))


def batch_size(image_shape: Sequence[int]) -> int:
    """Count the images (C, H, W) that go through a model at once."""
    return max(1, BATCH_VALUES // math.prod(image_shape))


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Turn images in [0, 1] into bytes, on the CPU."""
    return images.mul(255).round().byte().cpu().numpy()
