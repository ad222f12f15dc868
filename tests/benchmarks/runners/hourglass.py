"""Train with Hourglass's trainer, as the stage `train` sets it up."""

import sys
from pathlib import Path

import torch

from hourglass.data.prepared import open_split
from hourglass.inference.device import can_compile, choose_device, choose_precision, keep_freed_memory
from hourglass.training.batches import place
from hourglass.training.distributed import ProcessGroup
from hourglass.training.recipe import Recipe
from hourglass.training.run import make_trainer

from .job import Job, Result, Stopwatch, serve
from .torch_parts import count_parameters, make_network


def run(job: Job) -> Result:
    """Train and validate for all epochs."""
    keep_freed_memory()
    device = choose_device(deterministic="--not-deterministic" not in sys.argv)
    network = make_network(job).to(device)
    recipe = Recipe(
        epochs=job.epochs,
        batch_size=job.batch_size,
        learning_rate=job.learning_rate,
        optimizer={"name": job.optimizer} | job.optimizer_settings,
        compile="--compile" in sys.argv,
    )
    train, val = place([open_split(Path(path).parent) for path in (job.train, job.val)], device)
    trainer = make_trainer(
        network,
        recipe,
        len(train),
        seed=0,
        precision=choose_precision("auto", device),
        channels_last=True,
        compiled=recipe.compile and can_compile(device),
        processes=ProcessGroup(),
    )
    stopwatch = Stopwatch()
    history = trainer.fit(train, val, on_epoch=lambda row: stopwatch.lap())
    return Result(stopwatch.laps, count_parameters(network), history[-1]["val_loss"], {"torch": torch.__version__})


if __name__ == "__main__":
    serve(run)
