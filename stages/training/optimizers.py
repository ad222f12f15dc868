"""The optimizers that a recipe can name."""

from collections.abc import Iterable

from torch import nn
from torch.optim import Adadelta, Adam, AdamW, Optimizer


def make_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    betas: tuple[float, float] | None = None,
    rho: float | None = None,
    weight_decay: float | None = None,
) -> Optimizer:
    """Make one of these, in its fastest form.

    "adam": Kingma and Ba, 2015; "adamw": Loshchilov and Hutter, 2019; "adadelta": Zeiler, 2012.
    """
    if name == "adam":
        return Adam(parameters, lr=learning_rate, betas=betas or (0.9, 0.999), fused=True)
    if name == "adamw":
        decay = 0.01 if weight_decay is None else weight_decay
        return AdamW(parameters, lr=learning_rate, betas=betas or (0.9, 0.999), weight_decay=decay, fused=True)
    if name == "adadelta":
        return Adadelta(parameters, lr=learning_rate, rho=0.9 if rho is None else rho, foreach=True)
    raise ValueError(f"expected adam, adamw or adadelta, got {name}")
