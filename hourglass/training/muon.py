"""Muon: steps of orthogonal matrices, for the matrices of a network; AdamW for all else."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.optimizer import StateDict

SMALLEST_SIDE = 8  # of a matrix whose directions are worth balancing; torch takes any
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic polynomial that takes all singular values to about 1
ITERATIONS = 5
EPSILON = 1e-7  # of the norm that a gradient is divided by
RMS_OF_ADAMW = 0.2  # what the root mean square of AdamW's steps is


class Muon(Optimizer):
    """Momentum, orthogonalized: every direction of a weight matrix gets a step of the same size.

    Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks, kellerjordan.github.io/posts/muon.
    The size of a step is that of AdamW's, so that its learning rates and decays hold (Liu et al., 2025, Muon is
    scalable for LLM training, arXiv:2502.16982). Filters, (filters, channels, h, w) or of a transposed convolution
    (channels, filters, h, w), are the matrix (first axis, rest). Vectors, and matrices with a side below 8, are left to
    AdamW.

    It computes what `torch.optim.Muon(..., adjust_lr_fn="match_rms_adamw")` does, which takes matrices alone and
    iterates in bfloat16, slow on CPUs; here it is the parameters' own type, on the Gram matrix of the smaller side
    unless tf32 is allowed.

    Args:
        parameters: What to optimize.
        lr: Step size.
        momentum: Decay of the running mean of the gradients of matrices.
        weight_decay: Share of every weight, those of vectors too, that a step removes, times the learning rate.
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
        self._share()

    def _share(self) -> None:
        """Let AdamW work on this optimizer's own groups and state; a compiled step could not replace them."""
        self._adamw.param_groups, self._adamw.state = self.param_groups[1:], self.state

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Continue from a state; loading it replaces the groups and the state."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # nobody hands over a closure
        """Take one step."""
        self._adamw.step()
        of_matrices = self.param_groups[0]
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

    A step of it is X <- (a + b X X^T + c (X X^T)^2) X.
    """
    # Of filters in channels_last the rest is in another order, and that of columns changes nothing.
    strides = gradient.stride()
    last = gradient.ndim == 4 and strides[1] == 1 and not gradient.is_contiguous()
    matrix = (gradient.permute(0, 2, 3, 1) if last else gradient).flatten(1)
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if tall else matrix
    if torch.backends.cuda.matmul.allow_tf32:
        iterated = _iterated(wide / wide.norm().clamp(min=EPSILON))
        flat = iterated.T if tall else iterated
    else:
        product = _product_of_steps(wide)
        flat = matrix @ product.T if tall else product @ matrix
    if last:
        return flat.view(gradient.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
    return flat.view(gradient.shape)


def _product_of_steps(wide: Tensor) -> Tensor:
    """Return the matrix that all steps together multiply X with, over the norm of X.

    It follows from X X^T alone, which has the size of the smaller side. In float32 only: rounded to less, X X^T gets
    eigenvalues below zero, and the polynomial makes them large.
    """
    norm = wide.norm().clamp(min=EPSILON)
    gram = wide @ wide.T / norm.square()
    a, b, c = COEFFICIENTS
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = identity / norm
    for _ in range(ITERATIONS):
        polynomial = a * identity + b * gram + c * (gram @ gram)
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    return product


def _iterated(values: Tensor) -> Tensor:
    """Return X after all steps; X X^T, computed anew in each of them, has no eigenvalue below zero in any precision."""
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = values @ values.T
        values = a * values + (b * gram + c * (gram @ gram)) @ values
    return values


def _sides(parameter: Tensor) -> tuple[int, int]:
    return parameter.shape[0], parameter[0].numel()
