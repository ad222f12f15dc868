"""What every family has in common, and what some families can do besides."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from hourglass.networks.base.linear_path import LinearPath
from hourglass.networks.base.losses import MSE, check_losses, weighted_losses
from hourglass.networks.base.tiling import ImageBatches, ImageShape

__all__ = ["Autoencoder", "Generative", "ImageBatches", "ImageShape", "Solvable", "scale"]


class Autoencoder(nn.Module, ABC):
    """Base class of all families: compresses an image to `latent_dim` numbers and reconstructs it from them.

        images (N, C, H, W) in [0, 1] -> encode -> latents (N, latent_dim) -> decode -> reconstructions (N, C, H, W)

    A family is a subclass in a file of its own, and the keyword-only arguments of its constructor are the section
    `network` of params.yaml. Training, evaluation and figures use nothing but the methods that stand here.

    Attributes:
        linear: PCA beside the network, solved before the training; None for a network on its own.
        cuts: Whether `losses` takes parts of images, as `examples` cuts them, in place of images.
        crop_multiple: `losses` takes crops of images too whose sides are multiples of this; None if it does not.

    Raises:
        ValueError: If the latent has more numbers than an image, or a loss is not defined for its size.
    """

    cuts: bool = False
    crop_multiple: int | None = None

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: int,
        loss: Mapping[str, float] = MSE,
        linear: LinearPath | None = None,
    ) -> None:
        super().__init__()
        values = math.prod(image_shape)
        if latent_dim > values:
            raise ValueError(f"expected a latent of at most {values} numbers, the values of an image, got {latent_dim}")
        check_losses(loss, image_shape)
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.loss = loss
        self.linear = linear

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
        """Return "loss", the scalar to minimize, and what else the history records, each a mean over the batch.

        Unless a family overrides it: the weighted sum of the reconstruction losses that `loss` names, and its terms.
        """
        return weighted_losses(self.loss, images, self.bounded(self(images).float()))

    def bounded(self, reconstructions: Tensor) -> Tensor:
        """Clip the reconstructions of a linear path to [0, 1] as scores do, in evaluation mode.

        Otherwise a validation loss would not be what `evaluate` computes of the same network.
        """
        return reconstructions if self.linear is None or self.training else reconstructions.clamp(0, 1)

    def examples(self, images: Tensor) -> Tensor:
        """Return what `losses` takes, of images (N, C, H, W) of any dtype: those, unless a family cuts them."""
        return images


@runtime_checkable
class Solvable(Protocol):
    """A family with a closed form: it is solved, not trained, and takes no recipe."""

    def fit(self, batches: ImageBatches) -> str:
        """Solve for the weights from batches of images (N, C, H, W) in [0, 1], and return the name of the solver.

        The batches may be iterated several times.
        """


@runtime_checkable
class Generative(Protocol):
    """A family whose latents follow the standard normal distribution closely enough to decode samples of it."""

    def divergences(self, images: Tensor) -> Tensor:
        """Return the KL divergence of each latent dimension from that distribution, in nats.

        (N, C, H, W) -> (N, latent_dim).
        """


def scale(images: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """Convert uint8 images to float32 in [0, 1], on their device: the only place where images are scaled."""
    return images.to(torch.float32, memory_format=memory_format).div_(255)
