"""Encode and decode images, batch by batch."""

from collections.abc import Iterator

import torch
from torch import Tensor

from hourglass.console.errors import UserError
from hourglass.data.prepared import Images
from hourglass.inference.batches import batches
from hourglass.networks.base.autoencoder import Autoencoder


@torch.no_grad()
def reconstruct(network: Autoencoder, images: Images, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield batches of originals, latents and reconstructions of uint8 images (N, C, H, W).

    Originals and reconstructions are in [0, 1]: values that a decoder returns outside are clipped.

    Raises:
        UserError: A latent or a reconstruction is not finite, as of a network whose training has diverged.
    """
    for originals in batches(images, device):
        latents = network.encode(originals)
        reconstructions = network.decode(latents).clamp(0, 1)
        for what, values in (("latents", latents), ("reconstructions", reconstructions)):
            if not values.isfinite().all():
                raise UserError(f"expected finite {what}, got others: lower `learning_rate`, and train again")
        yield originals, latents, reconstructions
