"""The training loop: it knows no family by name.

bytes on the device -> shuffled batch -> scale -> model.loss -> optimizer step -> ... -> validation -> next epoch
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from stages.errors import UserError
from stages.models.autoencoder import Autoencoder, scale


@dataclass(frozen=True)
class Epoch:
    """One row of the history: mean losses over all images of the split."""

    epoch: int
    train_loss: float
    val_loss: float


def train(
    model: Autoencoder,
    optimizer: Optimizer,
    train_images: Tensor,
    val_images: Tensor,
    *,
    epochs: int,
    batch_size: int,
    patience: int | None,
    generator: torch.Generator,
    on_batch: Callable[[int], object] = lambda count: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Fit `model` to bytes (N, C, H, W) that lie on its device, and return a row for every epoch that ran.

    With `patience`, stop after so many epochs without gain in validation loss, and leave the model as it was after the
    best epoch. Without, run all epochs and leave it as it was after the last. `generator`, a CPU one so that the
    order is the same on every device, shuffles. `on_batch` is told the images in each batch.
    """
    history: list[Epoch] = []
    best = math.inf
    best_weights = None
    since_best = 0
    for number in range(1, epochs + 1):
        train_loss = _train_epoch(model, optimizer, train_images, batch_size, generator, on_batch)
        row = Epoch(number, train_loss, validate(model, val_images, batch_size))
        _check_finite(row)
        history.append(row)
        on_epoch(row)
        if patience is None:
            continue
        since_best += 1
        if row.val_loss < best:
            best, since_best = row.val_loss, 0
            best_weights = copy.deepcopy(model.state_dict())
        if since_best >= patience:
            break
    if best_weights is not None:
        model.load_state_dict(best_weights)
    return history


def _train_epoch(
    model: Autoencoder,
    optimizer: Optimizer,
    images: Tensor,
    batch_size: int,
    generator: torch.Generator,
    on_batch: Callable[[int], object],
) -> float:
    model.train()
    order = torch.randperm(len(images), generator=generator).to(images.device)
    total = torch.zeros((), device=images.device, dtype=torch.float64)
    for batch in order.split(batch_size):
        loss = model.loss(scale(images[batch]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # Summed on the device: reading a number back would make the CPU wait for the GPU in every step.
        total += loss.detach() * len(batch)
        on_batch(len(batch))
    return total.item() / len(images)


@torch.no_grad()
def validate(model: Autoencoder, images: Tensor, batch_size: int) -> float:
    """Give the mean loss over bytes (N, C, H, W), in evaluation mode."""
    model.eval()
    total = torch.zeros((), device=images.device, dtype=torch.float64)
    for batch in images.split(batch_size):
        total += model.loss(scale(batch)) * len(batch)
    return total.item() / len(images)


def _check_finite(row: Epoch) -> None:
    if not (math.isfinite(row.train_loss) and math.isfinite(row.val_loss)):
        raise UserError(
            f"expected a finite loss, got train {row.train_loss} and validation {row.val_loss} in epoch {row.epoch}: "
            "lower `learning_rate`, or raise `batch_size`"
        )
