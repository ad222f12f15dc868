"""Score a network on images."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hourglass.console.progress import progress
from hourglass.data.prepared import Images, array_file
from hourglass.inference.batches import to_bytes
from hourglass.inference.reconstruct import reconstruct
from hourglass.metrics.scores import Scores, join, score
from hourglass.networks.base.autoencoder import Autoencoder


def rate(
    folder: Path, title: str, network: Autoencoder, images: Images, device: torch.device, prefix: str = ""
) -> Scores:
    """Write latents.npy and reconstructions.npy of uint8 images (N, C, H, W), and return the scores of each image.

    Args:
        folder: Where to.
        title: The name in the progress bar.
        network: On `device` and in evaluation mode.
        images: uint8 (N, C, H, W).
        device: Where to compute.
        prefix: What the names of both files start with.
    """
    scores = []
    with (
        array_file(folder / f"{prefix}latents.npy", "<f4", (len(images), network.latent_dim)) as latents,
        array_file(folder / f"{prefix}reconstructions.npy", "|u1", images.shape) as reconstructions,
        progress(len(images), title, "img") as bar,
    ):
        for originals, encoded, decoded in reconstruct(network, images, device):
            latents.write(encoded.cpu().numpy().astype("<f4").tobytes())
            reconstructions.write(to_bytes(decoded).tobytes())
            scores.append(score(originals.cpu().numpy(), decoded.cpu().numpy()))
            bar.update(len(originals))
    return join(scores)


def encode_and_score(network: Autoencoder, images: Images, device: torch.device) -> tuple[NDArray[np.float32], Scores]:
    """Return the latents (N, D) of uint8 images (N, C, H, W), and the scores of their reconstructions.

    The network has to be on `device` and in evaluation mode.
    """
    latents, scores = [], []
    for originals, encoded, decoded in reconstruct(network, images, device):
        latents.append(encoded.cpu().numpy())
        scores.append(score(originals.cpu().numpy(), decoded.cpu().numpy()))
    return np.concatenate(latents), join(scores)
