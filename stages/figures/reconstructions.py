"""Originals over reconstructions over error maps."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.style import new_figure, show_image

ERROR_LIMIT = 0.5  # the error, of at most 1, at which the map's colour saturates


def draw_reconstructions(
    originals: NDArray[np.uint8], reconstructions: NDArray[np.uint8], captions: list[str], title: str
) -> Figure:
    """Draw a column for each of the images (N, C, H, W), with a caption under it."""
    count, _, height, width = originals.shape
    column = min(1.1, 14 / count)
    row = column * height / width
    figure = new_figure(column * count + 1.6, 3 * row + 1.1)
    axes = figure.subplots(3, count, squeeze=False)
    errors = np.abs(originals.astype(np.float32) - reconstructions).mean(axis=1) / 255
    for index in range(count):
        show_image(axes[0, index], originals[index])
        show_image(axes[1, index], reconstructions[index])
        heat = axes[2, index].imshow(errors[index], cmap="magma", vmin=0, vmax=ERROR_LIMIT, interpolation="nearest")
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
