"""What training minimises and validation looks at: a model's losses, from bytes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stages.models.base.autoencoder import Autoencoder, scale
from stages.training.batches import Batches
from stages.training.distributed import Processes


class Objective(nn.Module):
    """The losses as a module's forward pass, which is what DistributedDataParallel and torch.compile work on."""

    def __init__(self, model: Autoencoder, precision: str = "float32", channels_last: bool = True) -> None:
        super().__init__()
        self.model = model
        self.precision = precision
        convolutional = any(isinstance(module, nn.Conv2d) for module in model.modules())
        self.memory_format = torch.channels_last if convolutional and channels_last else torch.contiguous_format
        model.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # left out of torch's stubs

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Bytes (B, C, H, W) -> the losses by name, means over the batch."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.model.losses(scale(images, self.memory_format))


@torch.no_grad()
def mean_losses(
    objective: Callable[[Tensor], dict[str, Tensor]],
    images: Batches,
    batch_size: int,
    processes: Processes,
    on_batch: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Give the losses by name, means over all images; the model has to be in evaluation mode."""
    sums: dict[str, Tensor] = {}
    batches = torch.arange(len(images)).split(batch_size)
    shares = [processes.share(batch) for batch in batches]
    for bytes_, batch, (_, weight) in zip(images.read([mine for mine, _ in shares]), batches, shares, strict=True):
        for name, loss in objective(bytes_).items():
            sums[name] = sums.get(name, 0) + loss.double() * (weight * len(batch))
        on_batch()
    return {name: processes.sum(total).item() / len(images) / processes.count for name, total in sums.items()}
