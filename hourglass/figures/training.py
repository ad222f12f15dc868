"""The losses of every epoch."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from hourglass.figures.evaluated import Evaluated
from hourglass.figures.style import BLUE, GRAY, ORANGE, new_figure

MOST = 3  # losses in one row
LOG_FROM = 3.0  # the ratio of the largest to the smallest value from which on a linear scale would hide the end


def draw(model: Evaluated) -> Figure | None:
    """Draw each loss of every epoch on both splits, and mark the best epoch of the first; it takes two epochs."""
    history = model.history
    if len(history) < 2:
        return None
    names = [column.removeprefix("train_") for column in map(str, history) if column.startswith("train_")]
    best = int(history[f"val_{names[0]}"].argmin())
    epochs = history["epoch"].tolist()
    rows = math.ceil(len(names) / MOST)
    columns = math.ceil(len(names) / rows)
    figure = new_figure(7 if columns == 1 else 4.6 * columns, 4.2 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axis in panels[len(names) :]:
        axis.remove()
    for axis, name in zip(panels, names, strict=False):
        _draw_panel(axis, name, history[f"train_{name}"].tolist(), history[f"val_{name}"].tolist(), epochs, best)
    figure.suptitle(model.name)
    return figure


def _draw_panel(
    axis: Axes, name: str, train: Sequence[float], val: Sequence[float], epochs: Sequence[int], best: int
) -> None:
    axis.plot(epochs, train, color=BLUE, linestyle="--", label="train")
    axis.plot(epochs, val, color=ORANGE, label="validation")
    axis.axvline(epochs[best], color=GRAY, linewidth=1, linestyle=":")
    axis.plot(epochs[best], val[best], "o", color=ORANGE, label=f"{val[best]:.4g} in the best epoch, {epochs[best]}")
    axis.set(xlabel="epoch", ylabel=name)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    lowest, highest = min(*train, *val), max(*train, *val)
    if lowest > 0 and highest > LOG_FROM * lowest:
        axis.set_yscale("log")
        axis.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))  # all nine would be written over each other
        axis.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.grid(axis="y", which="both", alpha=0.25)
    axis.legend()
