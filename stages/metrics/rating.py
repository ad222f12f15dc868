"""Rate a model on images."""

import numpy as np
import torch
from numpy.typing import NDArray

from stages.metrics.scores import join, mean, score
from stages.models.base.autoencoder import Autoencoder
from stages.models.base.reconstruction import reconstruct


def mean_scores(model: Autoencoder, images: NDArray[np.uint8], device: torch.device) -> dict[str, float]:
    """Average every metric over the reconstructions of bytes (N, C, H, W); the model is on `device`, to evaluate."""
    batches = (
        score(originals.cpu().numpy(), decoded.cpu().numpy())
        for originals, _, decoded in reconstruct(model, images, device)
    )
    return mean(join(list(batches)))
