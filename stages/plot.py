"""Draw one model's pictures -> plots/<model>/<figure>.png, one for each figure of hourglass/figures/ that applies."""

import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hourglass import figures
from hourglass.config.document import Params
from hourglass.config.entries import Model
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.documents import read_json
from hourglass.data.prepared import open_array, open_split
from hourglass.data.sums import check_sums
from hourglass.data.tables import read_table, require_columns, require_rows
from hourglass.figures.evaluated import Evaluated, Generated
from hourglass.figures.style import save
from hourglass.files import whole_folder
from hourglass.metrics.results import About, Varied
from stages.paths import EVALUATED, HISTORY, LOCKS, PARAMS, PLOTS, PREPARED, remedy


def main(name: str) -> None:
    """Draw a model on its test split, from the evaluated arrays alone."""
    entry = Params.load(PARAMS).keywords(Model, "models", name)
    model = read(name, EVALUATED / name, PREPARED / entry["dataset"], HISTORY / f"{name}.csv")
    with whole_folder(PLOTS / name) as folder:
        for figure, draw in drawings():
            picture = draw(model)
            if picture is not None:
                save(picture, folder / f"{figure}.png")


def drawings() -> Iterator[tuple[str, Callable[[Evaluated], Figure | None]]]:
    """Yield the name and `draw` of every module in hourglass/figures that has one."""
    for module in pkgutil.iter_modules(figures.__path__):
        draw = getattr(import_module(f"{figures.__name__}.{module.name}"), "draw", None)
        if draw is not None:
            yield module.name, draw


def read(name: str, evaluated: Path, prepared: Path, history: Path) -> Evaluated:
    """Read what `train`, `prepare` and `evaluate` left of a model; arrays are memory-mapped."""
    again = remedy(f"evaluate@{name}")
    if not evaluated.is_dir():
        raise UserError(f"expected {evaluated}, found none: {again}")
    files = check_sums(evaluated, again)
    about = read_json(evaluated / "about.json", About, again)
    originals = open_split(prepared / "test", remedy(f"prepare@{prepared.name}"))
    images, *image_shape = originals.shape
    tables = {
        table: read_table(evaluated / f"{table}.csv", columns, again)
        for table, columns in (("labels", ["index", "label", "source"]), ("scores", ["index", "mse", "psnr_db"]))
    }
    for table, rows in tables.items():
        require_rows(evaluated / f"{table}.csv", rows["index"], range(images), again)
    return Evaluated(
        name=name,
        originals=originals,
        reconstructions=open_array(evaluated / "reconstructions.npy", np.uint8, originals.shape, again),
        latents=open_array(evaluated / "latents.npy", np.float32, (images, about.latent_dim), again),
        history=read_history(history, remedy(f"train@{name}")),
        tile=about.tile,
        generated=read_generated(evaluated, image_shape, again) if "samples.npy" in files else None,
        **tables,
    )


def read_history(path: Path, again: str) -> pd.DataFrame:
    """Read the losses of every epoch, each of both splits."""
    history = read_table(path, ["epoch", "train_loss", "val_loss"], again)
    split_and_loss = [str(column).partition("_") for column in history]
    losses = {loss for split, _, loss in split_and_loss if split in ("train", "val")}
    require_columns(path, history, [f"{split}_{loss}" for loss in sorted(losses) for split in ("train", "val")], again)
    first = 0 if 0 in history["epoch"].to_list() else 1  # epoch 0 is PCA, where a training starts at it
    require_rows(path, history["epoch"], range(first, first + len(history)), again)
    return history


def read_generated(evaluated: Path, image_shape: list[int], again: str) -> Generated:
    """Read what `evaluate` writes for generative families alone."""
    path = evaluated / "variations.json"
    varied = read_json(path, Varied, again)
    rows, columns = len(varied.dimensions), len(varied.values)
    if len(varied.kl_nats) != rows:
        raise UserError(f"{path}: expected kl_nats of {rows} dimensions, got {len(varied.kl_nats)}: {again}")
    return Generated(
        samples=open_array(evaluated / "samples.npy", np.uint8, (None, *image_shape), again),
        variations=open_array(evaluated / "variations.npy", np.uint8, (rows, columns, *image_shape), again),
        interpolation=open_array(evaluated / "interpolation.npy", np.uint8, (None, *image_shape), again),
        **asdict(varied),
    )


if __name__ == "__main__":
    command.run(main, LOCKS)
