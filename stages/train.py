"""Fit one model -> data/models/<model>/ and metrics/<group>/<model>.history.csv.

metrics/validation/<model>.json has its scores on the validation split, which are there to choose by.
"""

import hashlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from stages.common import command, config
from stages.common.errors import StoppedError, UserError
from stages.common.files import rounded, whole_folder, write_csv, write_json
from stages.common.paths import CHECKPOINTS, METRICS, MODELS, PREPARED, TIMING, VALIDATION
from stages.common.prepared import Bytes, open_split
from stages.common.progress import progress
from stages.common.recipes import GradientDescent
from stages.common.schema import Model, Training
from stages.metrics.rating import mean_scores
from stages.models.base.autoencoder import Autoencoder, Solvable, TrainsOnParts
from stages.models.base.device import can_compile, choose_device, choose_precision, describe_device, enough_memory
from stages.models.base.families import build
from stages.models.base.reconstruction import batch_size, batches
from stages.models.base.store import save_model, weights_file
from stages.training.augmentation import Augmentation
from stages.training.batches import Batches, place
from stages.training.checkpoints import Checkpoints, Snapshots, State, run_key
from stages.training.distributed import Processes, joined
from stages.training.objective import Objective, mean_losses
from stages.training.optimizers import make_optimizer
from stages.training.schedules import Schedule, make_schedule
from stages.training.speed import flops_per_image, parameter_count, peak_memory_mib
from stages.training.trainer import Row, Trainer


@dataclass(frozen=True)
class Run:
    """One training: the model that came out, a row for every epoch, its validation loss, the seconds that it took.

    `snapshots` are files of the weights that it had after some of its epochs.
    """

    model: Autoencoder
    history: list[Row]
    val_loss: float
    seconds: float
    seed: int = 0
    snapshots: Sequence[Path] = ()


def main(name: str) -> None:
    """Fit one model to the train split of its data set; the validation split alone decides when to stop."""
    settings = config.load()
    model = settings.model(name)
    files = [PREPARED / model.dataset / f"{split}.npy" for split in ("train", "val")]
    splits = [open_split(file) for file in files]
    description = describe(model, splits[0].shape[1:], files)
    with enough_memory(torch.device("cpu"), "the network", "make it smaller"):
        network = build_for(description)
    check_latent(network.latent_dim, network.image_shape)
    with joined() as processes:
        device = choose_device(settings.train.deterministic)
        if isinstance(model.training, GradientDescent):
            advice = "lower `batch_size` or the data set's `size`, or make the network smaller"
            with enough_memory(device, f"a batch of {model.training.batch_size} and the training images", advice):
                data = place([examples(images, network) for images in splits], device, settings.train.data)
                runs, speed = descend(name, model.training, settings.train, data, description, device, processes)
        elif processes.leads:
            with enough_memory(device, "all training images", "lower the data set's `size`"):
                runs, speed = [solve(network.to(device), splits, device)], {}
        if processes.leads:
            write(name, model.group, runs, description, validate(runs[0].model, splits[1], device))
            write_timing(name, device, runs, len(splits[0]), speed)
            shutil.rmtree(CHECKPOINTS / name, ignore_errors=True)  # those of earlier, abandoned runs too


