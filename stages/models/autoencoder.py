"""What every family has in common."""

from abc import ABC, abstractmethod
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

    def fit(self, images: NDArray[np.float32]) -> None:
        """Solve for the weights, from images (N, C, H, W) in [0, 1]."""


def scale(images: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """Turn bytes into float32 in [0, 1]: the one place where images are scaled, on whatever device they are."""
    return images.to(torch.float32, memory_format=memory_format).div_(255)


def make_activation(name: str, negative_slope: float = 0.01) -> nn.Module:
    """Make the layer "relu", "leaky_relu" (with that slope), "sigmoid" or "linear", which changes nothing."""
    # In place: what a dense or convolutional layer gave is needed by nothing else, and memory is what costs time.
    if name == "leaky_relu":
        return nn.LeakyReLU(negative_slope, inplace=True)
    if name == "relu":
        return nn.ReLU(inplace=True)
    return {"sigmoid": nn.Sigmoid, "linear": nn.Identity}[name]()
