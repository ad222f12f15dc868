"""The way from one test image to another through the latents of a generative family."""

import numpy as np
from matplotlib.figure import Figure

from hourglass.figures.evaluated import Evaluated
from hourglass.figures.rows import draw_rows

CAPTION = 15  # characters, which fit a column


def draw(model: Evaluated) -> Figure | None:
    """Draw the steps in one row between the two test images; the first and the last step are their reconstructions."""
    if model.generated is None:
        return None
    first, last = 0, _farthest(model)
    steps = model.generated.interpolation
    row = np.concatenate([model.originals[first][None], steps, model.originals[last][None]])
    ends = ["\n".join([*model.origin(index, CAPTION), "original"]) for index in (first, last)]
    between = [""] * max(0, len(steps) - 2)
    columns = [ends[0], "reconstruction", *between, "reconstruction", ends[1]]
    return draw_rows(row[None], [""], columns, f"{model.name}: between two test images")


def _farthest(model: Evaluated) -> int:
    """Return the index of the image whose latent lies farthest from the first: the other end of what was decoded."""
    return int(np.linalg.norm(model.latents - model.latents[0], axis=1).argmax())
