"""Score a network on images."""

from pathlib import Path

import torch

from hourglass.console.progress import progress
from hourglass.data.prepared import Images, array_file
from hourglass.inference.batches import to_bytes
from hourglass.inference.reconstruct import reconstruct
from hourglass.metrics.scores import Scores, join, mean, score
from hourglass.networks.base.autoencoder import Autoencoder


def rate(folder: Path, title: str, network: Autoencoder, images: Images, device: torch.device) -> Scores:
    """Write latents.npy and reconstructions.npy of uint8 images (N, C, H, W), and return the scores of each image.

    The network has to be on `device` and in evaluation mode; `title` is the name in the progress bar.
    """
    scores = []
    with (
        array_file(folder / "latents.npy", "<f4", (len(images), network.latent_dim)) as latents,
        array_file(folder / "reconstructions.npy", "|u1", images.shape) as reconstructions,
        progress(len(images), title, "img") as bar,
    ):
        for originals, encoded, decoded in reconstruct(network, images, device):
            latents.write(encoded.cpu().numpy().astype("<f4").tobytes())
            reconstructions.write(to_bytes(decoded).tobytes())
            scores.append(score(originals.cpu().numpy(), decoded.cpu().numpy()))
            bar.update(len(originals))
    return join(scores)


def mean_scores(network: Autoencoder, images: Images, device: torch.device) -> dict[str, float]:
    """Return the mean of every metric over the reconstructions of uint8 images (N, C, H, W).

    The network has to be on `device` and in evaluation mode.
    """
    batches = (
        score(originals.cpu().numpy(), decoded.cpu().numpy())
        for originals, _, decoded in reconstruct(network, images, device)
    )
    return mean(join(list(batches)))
