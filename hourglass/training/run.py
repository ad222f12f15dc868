"""From a recipe to trained networks: one training for each seed, or one solution in closed form.

recipe -> optimizer, schedule, trainer -> checkpoints while it runs -> network, history
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hourglass.console import command
from hourglass.console.errors import StoppedError, UserError
from hourglass.console.progress import progress
from hourglass.data.prepared import Images
from hourglass.inference.batches import batch_size, batches
from hourglass.inference.device import can_compile, choose_precision
from hourglass.networks.base.autoencoder import Autoencoder, Solvable, TrainsOnParts
from hourglass.training.augmentation import Augmentation
from hourglass.training.batches import Batches, place
from hourglass.training.checkpoints import Checkpoints, Snapshots, State, run_key
from hourglass.training.distributed import ProcessGroup
from hourglass.training.objective import Objective, mean_losses
from hourglass.training.optimizers import OPTIMIZERS
from hourglass.training.recipe import Recipe, Settings
from hourglass.training.schedules import SCHEDULES, Schedule
from hourglass.training.trainer import Row, Trainer

Build = Callable[[int], Autoencoder]  # a network whose first weights depend on the seed alone
DEFAULT_OPTIMIZER = {"name": "adam"}


@dataclass(frozen=True)
class Run:
    """One trained network.

    Attributes:
        network: The network that came out.
        history: A row for every epoch.
        best_epoch: The first epoch with the lowest validation loss.
        kept_epoch: The epoch whose weights it has.
        seconds: What the training took, interruptions left out.
        seed: Seed of its first weights and of all random draws.
        snapshots: Files of the weights after some of its epochs.
    """

    network: Autoencoder
    history: list[Row]
    best_epoch: int
    kept_epoch: int
    seconds: float
    seed: int = 0
    snapshots: Sequence[Path] = ()

    @property
    def val_loss(self) -> float:
        """The validation loss of the weights that were kept."""
        return self.history[self.kept_epoch - 1]["val_loss"]


def train(
    title: str,
    build: Build,
    splits: Sequence[Images],
    recipe: Recipe,
    settings: Settings,
    folder: Path,
    identity: dict[str, Any],
    device: torch.device,
    processes: ProcessGroup,
) -> tuple[list[Run], dict[str, object]]:
    """Train by gradient descent, once for each seed; return the runs, and how they were computed.

    Args:
        title: Name in messages and progress bars.
        build: Builds the network for a seed.
        splits: Training and validation images, bytes (N, C, H, W).
        recipe: How to train.
        settings: How, and on what, to compute.
        folder: Folder of the checkpoints of this model's trainings.
        identity: What the weights depend on besides recipe and settings: the network and its data.
        device: Where to compute.
        processes: The processes that train together.
    """
    precision = choose_precision(settings.precision, device)
    compiled = recipe.compile and can_compile(device)
    data = place([training_examples(images, build(0)) for images in splits], device, settings.data)
    # What changes no bit (where images are kept, when checkpoints are saved) is no part of the key.
    computed = {"deterministic": settings.deterministic, "channels_last": settings.channels_last}
    on = {"device": device.type, "precision": precision, "compiled": compiled, "processes": processes.world_size}
    started = time.perf_counter()
    runs: list[Run] = []
    for seed in recipe.seeds:
        network = build(seed).to(device)
        trainer = make_trainer(
            network, recipe, len(data[0]), seed, precision, settings.channels_last, compiled, processes
        )
        key = run_key({"recipe": asdict(recipe), "seed": seed} | identity | computed | on)
        checkpoints = Checkpoints(folder / key, settings.checkpoint_seconds)
        snapshots = Snapshots(checkpoints.folder, recipe.save_every if processes.is_main and not runs else None)
        fit(trainer, data, checkpoints, snapshots, title if len(recipe.seeds) == 1 else f"{title}, seed {seed}")
        if len(recipe.seeds) > 1:  # so that an interruption of the next run costs this one nothing
            state = trainer.state_dict()
            if processes.is_main:
                checkpoints.save(trainer.epoch, trainer.step, state)
        best, kept = trainer.best_epoch, trainer.kept_epoch
        runs.append(Run(network, trainer.history, best, kept, trainer.seconds, seed, snapshots.files()))
    waited = sum(part.waited for part in data) / (time.perf_counter() - started)
    return runs, on | {"data": data[0].kind, "share_of_time_waiting_for_data": waited}


def training_examples(images: Images, network: Autoencoder) -> Images:
    """Return what the family trains on: the images, or parts of them, cut once and held in memory."""
    if not isinstance(network, TrainsOnParts):
        return images
    return network.examples(torch.from_numpy(np.array(images))).numpy()


def make_trainer(
    network: Autoencoder,
    recipe: Recipe,
    images: int,
    seed: int,
    precision: str,
    channels_last: bool,
    compiled: bool,
    processes: ProcessGroup,
) -> Trainer:
    """Return the trainer that a recipe describes, for a number of training images."""
    if recipe.augment is not None and isinstance(network, TrainsOnParts):
        raise UserError("training.augment: expected a family that trains on whole images, got one of parts: remove it")
    options = dict(recipe.optimizer or DEFAULT_OPTIMIZER)
    optimizer = OPTIMIZERS[options.pop("name")](network.parameters(), recipe.scaled_learning_rate, **options)
    schedule = Schedule()
    if recipe.schedule is not None:
        options = dict(recipe.schedule)
        steps = recipe.epochs * math.ceil(images / recipe.batch_size)
        schedule = SCHEDULES[options.pop("name")](optimizer, steps, **options)
    return Trainer(
        network,
        optimizer,
        schedule,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        patience=recipe.patience,
        clip_norm=recipe.clip_norm,
        augment=None if recipe.augment is None else Augmentation(**recipe.augment),
        seed=seed,
        precision=precision,
        channels_last=channels_last,
        compiled=compiled,
        processes=processes,
    )


def fit(trainer: Trainer, data: Sequence[Batches], checkpoints: Checkpoints, snapshots: Snapshots, title: str) -> None:
    """Train from the last checkpoint, or from the start, to the end, with a progress bar; save when it is time.

    Raises:
        StoppedError: If SIGINT or SIGTERM was received, after a checkpoint was saved.
    """
    train, val = data
    processes = trainer.processes
    state = processes.broadcast(checkpoints.load() if processes.is_main else None)
    if state is not None:
        trainer.load_state_dict(state)
        if processes.is_main and not trainer.finished:
            print(f"{title}: continues from epoch {trainer.epoch}, step {trainer.step}")
    done = len(trainer.history) * len(train) + min(trainer.step * trainer.batch_size, len(train))
    with (
        command.deferred_signals() as stop_signal,
        progress(len(train) * trainer.epochs, title, "img", done, hidden=not processes.is_main) as bar,
    ):

        def save(state: State, signal: int) -> None:
            where = f"epoch {trainer.epoch}, step {trainer.step}"
            saved = checkpoints.save(trainer.epoch, trainer.step, state) if processes.is_main else False
            if signal:
                processes.broadcast(saved)  # no process leaves before the main one has saved
                after = f"saved at {where}; the next run continues there" if saved else f"could not save at {where}"
                raise StoppedError(f"{title}: stopped, {after}" if processes.is_main else "", signal)

        trainer.fit(
            train,
            val,
            on_batch=bar.update,
            on_loss=lambda loss: bar.set_postfix(epoch=trainer.epoch, loss=f"{loss:.4g}", refresh=False),
            on_epoch=lambda row: snapshots.save(trainer.network, int(row["epoch"])),
            should_save=lambda: processes.is_main and checkpoints.is_due(),
            stop_signal=stop_signal,
            save=save,
        )


def solve(network: Autoencoder, splits: Sequence[Images], device: torch.device) -> Run:
    """Fit a family that has a closed form; its history is one row."""
    assert isinstance(network, Solvable)
    started = time.perf_counter()
    train = splits[0]
    network.fit(batch.numpy() for batch in batches(train, torch.device("cpu")))
    at_once = batch_size(train.shape[1:])
    losses = [mean_losses(Objective(network), split, at_once, ProcessGroup()) for split in place(splits, device)]
    row = {"epoch": 1} | {f"{split}_loss": of["loss"] for split, of in zip(("train", "val"), losses, strict=True)}
    return Run(network, [row], 1, 1, time.perf_counter() - started)
