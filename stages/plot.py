"""Draw one model's pictures -> plots/<group>/<model>/*.png."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages import command, config
from stages.datasets.prepared import open_array, open_split, read_labels
from stages.errors import UserError
from stages.figures.latents import draw_latents
from stages.figures.reconstructions import draw_reconstructions
from stages.figures.style import save
from stages.figures.training_curves import draw_training_curves
from stages.files import read_csv, whole_folder
from stages.paths import EVALUATED, METRICS, PLOTS, PREPARED

COLUMNS = 12  # images in the picture of reconstructions
POINTS = 5000  # latents in the picture of latents


def main(name: str) -> None:
    """Draw what one model made of its test split, from the evaluated arrays alone."""
    settings = config.load().model(name)
    prepared, evaluated = PREPARED / settings.dataset, EVALUATED / settings.group / name
    if not evaluated.is_dir():
        raise UserError(f"expected {evaluated}, found none: dvc repro evaluate@{name}")
    latents = open_array(evaluated / "latents.npy", "evaluate")
    title = f"{name}: {latents.shape[1]} numbers an image"
    with whole_folder(PLOTS / settings.group / name) as folder:
        plot_reconstructions(folder / "reconstructions.png", prepared / "test.npy", evaluated, title)
        plot_latents(folder / "latents.png", prepared / "labels.csv", latents, title)
        plot_history(folder / "training.png", METRICS / settings.group / f"{name}.history.csv", name)


def plot_reconstructions(target: Path, test_split: Path, evaluated: Path, title: str) -> None:
    """Draw a few test images, spread over the whole split, with the scores of each."""
    originals = open_split(test_split)
    reconstructions = open_split(evaluated / "reconstructions.npy", "evaluate")
    chosen = spread(len(originals), COLUMNS)
    metric, name = ("ssim", "SSIM") if "ssim" in (scores := read_csv(evaluated / "scores.csv"))[0] else ("mse", "MSE")
    captions = [f"{name} {float(scores[index][metric]):.3f}" for index in chosen]
    save(draw_reconstructions(originals[chosen], reconstructions[chosen], captions, title), target)


def plot_latents(target: Path, labels_file: Path, latents: NDArray[np.float32], title: str) -> None:
    """Draw the latents (N, D) of the test split, thinned out where there are very many."""
    labels = read_labels(labels_file, "test")
    chosen = spread(len(latents), POINTS)
    save(draw_latents(latents[chosen], [labels[index] for index in chosen], title), target)


def plot_history(target: Path, history: Path, name: str) -> None:
    """Draw the losses, where there was more than one epoch to draw."""
    rows = read_csv(history)
    if len(rows) > 1:
        train, val = ([float(row[column]) for row in rows] for column in ("train_loss", "val_loss"))
        save(draw_training_curves(train, val, name), target)


def spread(count: int, most: int) -> list[int]:
    """Choose at most `most` indices below `count`, evenly spaced."""
    return [index * count // min(most, count) for index in range(min(most, count))]


if __name__ == "__main__":
    command.run(main)
