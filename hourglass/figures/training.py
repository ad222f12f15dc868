"""The losses of every epoch."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from hourglass.figures.evaluated import Evaluated
from hourglass.figures.style import BLUE, GRAY, ORANGE, new_figure

LOG_FROM = 3.0  # the ratio of the largest to the smallest value from which on a linear scale would hide the end


def draw(model: Evaluated) -> Figure | None:
    """Draw each loss of every epoch on both splits, and mark the best epoch of the first; it takes two epochs."""
    history = model.history
    if len(history) < 2:
        return None
    names = [column.removeprefix("train_") for column in map(str, history) if column.startswith("train_")]
    best = int(history[f"val_{names[0]}"].argmin())
    figure = new_figure(7 if len(names) == 1 else 4.6 * len(names), 4.2)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name in zip(panels, names, strict=True):
        _draw_panel(axis, name, history[f"train_{name}"].tolist(), history[f"val_{name}"].tolist(), best)
    figure.suptitle(model.name)
    return figure


def _draw_panel(axis: Axes, name: str, train: Sequence[float], val: Sequence[float], best: int) -> None:
    epochs = range(1, len(train) + 1)
    axis.plot(epochs, train, color=BLUE, linestyle="--", label="train")
    axis.plot(epochs, val, color=ORANGE, label="validation")
    axis.axvline(best + 1, color=GRAY, linewidth=1, linestyle=":")
    axis.plot(best + 1, val[best], "o", color=ORANGE, label=f"{val[best]:.4g} in the best epoch, {best + 1}")
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
