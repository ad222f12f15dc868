"""Batches of images of bounded memory, and the way back from images to bytes."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hourglass.data.prepared import Bytes, Images
from hourglass.networks.base.autoencoder import scale

BATCH_VALUES = 1 << 22  # floats in a batch of images: 16 MiB, and a hundred times that inside a wide network


def batches(images: Images, device: torch.device) -> Iterator[Tensor]:
    """Yield uint8 images (N, C, H, W) as float32 in [0, 1] on `device`, in batches of bounded memory."""
    step = batch_size(images.shape[1:])
    for start in range(0, len(images), step):
        yield scale(torch.from_numpy(np.array(images[start : start + step])).to(device))


class Arrays:
    """Images (N, C, H, W) as `batches` yields them, but as arrays, and as often as they are asked for."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (batch.numpy() for batch in batches(self.images, torch.device("cpu")))


def batch_size(image_shape: Sequence[int]) -> int:
    """Return the number of images (C, H, W) in a batch of bounded memory."""
    return max(1, BATCH_VALUES // math.prod(image_shape))


def to_bytes(images: Tensor) -> Bytes:
    """Convert images in [0, 1] to uint8, on the CPU."""
    return images.mul(255).round().byte().cpu().numpy()
