"""Muon: steps of orthogonal matrices, for the matrices of a network; AdamW for all else."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

SMALLEST_SIDE = 8  # of a matrix whose directions are worth balancing; torch takes any
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic polynomial that takes all singular values to about 1
ITERATIONS = 5
EPSILON = 1e-7  # of the norm that a gradient is divided by
RMS_OF_ADAMW = 0.2  # what the root mean square of AdamW's steps is


class Muon(Optimizer):
    """Momentum, orthogonalized: every direction of a weight matrix gets a step of the same size.

    Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks, kellerjordan.github.io/posts/muon.
    The size of a step is that of AdamW's, so that its learning rates and decays hold (Liu et al., 2025, Muon is
    scalable for LLM training, arXiv:2502.16982). Filters (filters, channels, h, w) are the matrix (filters, rest).
    Vectors, and matrices with a side below 8, are left to AdamW.

    It computes what `torch.optim.Muon(..., adjust_lr_fn="match_rms_adamw")` does, which takes matrices alone and
    iterates in bfloat16, slow on CPUs; here it is the parameters' own type, on the smaller side's Gram matrix.

    Args:
        parameters: What to optimize.
        lr: Step size.
        momentum: Decay of the running mean of the gradients of matrices.
        weight_decay: Share of every weight that a step removes, times the learning rate.
        betas: Decay of AdamW's running means.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        every = list(parameters)
        matrices = [parameter for parameter in every if is_matrix(parameter)]
        rest = [parameter for parameter in every if not is_matrix(parameter)]
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "betas": betas}
        super().__init__([{"params": matrices}], defaults)
        self._adamw = AdamW([{"params": rest}], lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
        self.param_groups += self._adamw.param_groups

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # nobody hands over a closure
        """Take one step."""
        of_matrices, *others = self.param_groups
        # Loading a state replaces both.
        self._adamw.param_groups, self._adamw.state = others, self.state
        self._adamw.step()
        rate, momentum = of_matrices["lr"], of_matrices["momentum"]
        for parameter in of_matrices["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            state["momentum_buffer"].lerp_(parameter.grad, 1 - momentum)
            direction = orthogonalized(parameter.grad.lerp(state["momentum_buffer"], momentum))  # Nesterov's
            parameter.mul_(1 - rate * of_matrices["weight_decay"])
            parameter.sub_(direction, alpha=rate * RMS_OF_ADAMW * max(_sides(parameter)) ** 0.5)


def is_matrix(parameter: Tensor) -> bool:
    """Return whether a parameter is a matrix, or filters, of two sides that are not small."""
    return parameter.ndim >= 2 and min(_sides(parameter)) >= SMALLEST_SIDE


def orthogonalized(gradient: Tensor) -> Tensor:
    """Return a gradient with its singular values about 1, by a Newton-Schulz iteration; of the same shape.

    A step of it is X <- (a + b X X^T + c (X X^T)^2) X. All of them together are one matrix Q times X, and Q follows
    from X X^T alone, which has the size of the smaller side.
    """
    # Of filters in channels_last the rest is in another order, and that of columns changes nothing.
    strides = gradient.stride()
    last = gradient.ndim == 4 and strides[1] == 1 and not gradient.is_contiguous()
    matrix = (gradient.permute(0, 2, 3, 1) if last else gradient).flatten(1)
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if tall else matrix
    gram = wide @ wide.T / matrix.norm().clamp(min=EPSILON).square()
    a, b, c = COEFFICIENTS
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = identity / matrix.norm().clamp(min=EPSILON)
    for _ in range(ITERATIONS):
        polynomial = a * identity + b * gram + c * (gram @ gram)
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    flat = matrix @ product.T if tall else product @ matrix
    if last:
        return flat.view(gradient.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
    return flat.view(gradient.shape)


def _sides(parameter: Tensor) -> tuple[int, int]:
    return parameter.shape[0], parameter[0].numel()
