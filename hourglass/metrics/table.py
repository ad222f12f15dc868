"""The scores of several models as a table of Markdown."""

from dataclasses import dataclass, field

import pandas as pd

from hourglass.metrics.quality import METRICS
from hourglass.metrics.results import Facts, Spread

BASELINE = "pca"  # the family that stands first
LEGEND = "latent: numbers an image, of four bytes each. ratio: how many times smaller than the image they are."
SIZES = {  # heading -> key and format
    "latent": ("latent_dim", ".0f"),
    "ratio": ("compression_ratio", ".1f"),
}


@dataclass(frozen=True)
class Result:
    """One model.

    Attributes:
        name: of the model.
        facts: what is known of it once it is evaluated and drawn.
        published: metric -> score.
        source: where the published scores are from.
    """

    name: str
    facts: Facts
    published: dict[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def dataset(self) -> str:
        """The name of its data set."""
        return self.facts.about.dataset

    @property
    def is_baseline(self) -> bool:
        """Whether it is what all others are compared with."""
        return self.facts.about.family == BASELINE

    @property
    def order(self) -> tuple[str, bool, int, str]:
        """Its place among others: by data set, baselines first, then by size."""
        return self.dataset, not self.is_baseline, self.facts.about.latent_dim, self.name


def to_markdown(results: list[Result]) -> str:
    """Return a row for each model; below them the splits, the sources of published scores and what was left out."""
    table = pd.DataFrame([_row(result) for result in results])
    alignment = ["left", "left", *["right"] * (len(table.columns) - 3), "left"]
    lines = [LEGEND, "", table.to_markdown(index=False, colalign=alignment, disable_numparse=True)]
    notes = [f"{dataset}: split {note}." for dataset, note in {one.dataset: one.facts.split for one in results}.items()]
    notes += [f"{result.name}: the published figure is of {result.source}." for result in results if result.source]
    notes += [
        f"{result.name}: {_spread(seeds)}; in the table the first."
        for result in results
        if (seeds := result.facts.seeds)
    ]
    notes += [
        f"{result.name}: no {metric.label}: {reasons[key]}."
        for result in results
        for key, metric in METRICS.items()
        if key in (reasons := result.facts.about.left_out)
    ]
    lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def _row(result: Result) -> dict[str, str]:
    """Return the cells of one model by their headings."""
    sizes = {heading: format(getattr(result.facts.about, key), spec) for heading, (key, spec) in SIZES.items()}
    scores = {metric.label: _cell(result, key, metric.format) for key, metric in METRICS.items()}
    published = [f"{METRICS[key].label.partition(' ')[0]} {value:g}" for key, value in result.published.items()]
    cells = {"data set": result.dataset, "model": result.name} | sizes | scores
    return cells | {"published": ", ".join(published)}


def _cell(result: Result, metric: str, spec: str) -> str:
    """Format one score."""
    scores = result.facts.test
    return format(scores[metric], spec) if metric in scores else "-"


def _spread(seeds: Spread) -> str:
    """Return the mean and the standard deviation of the scores over several seeds."""
    scores = [
        f"{metric.label} {seeds.mean[key]:{metric.format}} ± {seeds.std[key]:{metric.format}}"
        for key, metric in METRICS.items()
        if key in seeds.mean
    ]
    return f"mean ± standard deviation over {seeds.count} seeds: {', '.join(scores)}"
