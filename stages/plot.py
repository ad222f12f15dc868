"""Draw one model's pictures -> plots/<group>/<model>/*.png."""

import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.common import command, config
from stages.common.errors import UserError
from stages.common.files import read_csv, whole_folder
from stages.common.paths import EVALUATED, METRICS, PLOTS, PREPARED
from stages.common.prepared import open_array, open_split
from stages.figures.generated import draw_rows
from stages.figures.latents import draw_latents
from stages.figures.reconstructions import draw_reconstructions
from stages.figures.style import save
from stages.figures.training_curves import draw_training_curves
from stages.figures.whole import draw_whole

COLUMNS = 12  # images in the picture of reconstructions
POINTS = 5000  # latents in the picture of latents
LARGE = 100  # pixels, the side from which on an image gets a picture of its own


def main(name: str) -> None:
    """Draw what one model made of its test split, from the evaluated arrays alone."""
    settings = config.load().model(name)
    evaluated = EVALUATED / settings.group / name
    if not evaluated.is_dir():
        raise UserError(f"expected {evaluated}, found none: dvc repro evaluate@{name}")
    latents = open_array(evaluated / "latents.npy", "evaluate")
    title = f"{name}: {latents.shape[1]} numbers an image"
    with whole_folder(PLOTS / settings.group / name) as folder:
        plot_reconstructions(folder, PREPARED / settings.dataset / "test.npy", evaluated, title)
        plot_latents(folder / "latents.png", read_csv(evaluated / "labels.csv"), latents, title)
        plot_history(folder / "training.png", METRICS / settings.group / f"{name}.history.csv", name)
        if (evaluated / "variations.json").exists():
            plot_generated(folder, evaluated, name)


def plot_reconstructions(folder: Path, test_split: Path, evaluated: Path, title: str) -> None:
    """Draw a few test images, spread over the whole split, with the scores of each; one larger, if it is worth it."""
    originals = open_split(test_split)
    reconstructions = open_split(evaluated / "reconstructions.npy", "evaluate")
    chosen = spread(len(originals), COLUMNS)
    metric, name = ("ssim", "SSIM") if "ssim" in (scores := read_csv(evaluated / "scores.csv"))[0] else ("mse", "MSE")
    captions = [f"{name} {float(scores[index][metric]):.3f}" for index in chosen]
    figure = draw_reconstructions(originals[chosen], reconstructions[chosen], captions, title)
    save(figure, folder / "reconstructions.png")
    tile = json.loads((evaluated / "about.json").read_text(encoding="utf-8"))["tile"]
    if tile or max(originals.shape[2:]) >= LARGE:
        figure = draw_whole(originals[0], reconstructions[0], title, captions[0], tile)
        save(figure, folder / "whole.png")


def plot_latents(target: Path, rows: list[dict[str, str]], latents: NDArray[np.float32], title: str) -> None:
    """Draw the latents (N, D) of the test split, thinned out where there are very many."""
    chosen = [rows[index] for index in spread(len(latents), POINTS)]
    indices = [re.search(r"\[(\d+)\]$", row["source"]) for row in chosen]
    positions = [int(found[1]) for found in indices if found]
    save(
        draw_latents(
            latents[[int(row["index"]) for row in chosen]],
            [row["label"] for row in chosen],
            title,
            positions if len(positions) == len(chosen) else None,
        ),
        target,
    )


def plot_history(target: Path, history: Path, name: str) -> None:
    """Draw the losses, where there was more than one epoch to draw."""
    rows = read_csv(history)
    if len(rows) > 1:
        names = [column.removeprefix("train_") for column in rows[0] if column.startswith("train_")]
        losses = {
            loss: ([float(row[f"train_{loss}"]) for row in rows], [float(row[f"val_{loss}"]) for row in rows])
            for loss in names
        }
        save(draw_training_curves(losses, name), target)


def plot_generated(folder: Path, evaluated: Path, name: str) -> None:
    """Draw what the decoder made of latents that no image gave."""
    samples, variations, interpolation = (
        open_array(evaluated / f"{kind}.npy", "evaluate") for kind in ("samples", "variations", "interpolation")
    )
    figure = draw_rows(samples[None], [""], [""] * len(samples), f"{name}: samples from the prior")
    save(figure, folder / "samples.png")
    described = json.loads((evaluated / "variations.json").read_text(encoding="utf-8"))
    rows = [
        f"dimension {dimension}\n{kl:.2f} nats"
        for dimension, kl in zip(described["dimensions"], described["kl_nats"], strict=True)
    ]
    columns = [f"{value:.2g}" for value in described["values"]]
    note = "one dimension at a time, in standard deviations of the prior, others 0; beside it its mean KL divergence"
    save(draw_rows(variations, rows, columns, f"{name}: one dimension at a time", note), folder / "variations.png")
    ends = ["first", *[""] * (len(interpolation) - 2), "last"]
    figure = draw_rows(interpolation[None], [""], ends, f"{name}: between two test images")
    save(figure, folder / "interpolation.png")


def spread(count: int, most: int) -> list[int]:
    """Choose at most `most` indices below `count`, evenly spaced."""
    return [index * count // min(most, count) for index in range(min(most, count))]


if __name__ == "__main__":
    command.run(main)
