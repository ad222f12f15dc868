"""Fit one model -> data/trained/<model>/ and metrics/history/<model>.csv.

data/timing/<model>.json says how fast it was; times differ from run to run, so it is no output of the stage.
"""

import shutil
from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import torch

from hourglass.config.document import Params
from hourglass.config.entries import Model
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.documents import read_json
from hourglass.data.prepared import open_split
from hourglass.data.sums import read_sums
from hourglass.files import rounded, whole_file, whole_folder, write_json
from hourglass.inference.device import choose_device, enough_memory, keep_freed_memory
from hourglass.inference.store import Preparation, describe, save_weights, snapshot_file, weights_file, write_config
from hourglass.networks.base.autoencoder import Solvable
from hourglass.networks.base.families import build, family_class
from hourglass.training.checkpoints import keep_finished
from hourglass.training.distributed import process_group
from hourglass.training.recipe import NoRecipe, Recipe, Settings
from hourglass.training.run import Run, solve, train
from hourglass.training.speed import timing
from stages.paths import CHECKPOINTS, HISTORY, LOCKS, PARAMS, PREPARED, TIMING, TRAINED, remedy

DIGITS = 4  # significant ones, of losses in git


def main(name: str) -> None:
    """Fit one model to the train split of its data set; the validation split alone decides when to stop."""
    params = Params.load(PARAMS)
    entry = Model(**params.keywords(Model, "models", name))
    settings = Settings(**params.keywords(Settings, "train"))
    family = family_class(entry.family)
    network = params.keywords(family, "models", name, "network")
    recipe_type = NoRecipe if issubclass(family, Solvable) else Recipe
    recipe = recipe_type(**params.keywords(recipe_type, "models", name, "training"))
    prepared, again = PREPARED / entry.dataset, remedy(f"prepare@{entry.dataset}")
    folders = [prepared / split for split in ("train", "val")]
    splits = [open_split(folder, again) for folder in folders]
    for folder, split in zip(folders, splits, strict=True):
        if not len(split) or split.shape[1:] != splits[0].shape[1:]:
            got = f"{split.shape}: see `fractions` of the data set: {again}"
            raise UserError(f"{folder}: expected images of {splits[0].shape[1:]}, as train has them, got {got}")
    sums = [digest for folder in folders for digest in read_sums(folder, again).values()]
    preparation = read_json(prepared / "preparation.json", Preparation, again)
    config = describe(entry, network, splits[0].shape[1:], sums, preparation)
    build_network = partial(build, entry.family, config["image_shape"], network)
    with enough_memory(torch.device("cpu"), "the network", "make it smaller"):
        build_network(0)  # refuses what does not fit the images, before anything is computed
    with process_group() as processes:
        device = choose_device(settings.deterministic)
        if device.type == "cpu":
            keep_freed_memory()
        waited: dict[str, object] = {}
        if isinstance(recipe, NoRecipe):
            if not processes.is_main:
                return
            with enough_memory(device, "all training images", "lower the data set's `size`"):
                runs = [solve(build_network(0).to(device), splits, device)]
        else:
            advice = "lower `batch_size` or the data set's `size`, or make the network smaller"
            with enough_memory(device, f"a batch of {recipe.batch_size} and the training images", advice):
                runs, waited = train(
                    name, build_network, splits, recipe, settings, CHECKPOINTS / name, config, device, processes
                )
        if processes.is_main:
            write(name, runs, config)
            keep_finished(CHECKPOINTS / name, [run.checkpoints for run in runs if run.checkpoints])
            write_json(TIMING / f"{name}.json", runs[0].computed | waited | timing(runs, len(splits[0]), device))


def write(name: str, runs: Sequence[Run], config: dict[str, Any]) -> None:
    """Write the networks, and the history of the first run, of which figures and curves are drawn.

    Raises:
        UserError: If they cannot be written; the trainings are kept.
    """
    first = runs[0]
    training = {"best_epoch": first.best_epoch, "epochs": first.epochs, "val_loss": rounded(first.val_loss)}
    config = config | {"computed": first.computed, "seeds": [run.seed for run in runs], "training": training}
    history = pd.DataFrame(first.history).astype({"epoch": int})
    try:
        with whole_folder(TRAINED / name) as folder, whole_file(HISTORY / f"{name}.csv") as path:
            for run in runs:
                save_weights(folder / weights_file(None if run is first else run.seed), run.network)
            for epoch, snapshot in first.snapshots.items():
                shutil.copyfile(snapshot, folder / snapshot_file(epoch))
            write_config(folder, config)
            history.to_csv(path, index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    except OSError as error:
        if not all(run.is_kept for run in runs):
            raise
        raise UserError(
            f"expected to write {error.filename}, got: {error.strerror}: the training is kept in {CHECKPOINTS / name}; "
            f"make room there, and dvc repro train@{name} writes its model without training again"
        ) from None
    seconds = sum(run.seconds for run in runs)
    print(f"{name}: validation loss {first.val_loss:.4g}, {first.epochs} epochs, {seconds:.1f} s")


if __name__ == "__main__":
    command.run(main, LOCKS)
