"""The latents of many images in two dimensions."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hourglass.arrays.principal_axes import Coordinates, plane, principal_coordinates
from hourglass.arrays.spread import spread
from hourglass.figures.evaluated import Evaluated, start
from hourglass.figures.style import BLUE, CLASS_COLORS, CLASS_MARKERS, GRAY, LIGHT, new_figure
from hourglass.natural import natural_key

POINTS = 5000  # latents, at most
VALUES = 1 << 27  # numbers in those, at most: 1 GiB of float64, of which the projection makes two copies
LONGEST = 24  # characters of a class
LOOKS = list(zip(CLASS_COLORS, CLASS_MARKERS, strict=True))


def draw(model: Evaluated) -> Figure:
    """Draw every latent as a point, told apart by the color and marker of its class: of many, the largest nine.

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
    else:
        _scatter_classes(axis, points, np.array(labels), classes)
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
    size = 30 if len(points) < 200 else 18 if len(points) < 2000 else 6
    shown, looks, title = classes, LOOKS, "class"
    if len(classes) > len(LOOKS):
        sizes = Counter(labels.tolist())
        looks = [look for look in LOOKS if look[0] != GRAY]
        largest = sorted(classes, key=lambda label: -sizes[label])[: len(looks)]  # of equal ones, the first
        shown, title = sorted(largest, key=natural_key), f"{len(looks)} of {len(classes)} classes"
        x, y = points[~np.isin(labels, shown)].T
        axis.scatter(x, y, s=size, color=LIGHT, linewidths=0, zorder=0, label="all others")
    for label, (color, marker) in zip(shown, looks, strict=False):
        x, y = points[labels == label].T
        axis.scatter(x, y, s=size, color=color, marker=marker, alpha=0.7, linewidths=0, label=start(label, LONGEST))
    axis.legend(title=title, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=max(1, 18 / size) ** 0.5)
