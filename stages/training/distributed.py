"""One training in many processes, as torchrun starts them: one a GPU, on one machine or on several.

batch -> each process its share -> gradients averaged by DistributedDataParallel -> the same step everywhere
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes that train one model together, and which of them this one is."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Tell whether this is the process that writes files and talks."""
        return self.rank == 0

    def share(self, selection: Tensor) -> tuple[Tensor, float]:
        """Give this process's indices of a batch, and what its mean loss counts in the mean over processes.

        A last batch may have fewer images than there are processes; who gets none takes one and counts it as nothing,
        because all have to take part in the step.
        """
        if self.count == 1:
            return selection, 1.0
        mine = selection[self.rank :: self.count]
        weight = len(mine) * self.count / len(selection)
        return (mine if len(mine) else selection[:1]), weight

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Average the gradients of `module` over the processes."""
        if self.count == 1:
            return module
        if device.type == "cuda":  # on CPUs each process normalises its share by itself: torch has nothing else there
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)

    def sum(self, values: Tensor) -> Tensor:
        """Add `values` over the processes, in place."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def highest(self, value: int) -> int:
        """Agree on the highest of the processes' values; between the CPUs, so that no GPU has to be waited for."""
        if self.count == 1:
            return value
        values = torch.tensor(value)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return int(values)

    def from_leader(self, value: T) -> T:
        """Give every process the first one's value."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started this one with; alone if it did not."""
    if not dist.is_torchelastic_launched():
        yield Processes()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    yield Processes(dist.get_rank(), dist.get_world_size())
    # Not after an error: the others may be waiting for this one, and only its end tells torchrun to stop them.
    dist.destroy_process_group()
