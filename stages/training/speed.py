"""What a training took, and what a network costs."""

import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from stages.models.base.autoencoder import Autoencoder


def peak_memory_mib(device: torch.device) -> float:
    """Give the most memory, in MiB, that was taken on the device so far; on a CPU, by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


@torch.no_grad()
def flops_per_image(model: Autoencoder) -> int:
    """Count the floating point operations of the products that encode and decode one image; a multiply-add is two."""
    model.eval()
    image = torch.zeros(1, *model.image_shape, device=next(iter(model.state_dict().values())).device)
    with _Products() as products:
        model(image)
    return 2 * products.count


class _Products(TorchFunctionMode):
    """Counts the multiplications of layers, as torch's FlopCounterMode does.

    That one loads torch's compiler: more than a second of every training.
    """

    count = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # whatever the function gives
        result = func(*args, **(kwargs or {}))
        match func.__name__:
            case "linear" | "matmul":  # (..., inputs), (outputs, inputs) or (inputs, outputs)
                self.count += result.numel() * args[0].shape[-1]
            case "conv2d":  # images, (outputs, inputs, kernel, kernel)
                self.count += result.numel() * args[1][0].numel()
            case "conv_transpose2d":  # images, (inputs, outputs, kernel, kernel)
                self.count += args[0].numel() * args[1][0].numel()
        return result


def parameter_count(model: Autoencoder) -> int:
    """Count the numbers that training fits; for a family that is solved, those that it stores."""
    return sum(tensor.numel() for tensor in list(model.parameters()) or model.buffers())
