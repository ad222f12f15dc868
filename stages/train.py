"""Fit one model -> data/models/<model>/ and metrics/<group>/<model>.history.csv."""

import hashlib
import math
import time
from dataclasses import asdict, fields
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from stages import command, config
from stages.datasets.prepared import Bytes, open_split
from stages.errors import UserError
from stages.files import rounded, whole_file, whole_folder, write_csv, write_json
from stages.models.autoencoder import Autoencoder, Solvable, scale
from stages.models.families import build
from stages.models.store import save_model
from stages.paths import METRICS, MODELS, PREPARED, TIMING
from stages.progress import progress
from stages.schema import GradientDescent, Model
from stages.training.device import choose_device, describe_device
from stages.training.optimizers import make_optimizer
from stages.training.trainer import Epoch, train, validate


def main(name: str) -> None:
    """Fit one model to the train split of its data set; the validation split alone decides when to stop."""
    settings = config.load().model(name)
    prepared = PREPARED / settings.dataset
    splits = open_split(prepared / "train.npy"), open_split(prepared / "val.npy")
    description = describe(settings, splits)
    check_latent(settings.network.latent_dim, description["image_shape"])
    device = choose_device()
    recipe = settings.training
    model = build(settings.family, description["image_shape"], description["network"], getattr(recipe, "seed", 0))
    model.to(device)
    started = time.perf_counter()
    if isinstance(recipe, GradientDescent):
        history = descend(model, recipe, splits, device, name)
    else:
        history = solve(model, splits, device)
    seconds = time.perf_counter() - started
    table = METRICS / settings.group / f"{name}.history.csv"
    with whole_folder(MODELS / name) as folder, whole_file(table) as partial:
        save_model(folder, model, description)
        rows = [[row.epoch, rounded(row.train_loss), rounded(row.val_loss)] for row in history]
        write_csv(partial, [entry.name for entry in fields(Epoch)], rows)
    write_timing(name, device, seconds, len(history), len(splits[0]))
    print(f"{name}: validation loss {history[-1].val_loss:.4g} after {len(history)} epochs, {seconds:.1f} s")


def descend(
    model: Autoencoder, recipe: GradientDescent, splits: tuple[Bytes, Bytes], device: torch.device, name: str
) -> list[Epoch]:
    """Train by gradient descent, with a progress bar."""
    optimizer = make_optimizer(
        recipe.optimizer, model.parameters(), recipe.learning_rate, betas=recipe.betas, rho=recipe.rho
    )
    train_images, val_images = (torch.from_numpy(np.array(images)).to(device) for images in splits)
    with progress(len(train_images) * recipe.epochs, name, "img") as bar:
        return train(
            model,
            optimizer,
            train_images,
            val_images,
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            patience=recipe.patience,
            generator=torch.Generator().manual_seed(recipe.seed),
            on_batch=bar.update,
            on_epoch=lambda row: bar.set_postfix(
                epoch=f"{row.epoch}/{recipe.epochs}",
                train_loss=f"{row.train_loss:.4g}",
                val_loss=f"{row.val_loss:.4g}",
                refresh=False,
            ),
        )


def solve(model: Autoencoder, splits: tuple[Bytes, Bytes], device: torch.device) -> list[Epoch]:
    """Fit a family that has a closed form; its history is one row."""
    assert isinstance(model, Solvable)
    train_images, val_images = (torch.from_numpy(np.array(images)) for images in splits)
    model.fit(scale(train_images).numpy())
    losses = (validate(model, images.to(device), batch_size=1024) for images in (train_images, val_images))
    return [Epoch(1, *losses)]


def describe(settings: Model, splits: tuple[Bytes, Bytes]) -> dict[str, Any]:
    """Gather config.json: all that is needed to build the network again, and what it was made from."""
    digest = hashlib.sha256()
    for images in splits:
        digest.update(images.data)
    return {
        "family": settings.family,
        "network": asdict(settings.network),
        "image_shape": splits[0].shape[1:],
        "dataset": settings.dataset,
        "dataset_sha256": digest.hexdigest(),  # of the bytes of the train and val splits, one after the other
        "versions": {package: version(package).partition("+")[0] for package in ("torch", "numpy", "scikit-learn")},
    }


def check_latent(latent_dim: int, image_shape: tuple[int, ...]) -> None:
    """Refuse a latent that is larger than the image, where params.yaml could not tell because it states no size."""
    values = math.prod(image_shape)
    if latent_dim > values:
        raise UserError(f"expected latent_dim of at most {values}, the values of an image, got {latent_dim}")


def write_timing(name: str, device: torch.device, seconds: float, epochs: int, images: int) -> None:
    """Write metrics/timing/<model>.json, which no stage reads: times differ from run to run."""
    timing = {
        "device": describe_device(device),
        "epochs": epochs,
        "images_per_s": rounded(epochs * images / seconds),
        "s_per_epoch": rounded(seconds / epochs),
    }
    write_json(TIMING / f"{name}.json", timing)


if __name__ == "__main__":
    command.run(main)
