"""The table and the picture of `tests.benchmarks.training`."""

import os
import platform
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from hourglass.figures.style import BLACK, BLUE, GREEN, ORANGE, SKY, new_figure

from .runners.job import Result

Results = Mapping[str, Mapping[str, Result | None]]  # by workload, then by runner; None for a runner that failed

COLORS = {"hourglass": BLUE, "plain": ORANGE, "lightning": SKY, "keras": GREEN}
# Losses differ a little: the frameworks draw other first weights and orders. By more than this, something is wrong.
LOSS_RATIO = 1.5


def median_seconds(result: Result) -> float:
    """Return the seconds of the median epoch, without the first, which warms up."""
    return median(result.seconds[1:])


def describe_machine(results: Results) -> str:
    """Name the processor and the software, in a line."""
    software: dict[str, str] = {}
    for result in finished(results):
        software |= result.software
    versions = ", ".join(f"{name} {version}" for name, version in software.items())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{processor()}, {cores} cores; Python {platform.python_version()}, {versions}. The median epoch after the "
        "first, validation included; a ratio below 1 means that Hourglass is faster."
    )


def describe_spread(results: Results) -> str:
    """Say how far the timed epochs of one run lie apart at most: what a difference has to exceed to mean anything."""
    spreads = {
        f"{name}, {runner}": max(result.seconds[1:]) / min(result.seconds[1:])
        for name, row in results.items()
        for runner, result in row.items()
        if result
    }
    which = max(spreads, key=spreads.__getitem__, default="nothing ran")
    return (
        f"Within one run, the slowest timed epoch took up to {spreads.get(which, 1):.2f} times the quickest ({which})."
    )


def finished(results: Results) -> Iterator[Result]:
    """Return every result but those of runners that failed."""
    return (result for result in chain.from_iterable(row.values() for row in results.values()) if result)


def processor() -> str:
    """Name the processor: Linux alone says more than its architecture."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def format_table(results: Results) -> list[str]:
    """Write a row for each workload: seconds of every runner, then Hourglass as a multiple of every other."""
    runners = list(next(iter(results.values())))
    others = runners[1:]
    header = ["workload", "MFLOP an image", *runners, *(f"hourglass / {other}" for other in others)]
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    for name, row in results.items():
        seconds = {runner: None if result is None else median_seconds(result) for runner, result in row.items()}
        cells = ["failed" if value is None else f"{value:.3g}" for value in seconds.values()]
        cells += [format_ratio(seconds[runners[0]], seconds[other]) for other in others]
        lines.append(f"| {' | '.join([f'`{name}`', megaflops(row), *cells])} |")
    return lines


def megaflops(row: Mapping[str, Result | None]) -> str:
    """Return the operations of one image's forward pass, in millions."""
    counts = [result.flops_per_image for result in row.values() if result and result.flops_per_image]
    return f"{counts[0] / 1e6:.3g}" if counts else ""


def format_ratio(seconds: float | None, other: float | None) -> str:
    """Divide, unless one of the two failed."""
    return "" if seconds is None or other is None else f"{seconds / other:.2f}"


def find_differences(results: Results) -> list[str]:
    """Say where runners did not train the same network, or not to a similar loss."""
    lines = []
    for name, row in results.items():
        parameters = {runner: result.parameters for runner, result in row.items() if result}
        losses = {runner: result.val_loss for runner, result in row.items() if result and result.val_loss is not None}
        if len(set(parameters.values())) > 1:
            lines.append(f"warning: {name}: expected the same network, got parameters {parameters}")
        if losses and max(losses.values()) > LOSS_RATIO * min(losses.values()):
            rounded = {runner: float(f"{loss:.3g}") for runner, loss in losses.items()}
            lines.append(f"warning: {name}: expected similar validation losses, got {rounded}")
    return lines


def draw(results: Results) -> Figure:
    """Draw a group of bars for each workload: time as a multiple of its floor."""
    figure = new_figure(9, 0.9 * len(results) + 1.4)
    axis = figure.subplots()
    height = 0.8 / len(COLORS)
    for number, (runner, color) in enumerate(COLORS.items()):
        positions = [group - 0.4 + (number + 0.5) * height for group in range(len(results))]
        multiples = [multiple_of_floor(row, runner) for row in results.values()]
        axis.barh(positions, [value or 0 for value in multiples], height * 0.9, color=color, label=runner)
        for position, value in zip(positions, multiples, strict=True):
            text, is_gray = (" failed", True) if value is None else (f" {value:.2f}", False)
            axis.text(value or 0, position, text, va="center", fontsize=8, alpha=0.6 if is_gray else 1)
    axis.axvline(1, color=BLACK, linewidth=1, linestyle="--", label="floor: the matrix work alone")
    axis.set_yticks(range(len(results)), list(results))
    axis.set_ylim(len(results) - 0.5, -0.5)
    axis.margins(x=0.1)
    axis.set_xlim(left=0)
    axis.set_xlabel("time of an epoch / time of its matrix products or convolutions alone (lower is better)")
    figure.legend(loc="outside lower center", ncols=len(COLORS) + 1)
    figure.suptitle("Training time")
    return figure


def multiple_of_floor(row: Mapping[str, Result | None], runner: str) -> float | None:
    """Divide a runner's seconds by the floor's, unless one of the two failed."""
    result, floor = row[runner], row["floor"]
    return None if result is None or floor is None else median_seconds(result) / median_seconds(floor)