def descend(
    name: str,
    recipe: GradientDescent,
    common: Training,
    data: Sequence[Batches],
    description: dict[str, Any],
    device: torch.device,
    processes: Processes,
) -> tuple[list[Run], dict[str, object]]:
    """Train by gradient descent, once for each seed; beside the runs, say how they were computed."""
    precision = choose_precision(common.precision, device)
    compiled = recipe.compile and can_compile(device)
    started = time.perf_counter()
    runs: list[Run] = []
    for seed in recipe.seeds:
        model = build_for(description, seed).to(device)
        trainer = Trainer(
            model,
            *make_rules(model, recipe, len(data[0]), compiled),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            patience=recipe.patience,
            clip_norm=recipe.clip_norm,
            augment=Augmentation(**asdict(recipe.augment)) if recipe.augment else None,
            seed=seed,
            precision=precision,
            channels_last=common.channels_last,
            compiled=compiled,
            processes=processes,
        )
        depends_on = {
            "training": asdict(recipe),
            "train": asdict(common),
            "seed": seed,
            "on": [device.type, precision, compiled],
        }
        checkpoints = Checkpoints(CHECKPOINTS / name / run_key(description | depends_on), common.checkpoint_seconds)
        snapshots = Snapshots(checkpoints.folder, recipe.save_every if processes.leads and not runs else None)
        fit(trainer, data, checkpoints, snapshots, name if len(recipe.seeds) == 1 else f"{name}, seed {seed}")
        if len(recipe.seeds) > 1:  # so that a stop in the next run costs this one nothing
            state = trainer.state_dict()
            if processes.leads:
                checkpoints.save(trainer.epoch, trainer.step, state)
        runs.append(Run(model, trainer.history, trainer.val_loss, trainer.seconds, seed, snapshots.files()))
    waited = sum(batches.waited for batches in data) / (time.perf_counter() - started)
    speed = {"precision": precision, "compiled": compiled, "data": data[0].kind, "processes": processes.count}
    return runs, speed | {"share_of_time_waiting_for_data": rounded(waited)}


def examples(images: Bytes, model: Autoencoder) -> Bytes:
    """Give what the family trains on: the images, or parts of them, which are cut once and held in memory."""
    if not isinstance(model, TrainsOnParts):
        return images
    return model.examples(torch.from_numpy(np.array(images))).numpy()


def make_rules(model: Autoencoder, recipe: GradientDescent, images: int, compiled: bool) -> tuple[Optimizer, Schedule]:
    """Make the optimizer and the schedule of its learning rate that a recipe asks for, to train on so many images."""
    optimizer = make_optimizer(
        recipe.optimizer,
        model.parameters(),
        recipe.scaled_learning_rate,
        betas=recipe.betas,
        rho=recipe.rho,
        weight_decay=recipe.weight_decay,
        compiled=compiled,
    )
    schedule = make_schedule(
        optimizer,
        recipe.epochs * math.ceil(images / recipe.batch_size),
        plateau=asdict(recipe.plateau) if recipe.plateau else None,
        one_cycle=asdict(recipe.one_cycle) if recipe.one_cycle else None,
    )
    return optimizer, schedule


def fit(trainer: Trainer, data: Sequence[Batches], checkpoints: Checkpoints, snapshots: Snapshots, title: str) -> None:
    """Train from the last checkpoint, or from the start, to the end, with a progress bar; save when it is time."""
    train, val = data
    leads = trainer.processes.leads
    state = trainer.processes.from_leader(checkpoints.load() if leads else None)
    if state is not None:
        trainer.load_state_dict(state)
        if leads and not trainer.finished:
            print(f"{title}: goes on from epoch {trainer.epoch}, step {trainer.step}")
    done = len(trainer.history) * len(train) + min(trainer.step * trainer.batch_size, len(train))
    with (
        command.deferred_signals() as received,
        progress(len(train) * trainer.epochs, title, "img", done, hidden=not leads) as bar,
    ):

        def save(state: State, wished: int) -> None:
            where = f"epoch {trainer.epoch}, step {trainer.step}"
            saved = checkpoints.save(trainer.epoch, trainer.step, state) if leads else False
            if wished > 1:
                trainer.processes.from_leader(saved)  # none leaves before the first one has saved
                after = f"saved at {where}; the next run goes on from there" if saved else f"could not save at {where}"
                raise StoppedError(f"{title}: stopped, {after}" if leads else "", wished)

        trainer.fit(
            train,
            val,
            on_batch=bar.update,
            on_look=lambda loss: bar.set_postfix(epoch=trainer.epoch, loss=f"{loss:.4g}", refresh=False),
            on_epoch=lambda row: snapshots.save(trainer.model, int(row["epoch"])),
            wish=lambda: received() or int(leads and checkpoints.due()),
            save=save,
        )


