"""What every family has in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

ImageShape = tuple[int, int, int]  # (C, H, W)


class Autoencoder(nn.Module, ABC):
    """Squeezes images into few numbers and gives them back.

        images (N, C, H, W) in [0, 1] -> encode -> latents (N, latent_dim) -> decode -> reconstructions (N, C, H, W)

    A family is a subclass in a file of its own; the trainer, the evaluation and the plots use nothing but this.
    """

    def __init__(self, image_shape: ImageShape, latent_dim: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.latent_dim = latent_dim

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct: (N, C, H, W) -> (N, C, H, W)."""
        return self.decode(self.encode(images))

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Give "loss", the scalar to minimise, and what else the history is to hold, means over the batch.

        Mean squared error unless a family has another.
        """
        return {"loss": functional.mse_loss(self(images).float(), images)}


@runtime_checkable
class Solvable(Protocol):
    """A family that has a closed form is solved, not trained."""

    def fit(self, batches: Iterable[NDArray[np.float32]]) -> None:
        """Solve for the weights, from batches of images (N, C, H, W) in [0, 1]."""


@runtime_checkable
class TrainsOnParts(Protocol):
    """A family whose losses are of parts of images."""

    def examples(self, images: Tensor) -> Tensor:
        """Cut images (N, C, H, W), of any type, into the parts (M, C, h, w) that it trains on."""


@runtime_checkable
class Generative(Protocol):
    """A family whose latents of images lie close to the standard normal distribution, so that one can draw from it."""

    def divergences(self, images: Tensor) -> Tensor:
        """Give, for images (N, C, H, W), how far each dimension is from that distribution, in nats: (N, latent_dim)."""


def scale(images: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """Turn bytes into float32 in [0, 1]: the one place where images are scaled, on whatever device they are."""
    return images.to(torch.float32, memory_format=memory_format).div_(255)
