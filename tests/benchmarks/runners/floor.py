"""Time the matrix products and convolutions of an epoch alone: no data, no loss, no activations, no optimizer.

What a trainer takes beyond this is its overhead, and what the network has between its layers.
"""

import copy
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hourglass.inference.device import choose_device, keep_freed_memory
from hourglass.networks.base.autoencoder import Autoencoder

from .job import Job, Result, serve
from .torch_parts import count_flops, count_parameters, make_network

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


class Products:
    """The products of one layer, on random values of the shape that it sees in training.

    Forward one, backward two: the gradients of the weights and, unless the layer is the `first`, of its inputs.
    """

    def __init__(self, layer: Layer, shape: torch.Size, memory_format: torch.memory_format, *, first: bool) -> None:
        self.layer = copy.deepcopy(layer)
        self.layer.weight = nn.Parameter(layer.weight.detach().contiguous(memory_format=memory_format))
        self.layer.bias = None
        self.inputs = torch.randn(shape).contiguous(memory_format=memory_format).requires_grad_(not first)
        self.wanted = [self.layer.weight] if first else [self.layer.weight, self.inputs]
        self.gradients = torch.randn_like(self.layer(self.inputs))

    def train(self) -> None:
        """Compute all three (two for the first layer)."""
        torch.autograd.grad(self.layer(self.inputs), self.wanted, self.gradients)

    @torch.no_grad()
    def validate(self) -> None:
        """Compute the one that validation needs."""
        self.layer(self.inputs)


def run(job: Job) -> Result:
    """Time the products of every epoch."""
    keep_freed_memory()  # as Hourglass does: the floor is of the best loop there could be
    choose_device()
    network = make_network(job)
    train_count, val_count = (len(np.load(path, mmap_mode="r")) for path in (job.train, job.val))
    products = collect(network, job.batch_size)
    seconds = [
        measure([each.train for each in products], train_count / job.batch_size)
        + measure([each.validate for each in products], val_count / job.batch_size)
        for _ in range(job.epochs)
    ]
    return Result(seconds, count_parameters(network), None, {"torch": torch.__version__}, count_flops(network))


def collect(network: Autoencoder, batch_size: int) -> list[Products]:
    """Find the layers and the shapes of their inputs, with one batch of zeros; take each in its faster format."""
    seen: list[tuple[Layer, torch.Size]] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, Layer)
        seen.append((layer, inputs[0].shape))

    handles = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, Layer)]
    with torch.no_grad():
        network.eval()(torch.zeros(batch_size, *network.image_shape))
    for handle in handles:
        handle.remove()
    weights = sum(parameter.numel() for parameter in network.parameters() if parameter.ndim > 1)
    assert weights == sum(layer.weight.numel() for layer, _ in seen), "a layer has products that were not found"
    return [faster(layer, shape, first=number == 0) for number, (layer, shape) in enumerate(seen)]


def faster(layer: Layer, shape: torch.Size, *, first: bool) -> Products:
    """Return a layer's products in the memory format that takes less time."""
    if len(shape) != 4:
        return Products(layer, shape, torch.contiguous_format, first=first)
    candidates = [
        Products(layer, shape, memory_format, first=first)
        for memory_format in (torch.contiguous_format, torch.channels_last)
    ]
    # The quickest of several calls each: the first is slower, and other programs on the machine disturb some.
    best = [min(measure([each.train], 1) for _ in range(6)) for each in candidates]
    return candidates[best.index(min(best))]


def measure(step: Sequence[Callable[[], None]], steps: float) -> float:
    """Return the seconds of `steps` steps. Whole ones are run; a last batch that is smaller counts by its share."""
    whole = max(int(steps), 1)
    started = time.perf_counter()
    for _ in range(whole):
        for compute in step:
            compute()
    return (time.perf_counter() - started) * steps / whole


if __name__ == "__main__":
    serve(run)
