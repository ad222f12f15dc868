"""The losses of every epoch."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from stages.figures.style import BLUE, GREY, ORANGE, new_figure


def draw_training_curves(train: Sequence[float], val: Sequence[float], title: str) -> Figure:
    """Draw the loss of epoch 1, 2, ... on both splits, and mark the best epoch by validation."""
    epochs = range(1, len(train) + 1)
    best = min(epochs, key=lambda epoch: val[epoch - 1])
    figure = new_figure(7, 4.2)
    axis = figure.subplots()
    axis.plot(epochs, train, color=BLUE, linestyle="--", label="train")
    axis.plot(epochs, val, color=ORANGE, label="validation")
    axis.axvline(best, color=GREY, linewidth=1, linestyle=":")
    axis.plot(best, val[best - 1], "o", color=ORANGE, label=f"best validation: {val[best - 1]:.4g}, epoch {best}")
    axis.set(xlabel="epoch", ylabel="loss", yscale="log")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    axis.grid(axis="y", which="both", alpha=0.25)
    axis.legend()
    figure.suptitle(title)
    return figure
