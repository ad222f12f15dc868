"""Batches of training images: kept on the device (resident), or read from their files (streaming)."""

import math
import os
import resource
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
import torch
from torch import Tensor

from hourglass.console.errors import UserError
from hourglass.console.memory import memory_limit
from hourglass.data.prepared import Bytes, Images, Shard, Split

AHEAD = 2  # batches that are read in advance
PART_BYTES = 1 << 24  # of images that are copied to the device at once
OTHER_FILES = 256  # that a process has open beside the shards, at most
Loaded = tuple[Tensor, torch.cuda.Event | None]


class Batches(Protocol):
    """N images as bytes, read in batches of any selection."""

    kind: str  # "resident" or "streaming"
    waited: float  # seconds that training waited for batches

    def __len__(self) -> int:
        """Return the number of images, N."""

    def read(self, selections: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield, for every selection of B indices on the CPU, bytes (B, C, H, W) on the device."""


class Resident:
    """All images on the device: a batch is a selection there, and no step copies anything from the CPU."""

    kind = "resident"
    waited = 0.0

    def __init__(self, images: Images, device: torch.device) -> None:
        self.images = torch.empty(images.shape, dtype=torch.uint8, device=device)
        start = 0
        for part in _parts(images):  # so that no second copy of all ever is in memory
            self.images[start : start + len(part)] = torch.from_numpy(part)
            start += len(part)

    def __len__(self) -> int:
        """Return the number of images, N."""
        return len(self.images)

    def read(self, selections: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield, for every selection of B indices on the CPU, bytes (B, C, H, W) on the device."""
        if not selections:
            return
        # All indices are copied at once: a copy in every step would make the CPU wait for the GPU.
        indices = torch.cat(list(selections)).to(self.images.device)
        for batch in indices.split([len(selection) for selection in selections]):
            yield self.images[batch]


class Streaming:
    """Images in their files: a thread reads and copies the next batches while the network trains on the current one.

    Rows are read, not memory-mapped: a map keeps every page that it touches, and memory would grow with the data set.
    """

    kind = "streaming"

    def __init__(self, images: Split, device: torch.device) -> None:
        self.waited = 0.0
        self._images, self._device = images, device
        self._row = math.prod(images.shape[1:])
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __len__(self) -> int:
        """Return the number of images, N."""
        return len(self._images)

    def read(self, selections: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield, for every selection of B indices on the CPU, bytes (B, C, H, W) on the device."""
        pending: deque[Future[Loaded]] = deque()
        with ExitStack() as stack, ThreadPoolExecutor(1) as reader:
            _allow_open_files(len(self._images.shards) + OTHER_FILES)
            files = [stack.enter_context(shard.path.open("rb", buffering=0)) for shard in self._images.shards]
            descriptors = [file.fileno() for file in files]
            for selection in selections:
                pending.append(reader.submit(self._load, descriptors, selection))
                if len(pending) > AHEAD:
                    yield self._wait_for(pending.popleft())
            while pending:
                yield self._wait_for(pending.popleft())

    def _load(self, files: Sequence[int], selection: Tensor) -> Loaded:
        """Read a batch into memory and start its copy to the device."""
        pinned = self._copies is not None  # copies run beside the computation from pinned memory alone
        batch = torch.empty((len(selection), *self._images.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
        numbers, places = self._images.places(selection.numpy())
        for row, number, place in zip(batch.numpy(), numbers.tolist(), places.tolist(), strict=True):
            shard = self._images.shards[number]
            if os.preadv(files[number], [row], shard.offset + place * self._row) != self._row:
                raise _shorter(shard)
        if self._copies is None:
            return batch, None
        with torch.cuda.stream(self._copies):
            return batch.to(self._device, non_blocking=True), self._copies.record_event()

    def _wait_for(self, loading: "Future[Loaded]") -> Tensor:
        """Wait until a batch is read; the GPU itself waits for the end of the copy."""
        started = time.perf_counter()
        batch, copied = loading.result()
        self.waited += time.perf_counter() - started
        if copied is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(copied)
            batch.record_stream(current)
        return batch


def _parts(images: Images) -> Iterator[Bytes]:
    """Yield all images in order, a few at a time; those of files are read, not memory-mapped, as in `Streaming`."""
    rows = max(1, PART_BYTES // math.prod(images.shape[1:]))
    if not isinstance(images, Split):
        yield from (np.array(images[start : start + rows]) for start in range(0, len(images), rows))
        return
    for shard in images.shards:
        with shard.path.open("rb", buffering=0) as file:
            for start in range(0, shard.count, rows):
                part = np.empty((min(rows, shard.count - start), *images.shape[1:]), np.uint8)
                if os.preadv(file.fileno(), [part.data], shard.offset + start * part[0].nbytes) != part.nbytes:
                    raise _shorter(shard)
                yield part


def _shorter(shard: Shard) -> UserError:
    return UserError(f"{shard.path}: expected {shard.count} images, got a shorter file: restore it")


def _allow_open_files(count: int) -> None:
    """Raise this process's limit, of a thousand on most systems, where it is lower and the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count and soft != resource.RLIM_INFINITY:
        allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def place(splits: Sequence[Images], device: torch.device, where: str = "auto") -> list[Batches]:
    """Return the batches of every split.

    Args:
        splits: Images as bytes (N, C, H, W).
        device: Where the network trains.
        where: "resident", "streaming", or "auto": resident if all splits fit in half of the device's free memory.
    """
    if where == "auto":
        needed = sum(images.nbytes for images in splits)
        where = Resident.kind if needed <= free_memory(device) / 2 else Streaming.kind
    streams = where == Streaming.kind
    # An array in memory has no file to stream from.
    return [
        Streaming(images, device) if streams and isinstance(images, Split) else Resident(images, device)
        for images in splits
    ]


def free_memory(device: torch.device) -> int:
    """Return the free memory of a device in bytes; of CPU memory, the share of this process."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    left = memory_limit(Path("/proc/self/cgroup")) - psutil.Process().memory_info().rss
    free = min(psutil.virtual_memory().available, left)
    return free // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # set by torchrun; a GPU has one process
