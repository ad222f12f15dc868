"""Score what a model's files give back: compression in reports is of bytes that exist."""

import numpy as np
import pandas as pd
import torch

from hourglass.arrays.spread import CODED, spread, spread_out
from hourglass.coding.file import MAX_VALUES, ModelId, read, write
from hourglass.coding.fit import decoded_batches
from hourglass.coding.quantizer import MIN_BITS, Latents, Quantizer
from hourglass.data.prepared import Images
from hourglass.metrics.scores import join, mean, score
from hourglass.networks.base.autoencoder import Autoencoder

METRICS = ("psnr_db", "ssim")
UNNAMED = ModelId("", bytes(8))


def file_scores(
    network: Autoencoder, quantizer: Quantizer, bits: int, latents: Latents, images: Images, device: torch.device
) -> dict[str, float]:
    """Return the bytes of an image, and mean PSNR and SSIM after the latents went through a file.

    The bytes are those of one file of all images, divided by their number: its header is shared, nothing else is.

    Args:
        network: On `device` and in evaluation mode.
        quantizer: Of its latents.
        bits: Of each number.
        latents: (N, D), of the images.
        images: uint8 (N, C, H, W).
        device: Where to compute.
    """
    most = max(1, MAX_VALUES // latents.shape[1])
    parts = [latents[start : start + most] for start in range(0, len(latents), most)]
    files = [write(part, quantizer, bits, UNNAMED) for part in parts]
    stored = [read(data, quantizer, latents.shape[1], UNNAMED, "the file").latents for data in files]
    decoded = decoded_batches(network, np.concatenate(stored), images, device)
    means = mean(join([score(*pair, only=METRICS) for pair in decoded]))
    return {"bytes": sum(map(len, files)) / len(latents)} | means


def rate_curve(
    network: Autoencoder, quantizer: Quantizer, most: int, latents: Latents, images: Images, device: torch.device
) -> pd.DataFrame:
    """Return the rate and the distortion of the files of a model: a row for each number of bits up to `most`.

    Columns: bits, and what `file_scores` returns, of at most 256 of the uint8 images (N, C, H, W) with `latents`
    (N, D): of the same images as image codecs are measured on.
    """
    few, chosen = spread_out(images, CODED), spread(len(images), CODED)
    settings = range(MIN_BITS, most + 1)
    rows = [file_scores(network, quantizer, bits, latents[chosen], few, device) for bits in settings]
    return pd.DataFrame(rows, index=pd.Index(settings, name="bits")).reset_index()
