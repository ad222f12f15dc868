"""From a recipe to trained networks: one training for each seed, or one solution in closed form.

recipe -> optimizer, schedule, trainer -> checkpoints while it runs -> network, history
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hourglass.console import command
from hourglass.console.errors import StoppedError, UserError
from hourglass.console.progress import progress
from hourglass.data.prepared import Images
from hourglass.inference.batches import Arrays, batch_size
from hourglass.inference.device import can_compile, choose_precision, describe_device
from hourglass.networks.base.autoencoder import Autoencoder, Solvable
from hourglass.training.augmentation import Augmentation, why_not
from hourglass.training.batches import Batches, place
from hourglass.training.checkpoints import Checkpoints, run_key
from hourglass.training.distributed import ProcessGroup
from hourglass.training.objective import Objective, mean_losses
from hourglass.training.optimizers import OPTIMIZERS
from hourglass.training.recipe import Recipe, Settings
from hourglass.training.schedules import SCHEDULES, Schedule
from hourglass.training.state import State, check_state
from hourglass.training.trainer import Row, Trainer

Build = Callable[[int], Autoencoder]  # a network whose first weights depend on the seed alone
DEFAULT_OPTIMIZER = {"name": "adam"}


@dataclass(frozen=True)
class Run:
    """One trained network.

    Attributes:
        network: The network that came out.
        history: A row for every epoch, with epoch 0 first if the network has a linear path.
        best_epoch: The first epoch with the lowest validation loss.
        kept_epoch: The epoch whose weights it has.
        seconds: What the training took, interruptions left out.
        computed: How it was computed: what the last bits of the weights depend on beside recipe and data.
        seed: Seed of its first weights and of all random draws.
        checkpoints: Its last state; None for a family that is solved.
    """

    network: Autoencoder
    history: list[Row]
    best_epoch: int
    kept_epoch: int
    seconds: float
    computed: dict[str, object]
    seed: int = 0
    checkpoints: Checkpoints | None = None

    @property
    def val_loss(self) -> float:
        """The validation loss of the weights that were kept."""
        return next(row["val_loss"] for row in self.history if row["epoch"] == self.kept_epoch)

    @property
    def epochs(self) -> int:
        """The number of epochs that it trained."""
        return int(self.history[-1]["epoch"])

    @property
    def is_kept(self) -> bool:
        """Whether its end is saved, so that nothing is lost with the network."""
        return self.checkpoints is not None and self.checkpoints.has(self.epochs + 1)

    @property
    def snapshots(self) -> dict[int, Path]:
        """Files of the weights after some of its epochs, by epoch."""
        return self.checkpoints.snapshots(self.epochs) if self.checkpoints else {}


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
    """Train by gradient descent, once for each seed; return the runs, and where they had their data from.

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

    Raises:
        UserError: If the training fails, or a snapshot of it was lost.
    """
    precision = choose_precision(settings.precision, device)
    compiled = recipe.compile and can_compile(device)
    untrained = build(0)
    linear = solve_linear(untrained, splits[0])
    data = place([training_examples(images, untrained) for images in splits], device, settings.data)
    # What changes no bit (where images are kept, when checkpoints are saved) is no part of it.
    computed: dict[str, object] = {
        "channels_last": settings.channels_last,
        "compiled": compiled,
        "deterministic": settings.deterministic,
        "device": describe_device(device),  # of a CPU, the number of threads: it says in which order sums are added
        "precision": precision,
        "processes": processes.world_size,
    } | ({"solver": linear.solver} if linear else {})
    started = time.perf_counter()
    runs: list[Run] = []

    def make(seed: int) -> Trainer:
        network = build(seed)
        if linear is not None:
            assert network.linear is not None
            network.linear.load_state_dict(linear.state)
        network.to(device)
        return make_trainer(network, recipe, len(data[0]), seed, precision, settings.channels_last, compiled, processes)

    keys = {seed: run_key({"recipe": asdict(recipe), "seed": seed} | identity | computed) for seed in recipe.seeds}
    saved = {path.parent.name for path in folder.glob("*/*.pt")}
    if processes.is_main and saved and saved.isdisjoint(keys.values()):
        print(f"{title}: starts anew: what is saved has other parameters or code, another device or other threads")
    for seed, key in keys.items():
        save_every = recipe.save_every if processes.is_main and not runs else None
        checkpoints = Checkpoints(folder / key, settings.checkpoint_seconds, save_every)
        title_of_seed = title if len(recipe.seeds) == 1 else f"{title}, seed {seed}"
        steps = math.ceil(len(data[0]) / recipe.batch_size)
        trainer = resume(partial(make, seed), checkpoints, steps, title_of_seed)
        fit(trainer, data, checkpoints, title_of_seed)
        best, kept = trainer.best_epoch, trainer.kept_epoch
        runs.append(Run(trainer.network, trainer.history, best, kept, trainer.seconds, computed, seed, checkpoints))
    waited = sum(part.waited for part in data) / (time.perf_counter() - started)
    return runs, {"data": data[0].kind, "share_of_time_waiting_for_data": waited}


@dataclass(frozen=True)
class SolvedPath:
    """The state of a linear path before the training, and how it was solved; no seed changes it."""

    state: dict[str, torch.Tensor]
    solver: str


def solve_linear(network: Autoencoder, images: Images) -> SolvedPath | None:
    """Solve the linear path of a network, if it has one, on training images."""
    if network.linear is None:
        return None
    solver = network.linear.fit(Arrays(images), tiled=network.linear.shape != network.image_shape)
    return SolvedPath(network.linear.state_dict(), solver)


def training_examples(images: Images, network: Autoencoder) -> Images:
    """Return what the network trains on: the images, or parts of them, cut once and held in memory."""
    if not network.cuts:
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
    augment = None if recipe.augment is None else Augmentation(**recipe.augment)
    if augment is not None and (reason := why_not(augment, network)):
        raise UserError(f"training.augment: {reason}")
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
        augment=augment,
        seed=seed,
        precision=precision,
        channels_last=channels_last,
        compiled=compiled,
        processes=processes,
    )


def resume(make: Callable[[], Trainer], checkpoints: Checkpoints, steps: int, title: str) -> Trainer:
    """Make a trainer and load the newest checkpoint, of which one that it does not accept is removed."""
    while True:
        trainer = make()
        is_main = trainer.processes.is_main
        found = trainer.processes.broadcast(checkpoints.load() if is_main else None)
        if found is None:
            return trainer
        path, state = found
        try:
            check_state(state, trainer.state_dict(), trainer.network, trainer.optimizer, steps)
            trainer.load_state_dict(state)
        except (ValueError, RuntimeError) as error:
            if is_main:
                checkpoints.discard(path, f"expected the state of this training, got another: {error}")
            continue
        if is_main:
            where = f"epoch {trainer.epoch}, step {trainer.step}"
            print(f"{title}: {'had been trained to the end' if trainer.finished else f'continues from {where}'}")
        return trainer


def fit(trainer: Trainer, data: Sequence[Batches], checkpoints: Checkpoints, title: str) -> None:
    """Train to the end, with a progress bar; save when it is time, and at the end.

    Raises:
        StoppedError: If SIGINT or SIGTERM was received, after a checkpoint was saved.
        UserError: If the training fails, or a snapshot of it was lost.
    """
    train, val = data
    processes = trainer.processes
    was_finished = trainer.finished
    done = trainer.last_epoch * len(train) + min(trainer.step * trainer.batch_size, len(train))
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
            on_epoch=lambda row: checkpoints.save_snapshot(trainer.network, int(row["epoch"])),
            should_save=lambda: processes.is_main and checkpoints.is_due(),
            stop_signal=stop_signal,
            save=save,
        )
        if not was_finished:  # kept until the model is safe; and so an interruption of the next seed's costs nothing
            save(trainer.state_dict(), 0)
    if missing := checkpoints.missing_snapshots(trainer.last_epoch):
        raise UserError(
            f"{title}: expected a whole snapshot of epoch {missing[0]} in {checkpoints.folder}, got none: run it "
            "again, and it goes back to before that epoch"
        )


def solve(network: Autoencoder, splits: Sequence[Images], device: torch.device) -> Run:
    """Fit a family that has a closed form; its history is one row."""
    assert isinstance(network, Solvable)
    started = time.perf_counter()
    train = splits[0]
    solver = network.fit(Arrays(train))
    network.eval()
    at_once = batch_size(train.shape[1:])
    losses = [mean_losses(Objective(network), split, at_once, ProcessGroup()) for split in place(splits, device)]
    row = {"epoch": 1} | {f"{split}_loss": of["loss"] for split, of in zip(("train", "val"), losses, strict=True)}
    computed: dict[str, object] = {"device": describe_device(torch.device("cpu")), "solver": solver}
    return Run(network, [row], 1, 1, time.perf_counter() - started, computed)
