"""Originals over reconstructions over error maps, of a few test images spread over the whole split."""

from matplotlib.figure import Figure

from hourglass.arrays.spread import spread
from hourglass.figures.evaluated import Evaluated
from hourglass.figures.style import ERROR_LIMIT, draw_error, new_figure, show_image

COLUMNS = 12  # images


def draw(model: Evaluated) -> Figure:
    """Draw a column for each image, its score below it."""
    chosen = spread(len(model.originals), COLUMNS)
    height, width = model.originals.shape[2:]
    column = min(1.1, 14 / len(chosen))
    row = column * height / width
    figure = new_figure(max(column * len(chosen) + 1.6, 4.5), 3 * row + 1.1)  # wide enough for the title
    axes = figure.subplots(3, len(chosen), squeeze=False)
    for position, index in enumerate(chosen):
        show_image(axes[0, position], model.originals[index])
        show_image(axes[1, position], model.reconstructions[index])
        heat = draw_error(axes[2, position], model.originals[index], model.reconstructions[index])
        axes[2, position].set_xlabel(model.caption(index), fontsize=8)
    for axis, label in zip(axes[:, 0], ("original", "reconstruction", "error"), strict=True):
        axis.set_ylabel(label)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    bar = figure.colorbar(heat, ax=axes[2, :], extend="max", aspect=8, ticks=[0, ERROR_LIMIT / 2, ERROR_LIMIT])
    bar.set_label("absolute error", fontsize=8)
    figure.suptitle(model.title)
    return figure
