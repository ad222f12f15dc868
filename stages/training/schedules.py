"""How the learning rate changes while a network trains."""

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau


class Constant:
    """The learning rate stays; the others may change it after a step or after an epoch."""

    changes = False

    def after_step(self) -> None:
        """Change it after an optimizer step."""

    def after_epoch(self, val_loss: float) -> None:
        """Change it after an epoch's validation."""

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint has to hold."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""


class Plateau(Constant):
    """Multiply it by `factor` after `patience` epochs without gain in validation loss, down to `minimum`."""

    changes = True

    def __init__(self, optimizer: Optimizer, factor: float, patience: int, minimum: float) -> None:
        # torch counts the epochs that it lets pass before the one that changes the rate; users count as Keras does.
        self._rule = ReduceLROnPlateau(optimizer, factor=factor, patience=patience - 1, min_lr=minimum, threshold=0)

    def after_epoch(self, val_loss: float) -> None:
        """Change it after an epoch's validation."""
        self._rule.step(val_loss)

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint has to hold."""
        return self._rule.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._rule.load_state_dict(state)


class OneCycle(Constant):
    """Raise it to the recipe's rate in the first part `warmup` of all steps, then lower it to nothing.

    Smith and Topin (2018), Super-convergence, arXiv:1708.07120; cosine in both directions, momentum left alone.
    """

    changes = True

    def __init__(self, optimizer: Optimizer, learning_rate: float, total_steps: int, warmup: float) -> None:
        self._rule = OneCycleLR(
            optimizer, max_lr=learning_rate, total_steps=total_steps + 1, pct_start=warmup, cycle_momentum=False
        )

    def after_step(self) -> None:
        """Change it after an optimizer step."""
        self._rule.step()

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint has to hold."""
        return {"last_epoch": self._rule.last_epoch, "_step_count": self._rule._step_count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; the rate itself is in the optimizer's."""
        self._rule.load_state_dict(state)


def make_schedule(
    optimizer: Optimizer,
    total_steps: int,
    plateau: Mapping[str, Any] | None = None,
    one_cycle: Mapping[str, Any] | None = None,
) -> Constant:
    """Make the one that a recipe names; `total_steps` are the optimizer steps of all epochs."""
    if plateau is not None:
        return Plateau(optimizer, **plateau)
    if one_cycle is not None:
        return OneCycle(optimizer, optimizer.param_groups[0]["lr"], total_steps, **one_cycle)
    return Constant()
