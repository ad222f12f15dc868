"""What one network may need at most, found out before any of it is there."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from hourglass.console.errors import UserError
from hourglass.networks.base.autoencoder import Autoencoder, ImageShape
from hourglass.networks.base.families import family_class

GIB = 2**30
# Beyond these, a typing error is likelier than a plan: the largest that one GPU of 80 GB trains is well below them.
MOST_WEIGHTS = 16 * GIB  # bytes; a training holds four times as much, with gradients and the optimizer's means
MOST_VALUES = 16 * GIB  # bytes of what a training holds of one image between the layers
MOST_OPERATIONS = 10**14  # for one image, one way: about an hour on a core of a CPU


def check_network(family: str, image_shape: ImageShape, network: Mapping[str, object]) -> Autoencoder:
    """Check the keywords of a network as a whole, in about a second at most, and without memory for its weights.

    Returns it without weights.

    Raises:
        UserError: If the keywords do not go together, or not with images (C, H, W) of `image_shape`, or if the network
            is too large.
    """
    constructor: Callable[..., Autoencoder] = family_class(family)
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            built = constructor(image_shape, **network)
            check_limits(built)
            return built
    except (ValueError, RuntimeError) as error:  # torch refuses some sizes itself
        reason = str(error).partition("\n")[0]
        raise UserError(f"network: {reason}") from None
    except TypeError as error:
        if "Overflow" not in str(error):
            raise
        raise UserError(
            "network: expected layers of sizes that fit in 64 bits, got larger ones: lower some of the numbers"
        ) from None


def check_limits(network: Autoencoder) -> None:
    """Raise ValueError if a network is larger than anyone can mean; for one that was built on the device "meta".

    There, tensors have shapes and no values, so that this takes neither memory nor, for the most part, time.
    """
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    _check(weights / GIB, MOST_WEIGHTS / GIB, "GiB of weights")
    values = 0

    def add(tensor: Tensor) -> Tensor:
        nonlocal values
        values += tensor.nbytes
        return tensor

    network.eval()  # batch norm refuses to train on a single value
    images = torch.zeros(1, *network.image_shape, device="meta")
    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(add, lambda tensor: tensor):
        network(images)
    _check(values / GIB, MOST_VALUES / GIB, "GiB of values between the layers for one image")
    _check(counter.get_total_flops(), MOST_OPERATIONS, "operations for one image")


def _check(value: float, most: float, what: str) -> None:
    if value > most:
        raise ValueError(f"expected at most {most:.4g} {what}, got {value:.4g}: lower some of the numbers")
