"""What a training took, and what a network costs."""

import resource
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from stages.models.base.autoencoder import Autoencoder


def peak_memory_mib(device: torch.device) -> float:
    """Give the most memory, in MiB, that was taken on the device so far; on a CPU, by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


@torch.no_grad()
def flops_per_image(model: Autoencoder) -> int:
    """Count the floating point operations of encoding and decoding one image; a multiply-add is two."""
    model.eval()
    image = torch.zeros(1, *model.image_shape, device=next(iter(model.state_dict().values())).device)
    with FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops()


def parameter_count(model: Autoencoder) -> int:
    """Count the numbers that training fits; for a family that is solved, those that it stores."""
    return sum(tensor.numel() for tensor in list(model.parameters()) or model.buffers())
