"""How close what a network decodes comes to real images, as a whole and not image by image."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hourglass.arrays.spread import spread_out
from hourglass.data.prepared import Images
from hourglass.files import rounded
from hourglass.inference.batches import Arrays, batch_size, batches
from hourglass.inference.reconstruct import reconstruct
from hourglass.inference.traversals import samples
from hourglass.metrics.frechet import Features, frechet_distance, project
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.principal import Solution, solve
from hourglass.networks.base.tiling import Parts

COMPONENTS = 64  # of the feature space, at most
IMAGES, TRAIN_IMAGES = 2048, 4096  # at most


@torch.no_grad()
def frechet_distances(network: Autoencoder, train: Images, test: Images, device: torch.device) -> dict[str, float]:
    """Return squared Fréchet distances to at most 2,048 test images in the space of principal components.

    The components are those of at most 4,096 training images, 64 at most: a space that needs no download and is the
    same for all models of a data set. Distances are in the units of images in [0, 1].

    Args:
        network: A generative network on `device` and in evaluation mode.
        train: uint8 (N, C, H, W).
        test: uint8 (M, C, H, W).
        device: Where to compute.

    Returns:
        "samples" of the prior, "reconstructions" of the test images, and "train", training images, which the others
        compare with: as many of each as of the test images, because the distance of fewer is larger. "images" and
        "components" say how many.

    Raises:
        ValueError: If there are fewer than two images on a side, or what is decoded is not finite.
    """
    if min(len(train), len(test)) < 2:
        raise ValueError(f"expected at least 2 training and 2 test images, got {len(train)} and {len(test)}")
    space = feature_space(spread_out(train, TRAIN_IMAGES))
    chosen = spread_out(test, IMAGES)
    pairs = [
        (_features(originals, space), _features(decoded, space))
        for originals, _, decoded in reconstruct(network, chosen, device)
    ]
    originals, reconstructions = (np.concatenate(part) for part in zip(*pairs, strict=True))
    drawn = samples(len(chosen), network.latent_dim).split(batch_size(network.image_shape))
    sets = {
        "samples": _gather((network.decode(part.to(device)).clamp(0, 1) for part in drawn), space),
        "reconstructions": reconstructions,
        "train": _gather(batches(spread_out(train, len(chosen)), device), space),
    }
    distances = {name: rounded(frechet_distance(features, originals), 4) for name, features in sets.items()}
    return distances | {"images": len(chosen), "components": len(space.components)}


def feature_space(train: Images) -> Solution:
    """Return the principal components of uint8 images (N, C, H, W), at most 64, and as many as vary."""
    pixels = int(np.prod(train.shape[1:]))
    return solve(Parts(Arrays(train), None), min(COMPONENTS, len(train) - 1, pixels), pixels, tiled=False)


def _gather(images: Iterator[Tensor], space: Solution) -> Features:
    return np.concatenate([_features(batch, space) for batch in images])


def _features(images: Tensor, space: Solution) -> Features:
    return project(images.flatten(1).cpu().numpy(), space.mean, space.components)
