"""The optimizers that a recipe can name."""

import inspect
from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Adadelta, Adam, AdamW, Optimizer

Kind = TypeVar("Kind", bound=type[Optimizer])


def make_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    betas: tuple[float, float] | None = None,
    rho: float | None = None,
    weight_decay: float | None = None,
    compiled: bool = False,
) -> Optimizer:
    """Make one of these, in its fastest form; say if its step will be `compiled`.

    "adam": Kingma and Ba, 2015; "adamw": Loshchilov and Hutter, 2019; "adadelta": Zeiler, 2012.
    """
    kind: type[Adam | AdamW | Adadelta]
    settings: dict[str, Any]
    if name == "adam":
        kind, settings = Adam, {"betas": betas or (0.9, 0.999), "fused": True}
    elif name == "adamw":
        decay = 0.01 if weight_decay is None else weight_decay
        kind, settings = AdamW, {"betas": betas or (0.9, 0.999), "weight_decay": decay, "fused": True}
    elif name == "adadelta":
        kind, settings = Adadelta, {"rho": 0.9 if rho is None else rho, "foreach": True}
    else:
        raise ValueError(f"expected adam, adamw or adadelta, got {name}")
    return (kind if compiled else _uncompiled(kind))(parameters, lr=learning_rate, **settings)


def _uncompiled(kind: Kind) -> Kind:
    """Make the same optimizer without what is there for torch.compile alone.

    torch's decorators load its compiler when they are first called, though nothing is compiled: more than a second of
    every training.
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), plain | {"step": torch.no_grad()(inspect.unwrap(kind.step))})  # type: ignore[return-value]
