"""Train with the plain PyTorch loop that most repositories have."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from .job import Job, Result, Stopwatch, serve
from .torch_parts import count_parameters, make_loader, make_network, make_optimizer


def run(job: Job) -> Result:
    """Train and validate for all epochs."""
    network = make_network(job)
    optimizer = make_optimizer(job, network.parameters())
    train_loader = make_loader(job.train, job.batch_size, shuffle=True)
    val_loader = make_loader(job.val, job.batch_size, shuffle=False)
    stopwatch = Stopwatch()
    val_loss = 0.0
    for _ in range(job.epochs):
        train_epoch(network, optimizer, train_loader)
        val_loss = validate(network, val_loader)
        stopwatch.lap()
    return Result(stopwatch.laps, count_parameters(network), val_loss, {"torch": torch.__version__})


def train_epoch(network: nn.Module, optimizer: Optimizer, loader: DataLoader[Tensor]) -> float:
    """Take a step for every batch; return the mean loss over the images."""
    criterion = nn.MSELoss()
    network.train()
    total, count = 0.0, 0
    for images in loader:
        optimizer.zero_grad()
        loss = criterion(network(images), images)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        count += len(images)
    return total / count


@torch.no_grad()
def validate(network: nn.Module, loader: DataLoader[Tensor]) -> float:
    """Return the mean loss over the images."""
    criterion = nn.MSELoss()
    network.eval()
    total, count = 0.0, 0
    for images in loader:
        total += criterion(network(images), images).item() * len(images)
        count += len(images)
    return total / count


if __name__ == "__main__":
    serve(run)
