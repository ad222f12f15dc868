"""One training in several processes, as torchrun starts them: one a GPU, on one machine or on several.

batch -> each process its shard -> gradients averaged by DistributedDataParallel -> the same step everywhere
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
class ProcessGroup:
    """The processes that train one network together; `rank` is the number of this one."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and prints."""
        return self.rank == 0

    def shard(self, selection: Tensor) -> tuple[Tensor, float]:
        """Return this process's indices of a batch, and the weight of its mean loss in the mean over processes.

        A last batch may have fewer images than there are processes. A process without any takes one image with weight
        0, because all processes have to take part in the step.
        """
        if self.world_size == 1:
            return selection, 1.0
        shard = selection[self.rank :: self.world_size]
        weight = len(shard) * self.world_size / len(selection)
        return (shard if len(shard) else selection[:1]), weight

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """Return a module whose gradients are averaged over the processes."""
        if self.world_size == 1:
            return module
        if device.type == "cuda":  # torch has no synchronized batch norm for CPUs: there each process norms its shard
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Sum `values` over the processes, in place."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def all_reduce_max(self, value: int) -> int:
        """Return the largest value of all processes; exchanged between the CPUs, so that no process waits for a GPU."""
        if self.world_size == 1:
            return value
        values = torch.tensor(value)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return int(values)

    def broadcast(self, value: T) -> T:
        """Return the main process's value in every process."""
        if self.world_size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started; a group of one without torchrun."""
    if not dist.is_torchelastic_launched():
        yield ProcessGroup()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    yield ProcessGroup(dist.get_rank(), dist.get_world_size())
    # Not after an error: the others may be waiting for this process, and only its end tells torchrun to stop them.
    dist.destroy_process_group()
