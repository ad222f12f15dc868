"""What a training took."""

import resource
import sys
from collections.abc import Sequence

import torch

from hourglass.files import rounded
from hourglass.inference.device import describe_device
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.training.run import Run


def timing(runs: Sequence[Run], images: int, device: torch.device) -> dict[str, object]:
    """Return what trainings on `images` images took, with units in the keys; the numbers differ from run to run."""
    seconds, epochs = sum(run.seconds for run in runs), sum(run.epochs for run in runs)
    return {
        "device": describe_device(device),
        "epochs": epochs,
        "images_per_s": rounded(epochs * images / seconds),
        "parameters": parameter_count(runs[0].network),
        "peak_memory_mib": rounded(peak_memory_mib(device)),
        "s_per_epoch": rounded(seconds / epochs),
    }


def peak_memory_mib(device: torch.device) -> float:
    """Return the peak memory of the device in MiB; of a CPU, that of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def parameter_count(network: Autoencoder) -> int:
    """Return the number of fitted values: parameters or, of a family that is solved, buffers."""
    return sum(tensor.numel() for tensor in list(network.parameters()) or network.buffers())
