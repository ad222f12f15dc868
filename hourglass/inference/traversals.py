"""Latents that are not those of an image, to show what a decoder makes of them."""

import torch
from torch import Tensor


def samples(count: int, latent_dim: int, seed: int = 0) -> Tensor:
    """Draw latents (count, latent_dim) from the standard normal distribution."""
    # On the CPU, so that every device decodes the same ones.
    return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(seed))


def variations(dimension: int, latent_dim: int, values: Tensor) -> Tensor:
    """Return latents (S, latent_dim) of zeros, but for one dimension that takes `values` (S,)."""
    latents = torch.zeros(len(values), latent_dim)
    latents[:, dimension] = values
    return latents


def interpolation(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Interpolate linearly between two latents (D,), both ends included: (steps, D)."""
    return torch.lerp(first, last, torch.linspace(0, 1, steps)[:, None])


def farthest(latents: Tensor) -> int:
    """Return the index of the latent, of (N, D), with the largest Euclidean distance from the first."""
    return int((latents - latents[0]).norm(dim=1).argmax())
