"""How the learning rate changes during a training."""

from collections.abc import Callable, Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

from hourglass.config.types import Epochs, Fraction, OpenFraction


class Schedule:
    """A constant learning rate; subclasses change it after every step or after every epoch."""

    def __init__(self, scheduler: LRScheduler | None = None) -> None:
        self._scheduler = scheduler

    @property
    def is_constant(self) -> bool:
        """Whether the learning rate stays as it is."""
        return self._scheduler is None

    def after_step(self) -> None:
        """Update the learning rate after an optimizer step."""

    def after_epoch(self, val_loss: float) -> None:
        """Update the learning rate after an epoch, given its validation loss."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint; the learning rate itself is part of the optimizer's."""
        return self._scheduler.state_dict() if self._scheduler else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        if self._scheduler:
            self._scheduler.load_state_dict(state)


class Plateau(Schedule):
    """Multiplies the learning rate by `factor` whenever the validation loss stops falling.

    Args:
        factor: What the learning rate is multiplied by.
        patience: Epochs without a lower validation loss before that.
        minimum: Lowest learning rate.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,  # all schedules take the same arguments
        *,
        factor: OpenFraction = 0.5,
        patience: Epochs = 3,
        minimum: Fraction = 0.0,
    ) -> None:
        # torch counts the epochs before the one that changes the rate; we count that one too, as Keras does.
        self._plateau = ReduceLROnPlateau(optimizer, factor=factor, patience=patience - 1, min_lr=minimum, threshold=0)
        super().__init__(self._plateau)

    def after_epoch(self, val_loss: float) -> None:
        """Update the learning rate after an epoch, given its validation loss."""
        self._plateau.step(val_loss)


class OneCycle(Schedule):
    """Raises the learning rate to that of the recipe, then lowers it to zero at the last step.

    Smith and Topin (2018), Super-convergence, arXiv:1708.07120; cosine in both directions, constant momentum.

    Args:
        warmup: Share of all steps in which the learning rate rises.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, *, warmup: OpenFraction = 0.3) -> None:
        steps = total_steps + 1  # the last one, at a learning rate of zero, is not taken
        share = max(warmup, 2 / steps)  # torch needs at least one step before the peak
        highest = optimizer.param_groups[0]["lr"]
        super().__init__(OneCycleLR(optimizer, highest, total_steps=steps, pct_start=share, cycle_momentum=False))

    def after_step(self) -> None:
        """Update the learning rate after an optimizer step."""
        assert self._scheduler is not None
        self._scheduler.step()


SCHEDULES: Mapping[str, Callable[..., Schedule]] = {"plateau": Plateau, "one_cycle": OneCycle}
