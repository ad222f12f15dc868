"""Train with Hourglass's trainer, as the stage `train` sets it up."""

import sys
from pathlib import Path

import torch

from stages.common.prepared import open_split
from stages.models.base.device import can_compile, choose_device, choose_precision
from stages.training.batches import place
from stages.training.optimizers import make_optimizer
from stages.training.trainer import Trainer

from .job import Job, Result, Stopwatch, serve
from .torch_parts import count_parameters, make_model


def run(job: Job) -> Result:
    """Train and validate for all epochs."""
    device = choose_device(deterministic="--not-deterministic" not in sys.argv)
    model = make_model(job).to(device)
    compiled = "--compile" in sys.argv and can_compile(device)
    rho = job.optimizer_settings.get("rho")
    optimizer = make_optimizer(job.optimizer, model.parameters(), job.learning_rate, rho=rho, compiled=compiled)
    train, val = place([open_split(Path(path)) for path in (job.train, job.val)], device)
    stopwatch = Stopwatch()
    history = Trainer(
        model,
        optimizer,
        epochs=job.epochs,
        batch_size=job.batch_size,
        precision=choose_precision("auto", device),
        compiled=compiled,
    ).fit(train, val, on_epoch=lambda row: stopwatch.lap())
    return Result(stopwatch.laps, count_parameters(model), history[-1]["val_loss"], {"torch": torch.__version__})


if __name__ == "__main__":
    serve(run)
