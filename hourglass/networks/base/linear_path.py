"""PCA beside a network, which learns what PCA leaves."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from hourglass.config.types import Activation
from hourglass.networks.base.principal import solve
from hourglass.networks.base.tiling import ImageBatches, ImageShape, Parts

SMALLEST = (
    1e-6  # of deviations in images in [0, 1], below which float32 has no digits left: what divides is not smaller
)
Linear = Literal["pca"]
Half = Callable[[Tensor], Tensor]  # an encoder or a decoder
Layer = TypeVar("Layer", bound=nn.Linear | nn.Conv2d | nn.ConvTranspose2d)


class LinearPath(nn.Module):
    """Principal components beside an encoder f and a decoder g, in the units of what the components leave.

        z = (x - mean) components^T / deviations + residual / deviations * f((x - mean) / spread)
        x' = (z * deviations) components + mean + residual * g(z)

    The components are those of the training images, or of their tiles, solved before the training; `deviations` are the
    standard deviations along them, so that the latents have variance 1; `residual` is the root mean square of what they
    leave, and `spread` that of x - mean. Where the last layers of f and g start at zero, the training starts at PCA,
    and what is learned is what is not linear. Nothing limits x' to [0, 1].

    Args:
        shape: (C, h, w) of an image, or of a tile.
        directions: Components, the numbers in a latent: D.
        trained: Whether the components themselves learn too, from those of PCA on.
    """

    mean: Tensor
    components: Tensor
    deviations: Tensor
    residual: Tensor
    spread: Tensor

    def __init__(self, shape: ImageShape, directions: int, trained: bool = False) -> None:
        super().__init__()
        pixels = math.prod(shape)
        self.shape = shape
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("components", torch.zeros(directions, pixels))
        self.register_buffer("deviations", torch.ones(directions))
        self.register_buffer("residual", torch.ones(()))
        self.register_buffer("spread", torch.ones(()))
        self.into = zeroed(nn.Linear(pixels, directions, bias=False)) if trained else None
        self.out_of = zeroed(nn.Linear(directions, pixels, bias=False)) if trained else None

    def fit(self, batches: ImageBatches, tiled: bool) -> str:
        """Solve for the components of images (N, C, H, W), or of their tiles; return the solver that was used.

        Raises:
            UserError: If there are fewer images, or tiles, than components.
        """
        parts = Parts(batches, self.shape[1:] if tiled else None)
        directions, pixels = self.components.shape
        solution = solve(parts, directions, pixels, tiled)
        self.mean.copy_(torch.from_numpy(solution.mean))
        self.components.copy_(torch.from_numpy(solution.components))
        mean, components = self.mean.cpu().numpy(), self.components.cpu().numpy().astype(np.float64)
        count, total, kept = 0, 0.0, np.zeros(directions)
        for batch in parts:
            centered = (batch - mean).astype(np.float64)
            count, total = count + len(batch), total + float(np.square(centered).sum())
            kept += np.square(centered @ components.T).sum(axis=0)
        self.deviations.copy_(torch.from_numpy(np.sqrt(kept / count)).clamp(min=SMALLEST))
        self.residual.fill_(math.sqrt(max(total - kept.sum(), 0) / (count * pixels)))
        self.spread.fill_(max(math.sqrt(total / (count * pixels)), SMALLEST))
        return solution.solver

    def encode(self, values: Tensor, encoder: Half) -> Tensor:
        """(N, C, h, w) -> (N, D), with what `encoder` makes of the normalized values, of the same shapes."""
        normalized = self.normalize(values)
        return self.project(values) + self.share * self.learned(normalized, encoder(normalized))

    def decode(self, latents: Tensor, decoder: Half) -> Tensor:
        """(N, D) -> (N, C, h, w), with what `decoder` makes of the latents, of the same shapes."""
        with _float32(latents.device):
            linear = (latents.float() * self.deviations) @ self.components + self.mean
        learned = decoder(latents).float().reshape(linear.shape)
        if self.out_of is not None:
            learned = learned + self.out_of(latents)
        return (linear + self.residual * learned).view(-1, *self.shape)

    def project(self, values: Tensor) -> Tensor:
        """(N, C, h, w) -> the components of PCA, whitened: (N, D)."""
        with _float32(values.device):
            return (values.float().flatten(1) - self.mean) @ self.components.T / self.deviations

    def normalize(self, values: Tensor) -> Tensor:
        """(N, C, h, w) -> (values - mean) / spread, what the encoder takes: (N, C, h, w)."""
        return ((values.float().flatten(1) - self.mean) / self.spread).view(values.shape)

    def learned(self, normalized: Tensor, encoded: Tensor) -> Tensor:
        """Add to what an encoder made of normalized values what components that learn make of them: (N, D)."""
        return encoded.float() if self.into is None else encoded.float() + self.into(normalized.flatten(1))

    @property
    def share(self) -> Tensor:
        """What the components leave, of the deviation along each of them: (D,)."""
        return self.residual / self.deviations


def _float32(device: torch.device) -> AbstractContextManager[object]:
    """Keep autocast away: in bfloat16 the components would lose more than a network can gain."""
    if not torch.amp.is_autocast_available(device.type):  # as on "meta", where shapes are checked
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def linear_path(linear: Linear | None, trained: bool, shape: ImageShape, directions: int) -> LinearPath | None:
    """Make the linear path that the keywords `linear` and `train_linear` ask for, beside a network of (C, h, w).

    Raises:
        ValueError: If a path is to be trained that is not there.
    """
    if linear is not None:
        return LinearPath(shape, directions, trained)
    if trained:
        raise ValueError("'train_linear' is of a linear path: expected `linear: pca`")
    return None


def last_activation(given: Activation | None, linear: Linear | None) -> Activation:
    """Return what follows the decoder's last layer: a sigmoid unless given, and nothing beside a linear path.

    Raises:
        ValueError: If it would limit what a network adds to a linear path.
    """
    if linear is None:
        return given or "sigmoid"
    if given not in (None, "linear"):
        raise ValueError(f"'output_activation' is linear beside a linear path, got {given}: leave it out")
    return "linear"


def check_latent(latent_activation: Activation, linear: Linear | None) -> None:
    """Raise ValueError if an activation would follow the latent of a network that is added to a linear path."""
    if linear is not None and latent_activation != "linear":
        raise ValueError(f"'latent_activation' is linear beside a linear path, got {latent_activation}: leave it out")


def zeroed(layer: Layer) -> Layer:
    """Initialize a layer in place with zeros, and return it: what it is the last layer of starts as nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def zero_last(layers: nn.Sequential) -> nn.Sequential:
    """Initialize the last layer with weights in place with zeros, and return all layers."""
    last = [layer for layer in layers if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)][-1]
    zeroed(last)
    return layers
