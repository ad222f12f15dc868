"""The test images that a model reconstructs worst."""

import numpy as np
from matplotlib.figure import Figure

from hourglass.figures.columns import MOST, draw_columns
from hourglass.figures.evaluated import Evaluated


def draw(model: Evaluated) -> Figure:
    """Draw a column for each image, with its PSNR, the lowest first."""
    psnr = model.scores["psnr_db"].to_numpy(np.float64)
    chosen = np.argsort(psnr, kind="stable")[:MOST].tolist()
    title = f"{model.name}: the worst {len(chosen)} of {len(psnr)} test images"
    return draw_columns(model, chosen, [f"{psnr[index]:.1f} dB" for index in chosen], title)
