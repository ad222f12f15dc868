"""The models of a group side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hourglass.figures.style import BLACK, BLUE, GRAY, new_figure


@dataclass(frozen=True)
class Bar:
    """One model: its label, its scores, their deviations over seeds, its published scores, and whether it is PCA."""

    label: str
    scores: Mapping[str, float]
    deviations: Mapping[str, float]
    published: Mapping[str, float]
    baseline: bool


def draw_comparison(datasets: Mapping[str, Sequence[Bar]], metrics: Mapping[str, str], title: str) -> Figure:
    """Draw a row of panels for each data set, a panel for each metric (name -> heading), a bar for each model."""
    heights = [len(bars) + 1.4 for bars in datasets.values()]
    figure = new_figure(10, 0.32 * sum(heights) + 1.1)
    panels = figure.subplots(len(datasets), len(metrics), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, (dataset, bars) in zip(panels, datasets.items(), strict=True):
        for axis, (metric, label) in zip(row, metrics.items(), strict=True):
            _draw_panel(axis, bars, metric)
            axis.set_title(f"{dataset}: {label}", loc="left")
        for axis in row[1:]:
            axis.set_yticklabels([])
    handles: list[Artist] = [Patch(color=GRAY, label="PCA"), Patch(color=BLUE, label="autoencoder")]
    if any(bar.published.keys() & metrics.keys() for bars in datasets.values() for bar in bars):
        handles.append(Line2D([], [], linestyle="", marker="D", color=BLACK, markersize=5, label="published"))
    if any(bar.deviations.keys() & metrics.keys() for bars in datasets.values() for bar in bars):
        handles.append(Line2D([], [], color=BLACK, marker="|", label="± standard deviation over seeds"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    figure.suptitle(title)
    return figure


def _draw_panel(axis: Axes, bars: Sequence[Bar], metric: str) -> None:
    for position, bar in enumerate(bars):
        value = bar.scores.get(metric)
        if value is None:
            axis.text(0, position, " does not apply", va="center", fontsize=8, color=GRAY)
            continue
        color = GRAY if bar.baseline else BLUE
        axis.barh(position, value, xerr=bar.deviations.get(metric), color=color, ecolor=BLACK, capsize=2, height=0.7)
        # In a column of their own: beside its bar a value would meet the mark of the published one.
        axis.text(1.01, position, f"{value:.4g}", va="center", fontsize=8, transform=axis.get_yaxis_transform())
        if metric in bar.published:
            axis.plot(bar.published[metric], position, "D", color=BLACK, markersize=5, markeredgecolor="white")
    axis.set_yticks(range(len(bars)), [bar.label for bar in bars])
    axis.set_ylim(len(bars) - 0.4, -0.6)
    axis.margins(x=0.05)
    axis.set_xlim(left=min(0, axis.get_xlim()[0]))  # SSIM may be negative
    axis.xaxis.set_major_locator(MaxNLocator(5))
