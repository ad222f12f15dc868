"""One whole image, what became of it, and where it differs: large enough to see the pixels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.style import DPI, SKY, draw_error, new_figure, show_image

PANEL = 4.2  # inches, at least
TALLEST = 12.0  # inches


def draw_whole(
    original: NDArray[np.uint8],
    reconstruction: NDArray[np.uint8],
    title: str,
    caption: str,
    tile: tuple[int, int] | None = None,
) -> Figure:
    """Draw one image (C, H, W) beside its reconstruction and the error; over the first the grid of its tiles."""
    _, height, width = original.shape
    panel = max(PANEL, width / DPI)  # no pixel is lost, unless the picture would be too tall
    figure = new_figure(3 * panel + 1.6, min(panel * height / width, TALLEST) + 0.8)
    axes = figure.subplots(1, 3)
    show_image(axes[0], original)
    show_image(axes[1], reconstruction)
    heat = draw_error(axes[2], original, reconstruction)
    if tile:
        _draw_grid(axes[0], tile, height, width)
    size = f"{tile[0]}x{tile[1]} tiles" if tile else f"{height}x{width}"
    for axis, label in zip(axes, (f"original, {size}", f"reconstruction, {caption}", "error"), strict=True):
        axis.set_title(label)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.colorbar(heat, ax=axes[2], extend="max", shrink=0.8, label="absolute error")
    figure.suptitle(title)
    return figure


def _draw_grid(axis: Axes, tile: tuple[int, int], height: int, width: int) -> None:
    # Pixel centres are whole numbers, so edges lie between them.
    axis.hlines(np.arange(tile[0], height, tile[0]) - 0.5, -0.5, width - 0.5, colors=SKY, linewidth=0.5)
    axis.vlines(np.arange(tile[1], width, tile[1]) - 0.5, -0.5, height - 0.5, colors=SKY, linewidth=0.5)
