"""Score what a model's files give back: compression in reports is of bytes that exist."""

import numpy as np
import torch

from hourglass.coding.file import MAX_VALUES, ModelId, read, write
from hourglass.coding.fit import Coding, decoded_batches
from hourglass.coding.quantizer import Latents
from hourglass.data.prepared import Images
from hourglass.metrics.scores import join, mean, score
from hourglass.networks.base.autoencoder import Autoencoder

METRICS = ("psnr_db", "ssim")
UNNAMED = ModelId("", bytes(8))


def file_scores(
    network: Autoencoder, coding: Coding, latents: Latents, images: Images, device: torch.device
) -> dict[str, float]:
    """Return the bytes of an image, and mean PSNR and SSIM after the latents went through a file.

    The bytes are those of one file of all images, divided by their number: its header is shared, nothing else is.

    Args:
        network: On `device` and in evaluation mode.
        coding: Of its latents.
        latents: (N, D), of the images.
        images: uint8 (N, C, H, W).
        device: Where to compute.
    """
    most = max(1, MAX_VALUES // latents.shape[1])
    parts = [latents[start : start + most] for start in range(0, len(latents), most)]
    files = [write(part, coding.quantizer, coding.bits, UNNAMED) for part in parts]
    stored = [read(data, coding.quantizer, latents.shape[1], UNNAMED, "the file").latents for data in files]
    scores = [score(*pair) for pair in decoded_batches(network, np.concatenate(stored), images, device)]
    means = {metric: value for metric, value in mean(join(scores)).items() if metric in METRICS}
    return {"bytes": sum(map(len, files)) / len(latents)} | means