def solve(model: Autoencoder, splits: Sequence[Bytes], device: torch.device) -> Run:
    """Fit a family that has a closed form; its history is one row."""
    assert isinstance(model, Solvable)
    started = time.perf_counter()
    train = splits[0]
    model.fit(batch.numpy() for batch in batches(train, torch.device("cpu")))
    at_once = batch_size(train.shape[1:])
    losses = [mean_losses(Objective(model), split, at_once, Processes()) for split in place(splits, device)]
    row = {"epoch": 1} | {f"{split}_loss": of["loss"] for split, of in zip(("train", "val"), losses, strict=True)}
    return Run(model, [row], row["val_loss"], time.perf_counter() - started)


def build_for(description: dict[str, Any], seed: int = 0) -> Autoencoder:
    """Build the network that is described, with the first weights of a seed."""
    return build(description["family"], description["image_shape"], description["network"], seed)


def describe(settings: Model, image_shape: tuple[int, ...], files: Sequence[Path]) -> dict[str, Any]:
    """Gather config.json: all that is needed to build the network again, and what it was made from."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return {
        "family": settings.family,
        "network": asdict(settings.network),
        "image_shape": image_shape,
        "dataset": settings.dataset,
        "dataset_sha256": digest.hexdigest(),  # of train.npy and val.npy, one after the other
        "versions": {package: version(package).partition("+")[0] for package in ("torch", "numpy", "scikit-learn")},
    }


def check_latent(latent_dim: int, image_shape: tuple[int, ...]) -> None:
    """Refuse a latent that is larger than the image, which params.yaml alone cannot always tell."""
    values = math.prod(image_shape)
    if latent_dim > values:
        raise UserError(f"expected a latent of at most {values} numbers, the values of an image, got {latent_dim}")


def validate(model: Autoencoder, images: Bytes, device: torch.device) -> dict[str, float]:
    """Score the model on the validation split (N, C, H, W)."""
    model.to(device).eval()
    return {f"val_{metric}": rounded(value) for metric, value in mean_scores(model, images, device).items()}


def write(
    name: str, group: str, runs: Sequence[Run], description: dict[str, Any], validation: dict[str, float]
) -> None:
    """Write the models, and the history of the first run, which is the one that pictures and curves are drawn of."""
    first = runs[0]
    described = description | {"seeds": [run.seed for run in runs]}
    with whole_folder(MODELS / name) as folder:
        for run in runs:
            save_model(folder, run.model, described, weights_file(None if run is first else run.seed))
        for snapshot in first.snapshots:
            shutil.copy2(snapshot, folder)
        header = list(first.history[0])
        rows = ([int(row["epoch"]), *(rounded(row[name]) for name in header[1:])] for row in first.history)
        write_csv(METRICS / group / f"{name}.history.csv", header, rows)
        write_json(VALIDATION / f"{name}.json", validation)


def write_timing(name: str, device: torch.device, runs: Sequence[Run], images: int, speed: dict[str, object]) -> None:
    """Write metrics/timing/<model>.json, which no stage reads: times differ from run to run. Say the gist of it."""
    seconds, epochs = sum(run.seconds for run in runs), sum(len(run.history) for run in runs)
    timing = {
        "device": describe_device(device),
        "epochs": epochs,
        "flops_per_image": flops_per_image(runs[0].model),
        "images_per_s": rounded(epochs * images / seconds),
        "parameters": parameter_count(runs[0].model),
        "peak_memory_mib": rounded(peak_memory_mib(device)),
        "s_per_epoch": rounded(seconds / epochs),
    }
    write_json(TIMING / f"{name}.json", timing | speed)
    print(f"{name}: validation loss {runs[0].val_loss:.4g}, {epochs} epochs, {seconds:.1f} s")


if __name__ == "__main__":
    command.run(main)
