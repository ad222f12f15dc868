"""Originals over reconstructions over error maps."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.style import ERROR_LIMIT, draw_error, new_figure, show_image


def draw_reconstructions(
    originals: NDArray[np.uint8], reconstructions: NDArray[np.uint8], captions: list[str], title: str
) -> Figure:
    """Draw a column for each of the images (N, C, H, W), with a caption under it."""
    count, _, height, width = originals.shape
    column = min(1.1, 14 / count)
    row = column * height / width
    figure = new_figure(max(column * count + 1.6, 4.5), 3 * row + 1.1)  # wide enough for the title
    axes = figure.subplots(3, count, squeeze=False)
    for index in range(count):
        show_image(axes[0, index], originals[index])
        show_image(axes[1, index], reconstructions[index])
        heat = draw_error(axes[2, index], originals[index], reconstructions[index])
        axes[2, index].set_xlabel(captions[index], fontsize=8)
    for axis, label in zip(axes[:, 0], ("original", "reconstruction", "error"), strict=True):
        axis.set_ylabel(label)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    bar = figure.colorbar(heat, ax=axes[2, :], extend="max", aspect=8, ticks=[0, ERROR_LIMIT / 2, ERROR_LIMIT])
    bar.set_label("absolute error", fontsize=8)
    figure.suptitle(title)
    return figure
