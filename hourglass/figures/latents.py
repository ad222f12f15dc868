"""The latents of many images in two dimensions."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hourglass.figures.evaluated import Evaluated, spread, start
from hourglass.figures.style import BLUE, CLASS_COLORS, CLASS_MARKERS, GRAY, LIGHT, new_figure
from hourglass.natural import natural_key

POINTS = 5000  # latents, at most
VALUES = 1 << 27  # numbers in those, at most: 1 GiB of float64, of which the projection makes two copies
LONGEST = 24  # characters of a class
LOOKS = list(zip(CLASS_COLORS, CLASS_MARKERS, strict=True))

Points = NDArray[np.float64]


def draw(model: Evaluated) -> Figure:
    """Draw every latent as a point, told apart by the color and marker of its class: of many, the largest nine.

    Without labels, by the position of each image in its file: the time, where those are frames of a video.
    """
    count, latent_dim = model.latents.shape
    rows = model.labels.iloc[spread(count, min(POINTS, max(1, VALUES // latent_dim)))]
    points, shares = project(model.latents[rows["index"].to_numpy()])
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


def project(latents: NDArray[np.float32]) -> tuple[Points, NDArray[np.float64]]:
    """Project (N, D) on its two principal components: points (N, 2), and the share of the variance of each, (2,)."""
    centered = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
    # By the smaller of the two products: a latent may have far more numbers than there are images.
    wide = centered.shape[1] > len(centered)
    variance, vectors = np.linalg.eigh(centered @ centered.T if wide else centered.T @ centered)
    # The largest two; a latent of one number, or a single image, has one.
    variance, vectors = np.maximum(variance[::-1][:2], 0), vectors[:, ::-1][:, :2]
    points = vectors * np.sqrt(variance) if wide else centered @ vectors
    # The sign of a component is arbitrary: make the farthest point positive, so that a rerun is the same picture.
    farthest = np.take_along_axis(points, np.abs(points).argmax(axis=0)[None], axis=0)
    points = points * np.where(farthest < 0, -1, 1)
    missing = 2 - points.shape[1]
    total = max(np.square(centered).sum(), np.finfo(float).tiny)
    return np.pad(points, [(0, 0), (0, missing)]), np.pad(variance / total, (0, missing))


def _scatter_positions(axis: Axes, points: Points, order: Sequence[int] | None) -> None:
    x, y = points.T
    if order is None:
        axis.scatter(x, y, s=14, color=BLUE, alpha=0.7, linewidths=0)
    else:
        dots = axis.scatter(x, y, s=14, c=order, cmap="viridis", alpha=0.8, linewidths=0)
        axis.figure.colorbar(dots, ax=axis, label="position in the file (of a video: the frame)")


def _scatter_classes(axis: Axes, points: Points, labels: NDArray[np.str_], classes: Sequence[str]) -> None:
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
