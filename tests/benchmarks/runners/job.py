"""What a runner is told, as JSON in its first argument, and what it answers, as JSON in its last line of output."""

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
    """One training. `train` and `val` are paths of .npy files, bytes (N, C, H, W), each the one shard of a split."""

    train: str
    val: str
    batch_size: int
    epochs: int
    family: str
    network: dict[str, Any]
    optimizer: str
    learning_rate: float
    optimizer_settings: dict[str, float]


@dataclass(frozen=True)
class Result:
    """One training's measurement: `seconds` of every epoch, its validation included.

    `val_loss` is the mean squared error over `val` after the last epoch; None of what trains nothing. `software` are
    the versions of what ran. `flops_per_image` are those of one forward pass, None where nobody counted.
    """

    seconds: list[float]
    parameters: int
    val_loss: float | None
    software: dict[str, str]
    flops_per_image: int | None = None


@dataclass
class Stopwatch:
    """Seconds from lap to lap, so that nothing between two epochs goes uncounted."""

    laps: list[float] = field(default_factory=list)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self) -> None:
        """End a lap and begin the next."""
        now = time.perf_counter()
        self.laps.append(now - self._last)
        self._last = now


def serve(run: Callable[[Job], Result]) -> None:
    """Be the program: read the job, run it, print the result."""
    print(json.dumps(dataclasses.asdict(run(Job(**json.loads(sys.argv[1]))))))
