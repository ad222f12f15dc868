"""Latents that no image gave, to see what a decoder makes of them."""

import torch
from torch import Tensor


def samples(count: int, latent_dim: int, seed: int = 0) -> Tensor:
    """Draw latents (count, latent_dim) from the standard normal distribution."""
    # On the CPU, so that every device decodes the same ones.
    return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(seed))


def variations(dimension: int, latent_dim: int, values: Tensor) -> Tensor:
    """Give one dimension all `values` (S,), the others 0: (S, latent_dim)."""
    latents = torch.zeros(len(values), latent_dim)
    latents[:, dimension] = values
    return latents


def interpolation(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Go in a straight line from one latent (D,) to another: (steps, D), both ends included."""
    return torch.lerp(first, last, torch.linspace(0, 1, steps)[:, None])


def farthest(latents: Tensor) -> int:
    """Find, of latents (N, D), the one that lies farthest from the first."""
    return int((latents - latents[0]).norm(dim=1).argmax())
