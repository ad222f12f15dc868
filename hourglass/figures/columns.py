"""Originals over reconstructions over error maps, a column for each image."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from hourglass.figures.evaluated import Evaluated
from hourglass.figures.style import ERROR_LIMIT, draw_error, new_figure, show_image

MOST = 12  # images
COLUMN = 1.2  # inches, which CAPTION characters fit, be they the widest
CAPTION = 13
TALLEST = 3.0  # inches of a row


def draw_columns(model: Evaluated, chosen: Sequence[int], captions: Sequence[str], title: str) -> Figure:
    """Draw test images by their index: the class and the caption of each below it, and where it is from.

    The three rows share the room beside them, which holds the scale of the errors, so that columns are straight.
    """
    height, width = model.originals.shape[2:]
    row = min(COLUMN * height / width, TALLEST)
    # A row of names needs more than a column where there are few; the title and the scale need the rest.
    figure = new_figure(max(COLUMN * len(chosen) + 1.4, 4.5), 3 * row + 1.2)
    figure.set_layout_engine("compressed")  # constrained, and without the gaps that images of a fixed shape would leave
    axes = figure.subplots(3, len(chosen), squeeze=False)
    for position, (index, caption) in enumerate(zip(chosen, captions, strict=True)):
        show_image(axes[0, position], model.originals[index])
        show_image(axes[1, position], model.reconstructions[index])
        heat = draw_error(axes[2, position], model.originals[index], model.reconstructions[index])
        axes[2, position].set_xlabel("\n".join([caption, *model.origin(index, CAPTION)]), fontsize=7, linespacing=1.3)
    for axis, label in zip(axes[:, 0], ("original", "reconstruction", "error"), strict=True):
        axis.set_ylabel(label, fontsize=8)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    ticks = [0, ERROR_LIMIT / 2, ERROR_LIMIT]
    bar = figure.colorbar(heat, ax=axes, extend="max", shrink=1 / 3, anchor=(0, 0), aspect=8, pad=0.02, ticks=ticks)
    bar.set_label("absolute error", fontsize=8)
    figure.suptitle(title)
    return figure
