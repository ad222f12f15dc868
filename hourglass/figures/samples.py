"""Images drawn from the prior of a generative family."""

from matplotlib.figure import Figure

from hourglass.figures.evaluated import Evaluated
from hourglass.figures.rows import draw_rows


def draw(model: Evaluated) -> Figure | None:
    """Draw the samples in one row."""
    if model.generated is None:
        return None
    samples = model.generated.samples
    return draw_rows(samples[None], [""], [""] * len(samples), f"{model.name}: samples from the prior")
