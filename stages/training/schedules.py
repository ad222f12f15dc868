"""How the learning rate changes while a network trains."""

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau


class Schedule:
    """The learning rate stays as it is, unless a subclass changes it after a step or after an epoch."""

    def __init__(self, rule: LRScheduler | None = None) -> None:
        self._rule = rule

    @property
    def changes(self) -> bool:
        """Tell whether it may change at all."""
        return self._rule is not None

    def after_step(self) -> None:
        """Change it after an optimizer step."""

    def after_epoch(self, val_loss: float) -> None:
        """Change it after an epoch's validation."""

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint has to hold; the rate itself is in the optimizer's."""
        return self._rule.state_dict() if self._rule else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        if self._rule:
            self._rule.load_state_dict(state)


class Plateau(Schedule):
    """Multiply it by `factor` after `patience` epochs without gain in validation loss, down to `minimum`."""

    def __init__(self, optimizer: Optimizer, factor: float, patience: int, minimum: float) -> None:
        # torch counts the epochs that it lets pass before the one that changes the rate; users count as Keras does.
        self._plateau = ReduceLROnPlateau(optimizer, factor=factor, patience=patience - 1, min_lr=minimum, threshold=0)
        super().__init__(self._plateau)

    def after_epoch(self, val_loss: float) -> None:
        """Change it after an epoch's validation."""
        self._plateau.step(val_loss)


class OneCycle(Schedule):
    """Raise it to the recipe's rate in the first part `warmup` of all steps, then lower it to nothing.

    Smith and Topin (2018), Super-convergence, arXiv:1708.07120; cosine in both directions, momentum left alone.
    """

    def __init__(self, optimizer: Optimizer, learning_rate: float, total_steps: int, warmup: float) -> None:
        steps = total_steps + 1  # the last, which would be at nothing, is not taken
        # torch asks for at least one step up before the peak.
        up = max(warmup, 2 / steps)
        self._cycle = OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=up, cycle_momentum=False)
        super().__init__(self._cycle)

    def after_step(self) -> None:
        """Change it after an optimizer step."""
        self._cycle.step()


def make_schedule(
    optimizer: Optimizer,
    total_steps: int,
    plateau: Mapping[str, Any] | None = None,
    one_cycle: Mapping[str, Any] | None = None,
) -> Schedule:
    """Make the one that a recipe names; `total_steps` are the optimizer steps of all epochs."""
    if plateau is not None:
        return Plateau(optimizer, **plateau)
    if one_cycle is not None:
        return OneCycle(optimizer, optimizer.param_groups[0]["lr"], total_steps, **one_cycle)
    return Schedule()
