"""The training loop: it knows no family by name.

    bytes -> shuffled batch on the device -> scale -> model.losses -> optimizer step -> ... -> validation -> next epoch

Whatever is random is drawn from (seed, epoch, step) and not from where a generator was left: a run that goes on from a
checkpoint draws what it would have drawn anyway.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from stages.common.errors import UserError
from stages.models.base.autoencoder import Autoencoder
from stages.training.batches import Batches
from stages.training.distributed import Processes
from stages.training.objective import Objective, mean_losses
from stages.training.schedules import Schedule

LOOK = 1.0  # seconds between looks at the loss; each makes the CPU wait for the GPU
KNOBS = "lower `learning_rate`, raise `batch_size`, or set `clip_norm`"

Row = dict[str, float]  # of the history: epoch, train_<loss>, val_<loss>, ..., learning_rate


class Trainer:
    """Fits a model by gradient descent, epoch after epoch; `state_dict` is all that it takes to go on from any step.

    With `patience`, it stops after so many epochs without gain in validation loss, and leaves the model as it was after
    the best epoch. Without, it runs all epochs and leaves it as it was after the last. `clip_norm` bounds the norm of
    the gradients, `augment` changes every batch that is trained on. `compiled` hands the network to torch.compile.
    """

    def __init__(
        self,
        model: Autoencoder,
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
        processes: Processes | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule or Schedule()
        self.epochs, self.batch_size, self.patience = epochs, batch_size, patience
        self.clip_norm, self.augment, self.seed = clip_norm, augment, seed
        self.processes = processes or Processes()
        self.device = next(model.parameters()).device
        self.objective: Callable[[Tensor], dict[str, Tensor]] = self.processes.wrap(
            Objective(model, precision, channels_last), self.device
        )
        self.optimizer_step: Callable[[], object] = optimizer.step
        if compiled:
            # On a GPU the kernels of a step are recorded once, as a CUDA graph, and launched together.
            mode = "reduce-overhead" if self.device.type == "cuda" else None
            # Of fixed shapes, and from nothing: what is compiled must not depend on what this process has seen before,
            # or a run that goes on from a checkpoint would compute with other kernels.
            torch.compiler.reset()
            self.objective = torch.compile(self.objective, mode=mode, dynamic=False)
            if not self.schedule.changes:  # a learning rate that changes would be compiled anew each time
                self.optimizer_step = torch.compile(optimizer.step, dynamic=False)
        self.history: list[Row] = []
        self.step = 0  # of the epoch that is under way
        self.losses: dict[str, Tensor] = {}  # of that epoch, one value a step
        self.best_weights: dict[str, Tensor] | None = None
        self.seconds = 0.0
        self._started = time.perf_counter()

    @property
    def epoch(self) -> int:
        """Count from 1 to the epoch that is under way."""
        return len(self.history) + 1

    @property
    def finished(self) -> bool:
        """Tell whether there is nothing left to train."""
        stopped = self.patience is not None and len(self.history) - self.best_epoch >= self.patience
        return stopped or len(self.history) >= self.epochs

    @property
    def best_epoch(self) -> int:
        """Find the first epoch with the lowest validation loss; 0 before there is one."""
        return int(min(self.history, key=lambda row: row["val_loss"])["epoch"]) if self.history else 0

    @property
    def val_loss(self) -> float:
        """Give the validation loss of the weights that `fit` leaves."""
        kept = self.best_epoch if self.patience is not None else len(self.history)
        return self.history[kept - 1]["val_loss"]

    def fit(
        self,
        train: Batches,
        val: Batches,
        *,
        on_batch: Callable[[int], object] = lambda count: None,
        on_look: Callable[[float], object] = lambda loss: None,
        on_epoch: Callable[[Row], object] = lambda row: None,
        wish: Callable[[], int] = lambda: 0,
        save: Callable[[dict[str, Any], int], object] = lambda state, wish: None,
    ) -> list[Row]:
        """Train to the end, and give a row for every epoch that ran.

        `on_batch` is told the images in each batch, `on_look` about once a second the loss. After each step `wish` is
        asked: if its answer, or that in another process, is not 0, `save` gets the state and the highest; it may raise.
        """

        def heed() -> None:
            wished = self.processes.highest(wish())
            if wished:
                self._check()
                save(self.state_dict(), wished)

        self._started = time.perf_counter() - self.seconds
        looked = 0.0
        while not self.finished:
            self.model.train()
            self._epoch_seed = int(np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)[0] >> 1)
            batches = self._shuffled(len(train))
            shares = [self.processes.share(batch) for batch in batches[self.step :]]
            for images, (_, weight) in zip(train.read([mine for mine, _ in shares]), shares, strict=True):
                self._train_step(images, weight, len(batches))
                on_batch(len(batches[self.step - 1]))
                heed()
                if time.perf_counter() - looked > LOOK:
                    on_look(self.losses["loss"][self.step - 1].item())
                    if self.processes.count == 1:  # together they look where all of them do
                        self._check()
                    looked = time.perf_counter()
            on_epoch(self._end_epoch(val, [len(batch) for batch in batches], heed))
        self.seconds = time.perf_counter() - self._started
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
        return self.history

    def _shuffled(self, count: int) -> tuple[Tensor, ...]:
        """Cut the indices 0 ... count - 1, in this epoch's order, into batches."""
        # Not drawn on the device, so that the order is the same on every one.
        generator = torch.Generator().manual_seed(self._epoch_seed)
        return torch.randperm(count, generator=generator).split(self.batch_size)

    def _train_step(self, images: Tensor, weight: float, steps: int) -> None:
        # What layers draw, dropout and the like, depends on nothing but where the run is, and differs in each process.
        drawn = self._epoch_seed + 1 + self.step * self.processes.count + self.processes.rank
        _default_generator(self.device).manual_seed(drawn % 2**63)
        self.optimizer.zero_grad()  # before the outputs of the layers take their room
        losses = self.objective(images if self.augment is None else self.augment(images))
        losses["loss"].backward(losses["loss"].new_full((), weight))
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer_step()
        self.schedule.after_step()
        for name, loss in losses.items():
            # Kept on the device: reading a number back would make the CPU wait for the GPU in every step.
            if name not in self.losses:
                self.losses[name] = torch.zeros(steps, dtype=torch.float64, device=self.device)
            self.losses[name][self.step] = loss.detach() * weight
        self.step += 1

    def _end_epoch(self, val: Batches, counts: list[int], heed: Callable[[], None]) -> Row:
        """Validate, and close the epoch: its row of the history, the learning rate, the best weights."""
        self._check()
        images = torch.tensor(counts, dtype=torch.float64, device=self.device)
        row: Row = {"epoch": self.epoch}
        for name, losses in self.losses.items():
            total = self.processes.sum(losses @ images).item()
            row[f"train_{name}"] = total / sum(counts) / self.processes.count
        self.model.eval()
        for name, value in mean_losses(self.objective, val, self.batch_size, self.processes, heed).items():
            row[f"val_{name}"] = value
        if not math.isfinite(row["val_loss"]):
            raise UserError(f"expected a finite validation loss, got {row['val_loss']} in epoch {self.epoch}: {KNOBS}")
        row["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        self.history.append(row)
        self.step, self.losses = 0, {}
        self.schedule.after_epoch(row["val_loss"])
        if self.patience is not None and self.best_epoch == len(self.history):
            self.best_weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        return row

    def _check(self) -> None:
        """Raise UserError, in every process, if one has met a loss or a weight that is not finite; all have to ask."""
        losses = self.losses["loss"][: self.step]
        wrong = (~losses.isfinite()).nonzero().flatten().tolist()
        where = f"in epoch {self.epoch}, step {wrong[0] + 1 if wrong else self.step}: {KNOBS}"
        if self.processes.highest(bool(wrong)):
            raise UserError(f"expected a finite loss, got {losses[wrong[0]].item() if wrong else 'another'} {where}")
        # The last step may have spoilt the weights, though its loss was finite.
        if not all(parameter.isfinite().all() for parameter in self.model.parameters()):
            raise UserError(f"expected finite weights, got others {where}")

    def state_dict(self) -> dict[str, Any]:
        """Give all that it takes to go on from here; every process has to ask."""
        self.seconds = time.perf_counter() - self._started
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "history": self.history,
            "step": self.step,
            "losses": {name: self.processes.sum(losses.clone()) for name, losses in self.losses.items()},
            "best_weights": self.best_weights,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history, self.step, self.seconds = state["history"], state["step"], state["seconds"]
        # The sum over all processes, which one of them has to carry on.
        self.losses = {name: losses.to(self.device) * self.processes.leads for name, losses in state["losses"].items()}
        best = state["best_weights"]
        self.best_weights = best and {name: tensor.to(self.device) for name, tensor in best.items()}


def _default_generator(device: torch.device) -> torch.Generator:
    """Give the generator that layers draw from."""
    if device.type == "cuda":
        return torch.cuda.default_generators[torch.cuda.current_device()]
    return torch.default_generator
