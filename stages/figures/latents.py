"""The latents of many images in two dimensions."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.style import BLUE, CLASS_COLORS, CLASS_MARKERS, new_figure

Points = NDArray[np.float64]


def project(latents: NDArray[np.float32]) -> tuple[Points, NDArray[np.float64]]:
    """Project (N, D) on its two principal components: (N, 2), and the share of the variance that each holds."""
    centred = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
    # At least two rows and columns: what is added says nothing, and a latent of one number can be drawn too.
    missing = [(0, max(0, 2 - length)) for length in centred.shape]
    centred = np.pad(centred, missing)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    # The sign of a component is arbitrary: make the largest part of each positive, so that a rerun is the same picture.
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(np.take_along_axis(directions, largest[:, None], axis=1))
    variance = np.square(singular)
    return centred[: len(latents)] @ directions[:2].T, variance[:2] / max(variance.sum(), np.finfo(float).tiny)


def draw_latents(latents: NDArray[np.float32], labels: list[str], title: str) -> Figure:
    """Draw (N, D) as points, told apart by label: up to ten by colour and marker, more by the label's own text."""
    points, shares = project(latents)
    figure = new_figure(7.5, 5.5)
    axis = figure.subplots()
    classes = sorted(set(labels), key=lambda label: (len(label), label))
    if len(classes) <= 1:
        axis.scatter(points[:, 0], points[:, 1], s=14, color=BLUE, alpha=0.7, linewidths=0)
    elif len(classes) <= len(CLASS_COLORS):
        _scatter_classes(axis, points, np.array(labels), classes)
    else:
        _write_labels(axis, points, labels)
    axis.set(
        xlabel=f"component 1 ({shares[0]:.0%} of the variance)", ylabel=f"component 2 ({shares[1]:.0%} of the variance)"
    )
    figure.suptitle(title)
    return figure


def _scatter_classes(axis: Axes, points: Points, labels: NDArray[np.str_], classes: list[str]) -> None:
    size = 18 if len(points) < 2000 else 6
    for label, color, marker in zip(classes, CLASS_COLORS, CLASS_MARKERS, strict=False):
        x, y = points[labels == label].T
        axis.scatter(x, y, s=size, color=color, marker=marker, alpha=0.7, linewidths=0, label=label)
    axis.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5), markerscale=max(1, 18 / size) ** 0.5)


def _write_labels(axis: Axes, points: Points, labels: list[str]) -> None:
    axis.scatter(points[:, 0], points[:, 1], s=0)  # sets the limits
    for (x, y), label in zip(points, labels, strict=True):
        axis.text(x, y, label, fontsize=7, color=BLUE, ha="center", va="center", alpha=0.8)
