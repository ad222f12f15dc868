"""Score what a model's files give back: compression in reports is of bytes that exist."""

import numpy as np
import torch

from hourglass.coding.file import MAX_VALUES, ModelId, write
from hourglass.coding.fit import Coding
from hourglass.coding.quantizer import Latents
from hourglass.data.prepared import Images
from hourglass.inference.batches import batch_size, batches
from hourglass.metrics.scores import join, mean, score
from hourglass.networks.base.autoencoder import Autoencoder

METRICS = ("psnr_db", "ssim")
PREFIX = "file_"  # of the scores, to tell them from those of latents as the encoder returns them
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
    size = sum(len(write(part, coding.quantizer, coding.bits, UNNAMED)) for part in parts)
    step, scores = batch_size(images.shape[1:]), []
    with torch.no_grad():
        for index, originals in enumerate(batches(images, torch.device("cpu"))):
            part = np.asarray(latents[index * step : (index + 1) * step])
            stored = coding.quantizer.quantize(part, coding.bits)
            decoded = network.decode(torch.from_numpy(stored).to(device)).clamp(0, 1)
            scores.append(score(originals.numpy(), decoded.cpu().numpy()))
    means = {PREFIX + metric: value for metric, value in mean(join(scores)).items() if metric in METRICS}
    return {PREFIX + "bytes": size / len(latents)} | means
