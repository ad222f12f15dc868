"""The training loop; it knows no family by name.

    bytes -> shuffled batch on the device -> scale -> network.losses -> optimizer step -> ... -> validation -> next

All random numbers are drawn from (seed, epoch, step), not from where a generator was left: a training that continues
from a checkpoint draws what it would have drawn without the interruption.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hourglass.console.errors import UserError
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.training.batches import Batches
from hourglass.training.distributed import ProcessGroup
from hourglass.training.objective import Losses, Objective, mean_losses
from hourglass.training.schedules import Schedule
from hourglass.training.state import last_epoch

REPORT_SECONDS = 1.0  # between reports of the loss; each makes the CPU wait for the GPU
REMEDY = "lower `learning_rate`, raise `batch_size`, or set `clip_norm`"

Row = dict[str, float]  # of the history: epoch, train_<loss>, val_<loss>, ..., learning_rate
State = dict[str, Any]


class Trainer:
    """Fits a network by gradient descent; `state_dict` holds all that it takes to continue from any step.

    A network with a linear path starts at PCA: its losses before the first step are epoch 0, which may be the best one.

    Args:
        network: The network, on its device.
        optimizer: Optimizer of the network's parameters.
        schedule: How the learning rate changes; constant by default.
        epochs: Epochs, at most.
        batch_size: Images in a step, over all processes.
        patience: Stop after this many epochs without a lower validation loss and restore the best epoch's weights. By
            default all epochs run, and the last one's weights stay.
        clip_norm: Largest norm of the gradients; no limit by default.
        augment: Function of bytes (B, C, H, W) that changes every training batch.
        seed: Seed of all random draws.
        precision: "bfloat16" for autocast; anything else computes in the tensors' own type.
        channels_last: Whether convolutional networks get images channels last.
        compiled: Whether the network, and the optimizer's step, go through torch.compile.
        processes: The processes that train together; this one alone by default.
    """

    def __init__(
        self,
        network: Autoencoder,
        optimizer: Optimizer,
        schedule: Schedule | None = None,
        *,
        epochs: int,
        batch_size: int,
        patience: int | None = None,
        clip_norm: float | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
        seed: int = 0,
        precision: str = "float32",
        channels_last: bool = True,
        compiled: bool = False,
        processes: ProcessGroup | None = None,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.schedule = schedule or Schedule()
        self.epochs, self.batch_size, self.patience = epochs, batch_size, patience
        self.clip_norm, self.augment, self.seed = clip_norm, augment, seed
        self.processes = processes or ProcessGroup()
        self.device = next(network.parameters()).device
        objective = Objective(network, precision, channels_last)
        self.objective: Callable[[Tensor], Losses] = self.processes.wrap(objective, self.device)
        self.optimizer_step: Callable[[], object] = optimizer.step
        if compiled:
            self._compile()
        self.history: list[Row] = []
        self.step = 0  # of the current epoch
        self.losses: Losses = {}  # of the current epoch, one value a step
        self.best_weights: dict[str, Tensor] | None = None
        self.seconds = 0.0
        self._started = time.perf_counter()

    def _compile(self) -> None:
        # On a GPU the kernels of a step are recorded once, as a CUDA graph, and launched together.
        mode = "reduce-overhead" if self.device.type == "cuda" else None
        # Of fixed shapes, and from nothing: what is compiled must not depend on what this process compiled before, or a
        # training that continues from a checkpoint would compute with other kernels.
        torch.compiler.reset()
        self.objective = torch.compile(self.objective, mode=mode, dynamic=False)
        if self.schedule.is_constant:  # a learning rate that changes would be compiled anew each time
            self.optimizer_step = torch.compile(self.optimizer.step, dynamic=False)

    @property
    def last_epoch(self) -> int:
        """The last epoch that was trained to its end; 0 before the first one was."""
        return last_epoch(self.history)

    @property
    def epoch(self) -> int:
        """The current epoch, counted from 1."""
        return self.last_epoch + 1

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to train."""
        stopped = self.patience is not None and self.last_epoch - self.best_epoch >= self.patience
        return stopped or self.last_epoch >= self.epochs

    @property
    def best_epoch(self) -> int:
        """The first epoch with the lowest validation loss; 0 before the end of the first epoch."""
        return int(min(self.history, key=lambda row: row["val_loss"])["epoch"]) if self.history else 0

    @property
    def kept_epoch(self) -> int:
        """The epoch whose weights `fit` leaves: the best one with `patience`, the last one without."""
        return self.best_epoch if self.patience is not None else self.last_epoch

    def fit(
        self,
        train: Batches,
        val: Batches,
        *,
        on_batch: Callable[[int], object] = lambda count: None,
        on_loss: Callable[[float], object] = lambda loss: None,
        on_epoch: Callable[[Row], object] = lambda row: None,
        should_save: Callable[[], bool] = lambda: False,
        stop_signal: Callable[[], int] = lambda: 0,
        save: Callable[[State, int], object] = lambda state, signal: None,
    ) -> list[Row]:
        """Train to the end and return the history, a row for every epoch.

        Args:
            train: Images to train on.
            val: Images to compute the validation loss of.
            on_batch: Called after every step with the number of images in its batch.
            on_loss: Called about once a second with the loss.
            on_epoch: Called after every epoch with its row of the history.
            should_save: Asked after every step whether a checkpoint is due.
            stop_signal: Asked after every step for the number of the signal to stop for, or 0.
            save: Called with the state and the signal (0 if none) when any process has answered one of both; may raise.

        Raises:
            UserError: If a loss or a weight is not finite.
        """

        def save_if_asked() -> None:
            # In one number, so that the processes agree in one exchange: signals are larger than 1.
            asked = self.processes.all_reduce_max(stop_signal() or int(should_save()))
            if asked:
                self._check_finite()
                save(self.state_dict(), asked if asked > 1 else 0)

        self._started = time.perf_counter() - self.seconds
        if self.network.linear is not None and not self.history:
            on_epoch(self._rate_start(train, val, save_if_asked))
        while not self.finished:
            sizes = self._train_epoch(train, on_batch, on_loss, save_if_asked)
            on_epoch(self._end_epoch(val, sizes, save_if_asked))
        self.seconds = time.perf_counter() - self._started
        if self.best_weights is not None:
            self.network.load_state_dict(self.best_weights)
        return self.history

    def _rate_start(self, train: Batches, val: Batches, save_if_asked: Callable[[], None]) -> Row:
        """Compute both losses of the network as it is; add them to the history as epoch 0."""
        self.network.eval()
        row: Row = {"epoch": 0}
        for split, images in (("train", train), ("val", val)):
            losses = mean_losses(self.objective, images, self.batch_size, self.processes, save_if_asked)
            row |= {f"{split}_{name}": value for name, value in losses.items()}
        return self._add(row)

    def _train_epoch(
        self,
        train: Batches,
        on_batch: Callable[[int], object],
        on_loss: Callable[[float], object],
        save_if_asked: Callable[[], None],
    ) -> list[int]:
        """Train on the batches that are left of the current epoch; return the sizes of all of its batches."""
        reported = 0.0
        self.network.train()
        self._epoch_seed = int(np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)[0] >> 1)
        batches = self._shuffled(len(train))
        shards = [self.processes.shard(batch) for batch in batches[self.step :]]
        for images, (_, weight) in zip(train.read([shard for shard, _ in shards]), shards, strict=True):
            self._train_step(images, weight, len(batches))
            on_batch(len(batches[self.step - 1]))
            save_if_asked()
            if time.perf_counter() - reported > REPORT_SECONDS:
                on_loss(self.losses["loss"][self.step - 1].item())
                if self.processes.world_size == 1:  # several processes check together, when they save
                    self._check_finite()
                reported = time.perf_counter()
        return [len(batch) for batch in batches]

    def _shuffled(self, count: int) -> tuple[Tensor, ...]:
        """Return the indices 0 ... count - 1, in this epoch's order, cut into batches."""
        # Not drawn on the device, so that the order is the same on every device.
        generator = torch.Generator().manual_seed(self._epoch_seed)
        return torch.randperm(count, generator=generator).split(self.batch_size)

    def _train_step(self, images: Tensor, weight: float, steps: int) -> None:
        # What layers draw (noise, dropout) depends on epoch and step alone, and differs between processes.
        seed = self._epoch_seed + 1 + self.step * self.processes.world_size + self.processes.rank
        _default_generator(self.device).manual_seed(seed % 2**63)
        self.optimizer.zero_grad()  # first, so that the layers' outputs can take the gradients' memory
        losses = self.objective(images if self.augment is None else self.augment(images))
        losses["loss"].backward(losses["loss"].new_full((), weight))
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer_step()
        self.schedule.after_step()
        for name, loss in losses.items():
            # Kept on the device: reading a number would make the CPU wait for the GPU in every step.
            if name not in self.losses:
                self.losses[name] = torch.zeros(steps, dtype=torch.float64, device=self.device)
            self.losses[name][self.step] = loss.detach() * weight
        self.step += 1

    def _end_epoch(self, val: Batches, sizes: list[int], save_if_asked: Callable[[], None]) -> Row:
        """Validate; add the epoch to the history and update the learning rate."""
        self._check_finite()
        images = torch.tensor(sizes, dtype=torch.float64, device=self.device)
        row: Row = {"epoch": self.epoch}
        for name, losses in self.losses.items():
            total = self.processes.all_reduce_sum(losses @ images).item()
            row[f"train_{name}"] = total / sum(sizes) / self.processes.world_size
        self.network.eval()
        for name, value in mean_losses(self.objective, val, self.batch_size, self.processes, save_if_asked).items():
            row[f"val_{name}"] = value
        self._add(row)
        self.step, self.losses = 0, {}
        self.schedule.after_epoch(row["val_loss"])
        return row

    def _add(self, row: Row) -> Row:
        """Add an epoch to the history, and keep its weights if they are the best."""
        if not math.isfinite(row["val_loss"]):
            where = f"in epoch {row['epoch']:.0f}: {REMEDY}"
            raise UserError(f"expected a finite validation loss, got {row['val_loss']} {where}")
        row["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        self.history.append(row)
        if self.patience is not None and self.best_epoch == self.last_epoch:
            self.best_weights = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        return row

    def _check_finite(self) -> None:
        """Raise UserError in all processes if one has a loss or a weight that is not finite; all have to call it."""
        losses = self.losses["loss"][: self.step] if self.step else torch.zeros(0)
        wrong = (~losses.isfinite()).nonzero().flatten().tolist()
        where = f"in epoch {self.epoch}, step {wrong[0] + 1 if wrong else self.step}: {REMEDY}"
        if self.processes.all_reduce_max(bool(wrong)):
            raise UserError(f"expected a finite loss, got {losses[wrong[0]].item() if wrong else 'another'} {where}")
        # The last step may have spoiled the weights, though its loss was finite.
        if not all(parameter.isfinite().all() for parameter in self.network.parameters()):
            raise UserError(f"expected finite weights, got others {where}")

    def state_dict(self) -> State:
        """Return all that it takes to continue from here; every process has to call it."""
        self.seconds = time.perf_counter() - self._started
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
            "step": self.step,
            "losses": {name: self.processes.all_reduce_sum(losses.clone()) for name, losses in self.losses.items()},
            "best_weights": self.best_weights,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: State) -> None:
        """Restore what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history, self.step, self.seconds = state["history"], state["step"], state["seconds"]
        # Saved are sums over all processes: the main process carries them on.
        is_main = self.processes.is_main
        self.losses = {name: losses.to(self.device) * is_main for name, losses in state["losses"].items()}
        best = state["best_weights"]
        self.best_weights = best and {name: tensor.to(self.device) for name, tensor in best.items()}


def _default_generator(device: torch.device) -> torch.Generator:
    """Return the generator that layers draw from."""
    if device.type == "cuda":
        return torch.cuda.default_generators[torch.cuda.current_device()]
    return torch.default_generator
