"""Fit how the latents of a model are coded, once it is trained."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hourglass.arrays.spread import spread_out
from hourglass.coding.quantizer import MAX_BITS, MIN_BITS, Latents, Quantizer, Values
from hourglass.data.prepared import Images
from hourglass.inference.batches import batches
from hourglass.metrics.quality import psnr_db
from hourglass.networks.base.autoencoder import Autoencoder

SAMPLE = 8192  # training images whose latents the distributions are fitted to, at most
PROBES = 64  # images whose reconstructions tell how much each number matters, at most
VALIDATION = 256  # images on which the bits are chosen, at most
LOSS_DB = 0.1


@dataclass(frozen=True)
class Coding:
    """How latents become bytes: a quantizer, and the bits of each number unless others are asked for."""

    quantizer: Quantizer
    bits: int


def fit_coding(network: Autoencoder, train: Images, val: Images, device: torch.device) -> Coding:
    """Fit steps and distributions to training images, and choose the bits by validation images, uint8 (N, C, H, W)."""
    quantizer = fit_quantizer(network, train, device)
    return Coding(quantizer, choose_bits(network, quantizer, val, device))


def fit_quantizer(network: Autoencoder, train: Images, device: torch.device) -> Quantizer:
    """Fit steps and tables to the latents of training images, uint8 (N, C, H, W)."""
    # All tiles share them, as they share a network.
    rows = getattr(network, "tile_latent_dim", None) or network.latent_dim
    chosen = spread_out(train, SAMPLE)
    latents = encode_images(network, chosen, device)
    return Quantizer.fit(latents, sensitivity(network, spread_out(chosen, PROBES), rows))


def choose_bits(network: Autoencoder, quantizer: Quantizer, val: Images, device: torch.device) -> int:
    """Return the fewest bits with which the mean PSNR of validation images is at most 0.1 dB below that of float32."""
    chosen = spread_out(val, VALIDATION)
    latents = encode_images(network, chosen, device)
    wanted = mean_psnr(network, latents, chosen, device) - LOSS_DB
    low, high = MIN_BITS, MAX_BITS  # the answer is among them
    while low < high:
        middle = (low + high) // 2
        if mean_psnr(network, quantizer.quantize(latents, middle), chosen, device) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


@torch.no_grad()
def encode_images(network: Autoencoder, images: Images, device: torch.device) -> Latents:
    """Return the latents (N, D) of uint8 images (N, C, H, W)."""
    return torch.cat([network.encode(batch).cpu() for batch in batches(images, device)]).numpy()


@torch.no_grad()
def decoded_batches(
    network: Autoencoder, latents: Latents, images: Images, device: torch.device
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield batches of originals and of what their latents (N, D) are decoded to, in [0, 1], of uint8 (N, C, H, W)."""
    start = 0
    for originals in batches(images, torch.device("cpu")):
        part = torch.from_numpy(latents[start : start + len(originals)]).to(device)
        yield originals.numpy(), network.decode(part).clamp(0, 1).cpu().numpy()
        start += len(originals)


def mean_psnr(network: Autoencoder, latents: Latents, images: Images, device: torch.device) -> float:
    """Return the mean PSNR in dB of what latents (N, D) are decoded to against uint8 images (N, C, H, W)."""
    sums = [psnr_db(*pair).sum() for pair in decoded_batches(network, latents, images, device)]
    return float(sum(sums)) / len(images)


def sensitivity(network: Autoencoder, images: Images, rows: int) -> Values:
    """Return by how much the reconstruction moves when one number of the latent moves by 1: (rows,).

    The root of the mean, over uint8 images (N, C, H, W) and over the numbers that share a row, of the squared length of
    the decoder's derivative. The length is estimated by one random projection of the reconstruction an image
    (Hutchinson, 1990), on the CPU: elsewhere not every operation has a derivative with the same bits each time.
    """
    decoder = copy.deepcopy(network).cpu()
    generator = torch.Generator().manual_seed(0)
    squares = torch.zeros(network.latent_dim, dtype=torch.float64)
    for originals in batches(images, torch.device("cpu")):
        for image in originals.split(max(1, len(originals) // 8)):
            squares += _projected(decoder, image, generator).double().square().sum(dim=0)
    lengths: Tensor = (squares / len(images)).reshape(-1, rows).mean(dim=0).sqrt()
    return lengths.numpy()


def _projected(network: Autoencoder, images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the derivative by each latent of a random projection of its reconstruction: (N, D)."""
    with torch.no_grad():
        latents = network.encode(images)
    latents.requires_grad_()
    signs = torch.randint(0, 2, images.shape, generator=generator) * 2.0 - 1
    (derivative,) = torch.autograd.grad((network.decode(latents) * signs).sum(), latents)
    return derivative
