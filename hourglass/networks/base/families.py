"""Find families by name, and build their networks: the file name of a family is its name in params.yaml."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping

import torch

from hourglass import networks
from hourglass.console.errors import UserError, suggest
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape


def families() -> list[str]:
    """List the names of all families, without importing any of them."""
    return sorted(module.name for module in pkgutil.iter_modules(networks.__path__) if not module.ispkg)


def family_class(name: str) -> type[Autoencoder]:
    """Import a family's file and return the one subclass of Autoencoder that it defines.

    Raises:
        UserError: If there is no such file, or not exactly one such class in it.
    """
    known = families()
    if name not in known:
        raise UserError(f"expected a family, got '{name}'{suggest(name, known)}")
    # Not imported at the top: a stage declares the file of its own family alone, so that an edit of it reruns no other.
    module = importlib.import_module(f"{networks.__name__}.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Autoencoder) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise UserError(f"{module.__file__}: expected one subclass of Autoencoder, got {len(found)}")
    return found[0]


def build(family: str, image_shape: ImageShape, network: Mapping[str, object], seed: int = 0) -> Autoencoder:
    """Build a network of a family from its keywords; `seed` alone determines the initial weights.

    Raises:
        UserError: If the keywords do not go together, or not with images (C, H, W) of `image_shape`.
    """
    constructor: Callable[..., Autoencoder] = family_class(family)
    # Layers draw their initial weights from torch's global generator, whose state is restored afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return constructor(image_shape, **network)
        except ValueError as error:
            raise UserError(f"network: {error}") from None
