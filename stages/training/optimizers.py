"""The optimizers that a recipe can name."""

from collections.abc import Iterable

from torch import nn
from torch.optim import Adadelta, Adam, Optimizer


def make_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    betas: tuple[float, float] | None = None,
    rho: float | None = None,
) -> Optimizer:
    """Make "adam" (Kingma and Ba, 2015) or "adadelta" (Zeiler, 2012), each in its fastest form."""
    if name == "adam":
        return Adam(parameters, lr=learning_rate, betas=betas or (0.9, 0.999), fused=True)
    if name == "adadelta":
        return Adadelta(parameters, lr=learning_rate, rho=0.9 if rho is None else rho, foreach=True)
    raise ValueError(f"expected adam or adadelta, got {name}")
