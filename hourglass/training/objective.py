"""What a training minimizes: the losses of a network, computed from images as bytes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hourglass.networks.base.autoencoder import Autoencoder, scale
from hourglass.training.batches import Batches
from hourglass.training.distributed import ProcessGroup

Losses = dict[str, Tensor]


class Objective(nn.Module):
    """The losses of a network as a forward pass, which DistributedDataParallel and torch.compile need."""

    def __init__(self, network: Autoencoder, precision: str = "float32", channels_last: bool = True) -> None:
        super().__init__()
        self.network = network
        self.precision = precision
        convolutional = any(isinstance(module, nn.Conv2d) for module in network.modules())
        self.memory_format = torch.channels_last if convolutional and channels_last else torch.contiguous_format
        network.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # missing in torch's stubs

    def forward(self, images: Tensor) -> Losses:
        """Bytes (B, C, H, W) -> scalar losses by name, means over the batch."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.network.losses(scale(images, self.memory_format))


@torch.no_grad()
def mean_losses(
    objective: Callable[[Tensor], Losses],
    images: Batches,
    batch_size: int,
    processes: ProcessGroup,
    on_batch: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Return the losses by name, means over all images; the network has to be in evaluation mode."""
    sums: dict[str, Tensor] = {}
    batches = torch.arange(len(images)).split(batch_size)
    shards = [processes.shard(batch) for batch in batches]
    for bytes_, batch, (_, weight) in zip(images.read([shard for shard, _ in shards]), batches, shards, strict=True):
        for name, loss in objective(bytes_).items():
            sums[name] = sums.get(name, 0) + loss.double() * (weight * len(batch))
        on_batch()
    totals = {name: processes.all_reduce_sum(total).item() for name, total in sums.items()}
    return {name: total / len(images) / processes.world_size for name, total in totals.items()}
