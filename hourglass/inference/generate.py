"""What the decoder of a generative family makes of latents that come from no image, each uint8.

samples.npy           (S, C, H, W), of latents drawn from the prior
variations.npy        (D, S, C, H, W), one dimension at a time, the one with the largest divergence from the prior first
variations.json       dimensions and kl_nats, their mean KL divergence in nats, in that order; values, of each column
interpolation.npy     (S, C, H, W), between the first test image and the one whose latent lies farthest from its
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hourglass.console.errors import UserError
from hourglass.data.prepared import Bytes, Images, array_file
from hourglass.files import rounded, write_json
from hourglass.inference.batches import batches, to_bytes
from hourglass.inference.traversals import farthest, interpolation, samples, variations
from hourglass.networks.base.autoencoder import Autoencoder, Generative

SAMPLES, STEPS = 10, 11  # images drawn from the prior, and in a row from one end to the other
ROWS = 40  # dimensions that are varied, at most
REACH = 3.0  # standard deviations of the prior, to both sides


@torch.no_grad()
def generate(folder: Path, network: Autoencoder, images: Images, latents: Tensor, device: torch.device) -> None:
    """Write the files above; `latents` (N, D) are those of the images (N, C, H, W)."""

    def decode(chosen: Tensor) -> Bytes:
        return to_bytes(network.decode(chosen.to(device)).clamp(0, 1))

    kl = mean_divergences(network, images, device)
    order = kl.argsort(descending=True, stable=True)[:ROWS].tolist()
    values = torch.from_numpy(np.linspace(-REACH, REACH, STEPS)).float()  # by torch, the middle would not be 0
    np.save(folder / "samples.npy", decode(samples(SAMPLES, network.latent_dim)))
    with array_file(folder / "variations.npy", "|u1", (len(order), STEPS, *network.image_shape)) as varied:
        for dimension in order:
            varied.write(decode(variations(dimension, network.latent_dim, values)).tobytes())
    described = {"dimensions": order, "kl_nats": [rounded(kl[dimension].item()) for dimension in order]}
    write_json(folder / "variations.json", described | {"values": [rounded(value) for value in values.tolist()]})
    np.save(folder / "interpolation.npy", decode(interpolation(latents[0], latents[farthest(latents)], STEPS)))


def mean_divergences(network: Autoencoder, images: Images, device: torch.device) -> Tensor:
    """Return the KL divergence of each latent dimension from the prior in nats, the mean over the images: (D,)."""
    assert isinstance(network, Generative)
    kl = torch.cat([network.divergences(batch).double().cpu() for batch in batches(images, device)]).mean(dim=0)
    if not kl.isfinite().all():
        raise UserError(
            f"expected finite KL divergences of the test images, got {kl.max()}: lower `learning_rate`, and train again"
        )
    return kl
