"""Score a network on images."""

import torch

from hourglass.data.prepared import Images
from hourglass.inference.reconstruct import reconstruct
from hourglass.metrics.scores import join, mean, score
from hourglass.networks.base.autoencoder import Autoencoder


def mean_scores(network: Autoencoder, images: Images, device: torch.device) -> dict[str, float]:
    """Return the mean of every metric over the reconstructions of uint8 images (N, C, H, W).

    The network has to be on `device` and in evaluation mode.
    """
    batches = (
        score(originals.cpu().numpy(), decoded.cpu().numpy())
        for originals, _, decoded in reconstruct(network, images, device)
    )
    return mean(join(list(batches)))
