"""The latents of many images in two dimensions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hourglass.arrays.principal_axes import Coordinates, plane, principal_coordinates
from hourglass.arrays.spread import spread
from hourglass.figures.evaluated import Evaluated
from hourglass.figures.style import BLUE, CLASS_COLORS, CLASS_MARKERS, new_figure
from hourglass.natural import natural_key

POINTS = 5000  # latents, at most
VALUES = 1 << 27  # numbers in those, at most: 1 GiB of float64, of which the projection makes two copies


def draw(model: Evaluated) -> Figure:
    """Draw every latent as a point, told apart by label: up to ten by color and marker, more by the label's own text.

    Without labels, by the position of each image in its file: the time, where those are frames of a video.
    """
    count, latent_dim = model.latents.shape
    rows = model.labels.iloc[spread(count, min(POINTS, max(1, VALUES // latent_dim)))]
    coordinates, _ = principal_coordinates(model.latents[rows["index"].to_numpy()])
    points, shares = plane(coordinates)
    labels = rows["label"].tolist()
    figure = new_figure(7.5, 5.5)
    axis = figure.subplots()
    classes = sorted(set(labels), key=natural_key)
    if len(classes) <= 1:
        _scatter_positions(axis, points, positions(rows["source"]))
    elif len(classes) <= len(CLASS_COLORS):
        _scatter_classes(axis, points, np.array(labels), classes)
    else:
        _write_labels(axis, points, labels)
    axis.set(
        xlabel=f"component 1 ({shares[0]:.0%} of the variance)", ylabel=f"component 2 ({shares[1]:.0%} of the variance)"
    )
    figure.suptitle(model.title)
    return figure


def positions(sources: "pd.Series[str]") -> list[int] | None:
    """Return the position of each image in its file, `frames.mat[7]` -> 7; None unless all have one."""
    found = sources.str.extract(r"\[(\d+)\]$")[0]
    return None if found.isna().any() else [int(position) for position in found]


def _scatter_positions(axis: Axes, points: Coordinates, order: Sequence[int] | None) -> None:
    x, y = points.T
    if order is None:
        axis.scatter(x, y, s=14, color=BLUE, alpha=0.7, linewidths=0)
    else:
        dots = axis.scatter(x, y, s=14, c=order, cmap="viridis", alpha=0.8, linewidths=0)
        axis.figure.colorbar(dots, ax=axis, label="position in the file (of a video: the frame)")


def _scatter_classes(axis: Axes, points: Coordinates, labels: NDArray[np.str_], classes: Sequence[str]) -> None:
    size = 18 if len(points) < 2000 else 6
    for label, color, marker in zip(classes, CLASS_COLORS, CLASS_MARKERS, strict=False):
        x, y = points[labels == label].T
        axis.scatter(x, y, s=size, color=color, marker=marker, alpha=0.7, linewidths=0, label=label)
    axis.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5), markerscale=max(1, 18 / size) ** 0.5)


def _write_labels(axis: Axes, points: Coordinates, labels: Sequence[str]) -> None:
    axis.scatter(points[:, 0], points[:, 1], s=0)  # sets the limits
    for (x, y), label in zip(points, labels, strict=True):
        axis.text(x, y, label, fontsize=7, color=BLUE, ha="center", va="center", alpha=0.8)
