"""What the plain and the Lightning runner share: network, data loaders and optimizer, as most repositories have them."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adadelta, Adam, Optimizer
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.families import build

from .job import Job


class Images(Dataset[Tensor]):
    """Bytes (N, C, H, W), scaled to float32 in [0, 1] one image at a time, as torchvision's ToTensor does."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        """Return one image: (C, H, W)."""
        return torch.from_numpy(self.images[index]).to(torch.float32).div(255)


def make_loader(path: str, batch_size: int, *, shuffle: bool) -> DataLoader[Tensor]:
    """Load the images with two worker processes, in batches (B, C, H, W)."""
    return DataLoader(Images(np.load(path)), batch_size, shuffle=shuffle, num_workers=2, persistent_workers=True)


def make_network(job: Job) -> Autoencoder:
    """Build the very network that Hourglass trains."""
    channels, height, width = np.load(job.train, mmap_mode="r").shape[1:]
    return build(job.family, (channels, height, width), job.network, seed=0)


def make_optimizer(job: Job, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Make the optimizer in the form that PyTorch chooses when it is asked for none."""
    kind = {"adam": Adam, "adadelta": Adadelta}[job.optimizer]
    return kind(parameters, lr=job.learning_rate, **job.optimizer_settings)


def count_parameters(network: nn.Module) -> int:
    """Count what is trained."""
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def count_flops(network: Autoencoder) -> int:
    """Count the floating point operations of one image's forward pass, as torch does: two for a multiply-add."""
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, *network.image_shape))
    return counter.get_total_flops()
