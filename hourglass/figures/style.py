"""The look of all pictures, and how they are saved."""

import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from hourglass.figures.evaluated import Bytes

# Okabe and Ito's colors, which people of every kind of color vision tell apart; jfly.uni-koeln.de/color
BLUE, ORANGE, GREEN, PURPLE, RED, SKY, YELLOW, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#F0E442",
    "#000000",
)
GRAY = "#8C8C8C"
LIGHT = "#C8C8C8"  # of what is there, but not what a picture is about
DPI = 130
# One for each of up to ten classes; the markers differ too, so that no class is told apart by color alone.
CLASS_COLORS = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY, BLACK, GRAY, "#7F5539", "#B8A900")
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")

ERROR_LIMIT = 0.25  # the error, of at most 1, at which the color saturates


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, in inches; it lays itself out."""
    mpl.rcParams.update(
        {
            "font.size": 9,
            "text.parse_math": False,  # names may hold a $
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.titlesize": 11,
            "legend.frameon": False,
        }
    )
    return Figure(figsize=(width, height), layout="constrained")


def show_image(axis: Axes, image: Bytes) -> None:
    """Show one image (C, H, W), gray or color."""
    if len(image) == 1:
        axis.imshow(image[0], cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    else:
        axis.imshow(np.moveaxis(image, 0, -1), interpolation="antialiased")


def draw_error(axis: Axes, original: Bytes, reconstruction: Bytes) -> AxesImage:
    """Show how far two images (C, H, W) are apart at every pixel, the mean over its channels, from 0 to 1."""
    error = np.abs(original.astype(np.float32) - reconstruction).mean(axis=0) / 255
    return axis.imshow(error, cmap="magma", vmin=0, vmax=ERROR_LIMIT, interpolation="nearest")


def save(figure: Figure, path: Path) -> None:
    """Write a PNG that holds nothing but the picture: no date, no version, so the same picture is the same bytes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a name in letters that the font does not have is drawn as boxes
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
