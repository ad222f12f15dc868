"""The optimizers that a recipe can name: torch's, in their fastest form."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from hourglass.config.types import Beta, Fraction, NonNegative
from hourglass.training.muon import Muon

Parameters = Iterable[nn.Parameter]


def adam(
    parameters: Parameters, learning_rate: float, *, betas: tuple[Beta, Beta] = (0.9, 0.999)
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980).

    Args:
        parameters: What to optimize.
        learning_rate: Step size.
        betas: Decay of the running means of the gradient and of its square.
    """
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, fused=True)


def adamw(
    parameters: Parameters,
    learning_rate: float,
    *,
    betas: tuple[Beta, Beta] = (0.9, 0.999),
    weight_decay: NonNegative = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019, arXiv:1711.05101).

    Args:
        parameters: What to optimize.
        learning_rate: Step size.
        betas: Decay of the running means of the gradient and of its square.
        weight_decay: Share of every weight that a step removes, times the learning rate.
    """
    return torch.optim.AdamW(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)


def adadelta(parameters: Parameters, learning_rate: float, *, rho: Fraction = 0.9) -> torch.optim.Optimizer:
    """Adadelta (Zeiler, 2012, arXiv:1212.5701).

    Args:
        parameters: What to optimize.
        learning_rate: Step size.
        rho: Decay of the running means of the squares of gradient and step.
    """
    return torch.optim.Adadelta(parameters, lr=learning_rate, rho=rho, foreach=True)


def muon(
    parameters: Parameters,
    learning_rate: float,
    *,
    momentum: Beta = 0.95,
    weight_decay: NonNegative = 0.1,
    betas: tuple[Beta, Beta] = (0.9, 0.999),
) -> torch.optim.Optimizer:
    """Muon (Jordan et al., 2024), of matrices and of filters as matrices; AdamW of all else.

    Args:
        parameters: What to optimize.
        learning_rate: Step size, on the scale of AdamW's.
        momentum: Decay of the running mean of the gradients of matrices.
        weight_decay: Share of every weight that a step removes, times the learning rate.
        betas: Decay of the running means of AdamW.
    """
    return Muon(parameters, learning_rate, momentum, weight_decay, betas)


OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": adam,
    "adamw": adamw,
    "adadelta": adadelta,
    "muon": muon,
}
