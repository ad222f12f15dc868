"""The losses of every epoch."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from stages.figures.style import BLUE, GREY, ORANGE, new_figure

LOG_FROM = 3.0  # the ratio of the largest to the smallest value from which on a linear scale would hide the end


def draw_training_curves(losses: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str) -> Figure:
    """Draw each loss of epoch 1, 2, ... on both splits, (train, validation), and mark the best epoch of the first."""
    figure = new_figure(7 if len(losses) == 1 else 4.6 * len(losses), 4.2)
    panels = figure.subplots(1, len(losses), squeeze=False)[0]
    _, best_of = next(iter(losses.values()))
    best = min(range(len(best_of)), key=lambda index: best_of[index])
    for axis, (name, (train, val)) in zip(panels, losses.items(), strict=True):
        _draw_panel(axis, name, train, val, best)
    figure.suptitle(title)
    return figure


def _draw_panel(axis: Axes, name: str, train: Sequence[float], val: Sequence[float], best: int) -> None:
    epochs = range(1, len(train) + 1)
    axis.plot(epochs, train, color=BLUE, linestyle="--", label="train")
    axis.plot(epochs, val, color=ORANGE, label="validation")
    axis.axvline(best + 1, color=GREY, linewidth=1, linestyle=":")
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
