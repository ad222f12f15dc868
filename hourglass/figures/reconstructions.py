"""Originals over reconstructions over error maps, of a few test images spread over the whole split."""

from matplotlib.figure import Figure

from hourglass.arrays.spread import spread
from hourglass.figures.columns import MOST, draw_columns
from hourglass.figures.evaluated import Evaluated


def draw(model: Evaluated) -> Figure:
    """Draw a column for each image, with its score."""
    chosen = spread(len(model.originals), MOST)
    return draw_columns(model, chosen, [model.caption(index) for index in chosen], model.title)
