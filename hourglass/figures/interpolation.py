"""The way from one test image to another through the latents of a generative family."""

from matplotlib.figure import Figure

from hourglass.figures.evaluated import Evaluated
from hourglass.figures.rows import draw_rows


def draw(model: Evaluated) -> Figure | None:
    """Draw the steps in one row, the reconstructions of the two images at its ends."""
    if model.generated is None:
        return None
    steps = model.generated.interpolation
    columns = ["first", *[""] * (len(steps) - 2), "last"]
    return draw_rows(steps[None], [""], columns, f"{model.name}: between two test images")
