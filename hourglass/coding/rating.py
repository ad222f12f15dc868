"""Score what a model's files give back: compression in reports is of bytes that exist."""

import numpy as np
import torch

from hourglass.coding.file import MAX_VALUES, ModelId, write
from hourglass.coding.fit import Coding, decoded_batches
from hourglass.coding.quantizer import Latents
from hourglass.data.prepared import Images
from hourglass.metrics.scores import join, mean, score
from hourglass.networks.base.autoencoder import Autoencoder

METRICS = ("psnr_db", "ssim")
UNNAMED = ModelId("", bytes(8))


def file_bytes(coding: Coding, latents: Latents) -> float:
    """Return the bytes of one file of all latents (N, D), divided by N: its header is shared, nothing else is."""
    return sum(len(write(part, coding.quantizer, coding.bits, UNNAMED)) for part in _parts(latents)) / len(latents)


def file_scores(
    network: Autoencoder, coding: Coding, latents: Latents, images: Images, device: torch.device
) -> dict[str, float]:
    """Return the mean PSNR and SSIM of images after their latents went through a file.

    Args:
        network: On `device` and in evaluation mode.
        coding: Of its latents.
        latents: (N, D), of the images.
        images: uint8 (N, C, H, W).
        device: Where to compute.
    """
    rounded = np.concatenate([coding.quantizer.quantize(part, coding.bits) for part in _parts(latents)])
    scores = [score(*pair) for pair in decoded_batches(network, rounded, images, device)]
    return {metric: value for metric, value in mean(join(scores)).items() if metric in METRICS}


def _parts(latents: Latents) -> list[Latents]:
    """Return latents in parts that one file can hold."""
    most = max(1, MAX_VALUES // latents.shape[1])
    return [latents[start : start + most] for start in range(0, len(latents), most)]
