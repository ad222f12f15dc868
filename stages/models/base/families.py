"""Build a model of any family, by name."""

import pkgutil
from collections.abc import Mapping

import torch

from stages.models.base.autoencoder import Autoencoder, ImageShape

# Dotted names, not imports: a stage reads its own family's file alone, so that an edit of one family reruns no other.
FAMILIES = {
    "conv": "stages.models.conv.Conv",
    "dense": "stages.models.dense.Dense",
    "pca": "stages.models.pca.PCA",
    "tiles": "stages.models.tiles.Tiles",
    "vae": "stages.models.vae.VAE",
}


def build(family: str, image_shape: ImageShape, network: Mapping[str, object], seed: int = 0) -> Autoencoder:
    """Build a model whose first weights depend on `seed` alone; `network` are the family's keywords."""
    # Layers draw their first weights from torch's global generator: give it the seed, and its state back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = pkgutil.resolve_name(FAMILIES[family])(image_shape, **network)
    assert isinstance(model, Autoencoder)
    return model
