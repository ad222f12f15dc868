"""One whole image, its reconstruction, and where they differ: large enough to see the pixels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hourglass.figures.evaluated import Evaluated
from hourglass.figures.style import DPI, SKY, draw_error, new_figure, show_image

LARGE = 100  # pixels, the side from which on an image gets a picture of its own
PANEL = 4.2  # inches, at least
TALLEST = 12.0  # inches
LONGEST = 40  # characters of the class and of the source


def draw(model: Evaluated) -> Figure | None:
    """Draw the first test image beside its reconstruction and the error; over the original the grid of its tiles.

    It applies to large images and to those that are cut into tiles.
    """
    height, width = model.originals.shape[2:]
    tile = model.tile
    if not tile and max(height, width) < LARGE:
        return None
    panel = max(PANEL, width / DPI)  # no pixel is lost, unless the picture would be too tall
    figure = new_figure(3 * panel + 1.6, min(panel * height / width, TALLEST) + 0.8)
    axes = figure.subplots(1, 3)
    show_image(axes[0], model.originals[0])
    show_image(axes[1], model.reconstructions[0])
    heat = draw_error(axes[2], model.originals[0], model.reconstructions[0])
    if tile:
        _draw_grid(axes[0], tile, height, width)
    size = f"{tile[0]}x{tile[1]} tiles" if tile else f"{height}x{width}"
    titles = (f"original, {size}", f"reconstruction, {model.caption(0)}", "error")
    axes[0].set_xlabel(", ".join(model.origin(0, LONGEST)), fontsize=8)
    for axis, label in zip(axes, titles, strict=True):
        axis.set_title(label)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.colorbar(heat, ax=axes[2], extend="max", shrink=0.8, label="absolute error")
    figure.suptitle(model.title)
    return figure


def _draw_grid(axis: Axes, tile: tuple[int, int], height: int, width: int) -> None:
    # Pixel centers are whole numbers, so edges lie between them.
    axis.hlines(np.arange(tile[0], height, tile[0]) - 0.5, -0.5, width - 0.5, colors=SKY, linewidth=0.5)
    axis.vlines(np.arange(tile[1], width, tile[1]) - 0.5, -0.5, height - 0.5, colors=SKY, linewidth=0.5)
