"""Check what a checkpoint holds before a training goes on from it: not every file there was written by this training.

A state that does not fit would end in a traceback at every further run or, in fused optimizers, in others' memory.
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hourglass.networks.base.autoencoder import Autoencoder

SHORT = 8  # values along an axis that make no difference any more to what an optimizer keeps of a parameter
State = dict[str, Any]


def last_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """Return the last epoch that was trained to its end; 0 before the first one was, or where a linear path starts."""
    return int(history[-1]["epoch"]) if history else 0


def check_state(state: Any, fresh: State, network: Autoencoder, optimizer: Optimizer, steps: int) -> None:  # noqa: ANN401
    """Raise ValueError unless a loaded state has the keys, types and shapes that the training's own states have.

    Args:
        state: What was loaded.
        fresh: The state of the same training before its first step.
        network: The network.
        optimizer: The optimizer of its parameters.
        steps: The number of steps of an epoch.
    """
    _require(isinstance(state, dict) and state.keys() == fresh.keys(), "state", f"the keys {', '.join(fresh)}")
    for part in ("network", "schedule", "seconds"):
        _check_form(state[part], fresh[part], part)
    if state["best_weights"] is not None:
        _check_form(state["best_weights"], fresh["network"], "best_weights")
    _check_optimizer(state["optimizer"], fresh["optimizer"], optimizer)
    _check_history(state["history"], first_epoch=1 if network.linear is None else 0)
    _require(type(state["step"]) is int and 0 <= state["step"] <= steps, "step", f"a number up to {steps}")
    _require(isinstance(state["losses"], dict) and (not state["step"] or "loss" in state["losses"]), "losses", "a loss")
    for name, losses in state["losses"].items():
        _check_form(losses, torch.zeros(steps, dtype=torch.float64), f"losses.{name}")


def _check_form(value: Any, model: Any, place: str) -> None:  # noqa: ANN401  # whatever a state holds
    """Raise ValueError unless a value is of the type and the size of another; numbers have to be finite."""
    if isinstance(model, Tensor):
        like = f"{model.dtype} {tuple(model.shape)}, finite"
        _require(isinstance(value, Tensor) and (value.dtype, value.shape) == (model.dtype, model.shape), place, like)
        _require(bool(value.isfinite().all()), place, like)
    elif isinstance(model, int | float) and not isinstance(model, bool):
        _require(type(value) in (int, float) and (math.isfinite(value) or value == model), place, "a finite number")
    elif isinstance(model, dict):
        _require(isinstance(value, dict) and value.keys() == model.keys(), place, f"the keys {list(model)}")
        for key in model:
            _check_form(value[key], model[key], f"{place}.{key}")
    elif isinstance(model, list | tuple):
        _require(type(value) is type(model) and len(value) == len(model), place, f"{len(model)} values")
        for index, (part, like_part) in enumerate(zip(value, model, strict=True)):
            _check_form(part, like_part, f"{place}.{index}")
    else:
        _require(type(value) is type(model), place, type(model).__name__)


def _check_optimizer(state: Any, fresh: State, optimizer: Optimizer) -> None:  # noqa: ANN401
    """Check the settings of an optimizer, and the means that it keeps of every parameter, from its first step on."""
    _require(isinstance(state, dict) and state.keys() == fresh.keys(), "optimizer", f"the keys {list(fresh)}")
    _check_form(state["param_groups"], fresh["param_groups"], "optimizer.param_groups")
    _require(isinstance(state["state"], dict), "optimizer.state", "means of every parameter")
    if not state["state"]:
        return
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    # What an optimizer keeps of a parameter may depend on its number of axes, and on which of them are short.
    small = [nn.Parameter(torch.zeros([min(side, SHORT) for side in parameter.shape])) for parameter in parameters]
    for parameter in small:
        parameter.grad = torch.zeros_like(parameter)
    takes = inspect.signature(type(optimizer)).parameters  # AdamW has a default that it does not take
    example = type(optimizer)(small, **{name: value for name, value in optimizer.defaults.items() if name in takes})
    example.step()
    like = {
        number: {
            name: torch.empty_like(value if value.shape != one.shape else parameter, device="cpu")
            for name, value in example.state[one].items()
        }
        for number, (one, parameter) in enumerate(zip(small, parameters, strict=True))
    }
    _check_form(state["state"], like, "optimizer.state")


def _check_history(history: Any, first_epoch: int) -> None:  # noqa: ANN401
    _require(isinstance(history, list), "history", "a row for every epoch")
    for epoch, row in enumerate(history, first_epoch):
        place = f"history.{epoch}"
        _require(isinstance(row, dict) and {"epoch", "val_loss", "learning_rate"} <= row.keys(), place, "its losses")
        _check_form(row, dict.fromkeys(row, 0.0), place)
        _require(row["epoch"] == epoch, place, "the epochs in order")


def _require(fits: bool, place: str, expected: str) -> None:
    if not fits:
        raise ValueError(f"{place}: expected {expected}, got another")
