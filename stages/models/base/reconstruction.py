"""Run images through a model, batch by batch."""

from collections.abc import Iterator

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
    for rows in batch_slices(images):
        originals = scale(torch.from_numpy(np.array(images[rows])).to(device))
        latents = model.encode(originals)
        yield originals, latents, model.decode(latents).clamp(0, 1)


def batch_slices(images: NDArray[np.uint8]) -> Iterator[slice]:
    """Cut N images into batches of bounded memory."""
    step = max(1, BATCH_VALUES // int(np.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        yield slice(start, min(start + step, len(images)))


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Turn images in [0, 1] into bytes, on the CPU."""
    return images.mul(255).round().byte().cpu().numpy()
