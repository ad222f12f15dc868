"""Fit one model -> data/models/<model>/ and metrics/history/<model>.csv.

data/timing/<model>.json says how fast it was; times differ from run to run, so it is no output of the stage.
"""

import hashlib
import shutil
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch

from hourglass.config.document import Params
from hourglass.config.entries import Model
from hourglass.console import command
from hourglass.data.documents import read_json
from hourglass.data.prepared import Split, open_split
from hourglass.files import rounded, whole_file, whole_folder, write_json
from hourglass.inference.device import choose_device, enough_memory, keep_freed_memory
from hourglass.inference.store import save_model, weights_file
from hourglass.networks.base.autoencoder import Solvable
from hourglass.networks.base.families import build, family_class
from hourglass.training.distributed import process_group
from hourglass.training.recipe import NoRecipe, Recipe, Settings
from hourglass.training.run import Run, solve, train
from hourglass.training.speed import timing
from stages.paths import CHECKPOINTS, HISTORY, MODELS, PARAMS, PREPARED, TIMING

DIGITS = 4  # significant ones, of losses in git
PACKAGES = ("torch", "numpy", "scikit-learn")  # whose versions can change the weights


def main(name: str) -> None:
    """Fit one model to the train split of its data set; the validation split alone decides when to stop."""
    params = Params.load(PARAMS)
    entry = Model(**params.keywords(Model, "models", name))
    settings = Settings(**params.keywords(Settings, "train"))
    family = family_class(entry.family)
    network = params.keywords(family, "models", name, "network")
    recipe_type = NoRecipe if issubclass(family, Solvable) else Recipe
    recipe = recipe_type(**params.keywords(recipe_type, "models", name, "training"))
    prepared, again = PREPARED / entry.dataset, f"dvc repro --force prepare@{entry.dataset}"
    splits = [open_split(prepared / split, again) for split in ("train", "val")]
    config = describe(entry, network, splits, read_json(prepared / "preparation.json", again))
    build_network = partial(build, entry.family, config["image_shape"], network)
    with enough_memory(torch.device("cpu"), "the network", "make it smaller"):
        build_network(0)  # refuses what does not fit the images, before anything is computed
    with process_group() as processes:
        device = choose_device(settings.deterministic)
        if device.type == "cpu":
            keep_freed_memory()
        computed: dict[str, object] = {}
        if isinstance(recipe, NoRecipe):
            if not processes.is_main:
                return
            with enough_memory(device, "all training images", "lower the data set's `size`"):
                runs = [solve(build_network(0).to(device), splits, device)]
        else:
            remedy = "lower `batch_size` or the data set's `size`, or make the network smaller"
            with enough_memory(device, f"a batch of {recipe.batch_size} and the training images", remedy):
                runs, computed = train(
                    name, build_network, splits, recipe, settings, CHECKPOINTS / name, config, device, processes
                )
        if processes.is_main:
            write(name, runs, config)
            write_json(TIMING / f"{name}.json", computed | timing(runs, len(splits[0]), device))
            shutil.rmtree(CHECKPOINTS / name, ignore_errors=True)  # those of abandoned trainings too


def describe(
    entry: Model, network: dict[str, Any], splits: Sequence[Split], preparation: dict[str, Any]
) -> dict[str, Any]:
    """Return config.json: all that it takes to build the network again, and what it was made from."""
    digest = hashlib.sha256()
    for shard in (shard for split in splits for shard in split.shards):
        with shard.path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return {
        "family": entry.family,
        "network": network,
        "image_shape": splits[0].shape[1:],
        "dataset": entry.dataset,
        "dataset_sha256": digest.hexdigest(),  # of the files of train and val, one after the other
        "preparation": preparation,  # what made an array of an image file, and makes one of another
        "versions": {package: version(package).partition("+")[0] for package in PACKAGES},
    }


def write(name: str, runs: Sequence[Run], config: dict[str, Any]) -> None:
    """Write the networks, and the history of the first run, of which figures and curves are drawn."""
    first = runs[0]
    training = {"best_epoch": first.best_epoch, "epochs": len(first.history), "val_loss": rounded(first.val_loss)}
    config = config | {"seeds": [run.seed for run in runs], "training": training}
    history = pd.DataFrame(first.history).astype({"epoch": int})
    with whole_folder(MODELS / name) as folder:
        for run in runs:
            save_model(folder, run.network, config, weights_file(None if run is first else run.seed))
        for snapshot in first.snapshots:
            shutil.copy2(snapshot, folder)
        with whole_file(HISTORY / f"{name}.csv") as path:
            history.to_csv(path, index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    seconds = sum(run.seconds for run in runs)
    print(f"{name}: validation loss {first.val_loss:.4g}, {len(first.history)} epochs, {seconds:.1f} s")


if __name__ == "__main__":
    command.run(main)
