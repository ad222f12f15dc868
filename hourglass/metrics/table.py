"""The scores of several models as a table of Markdown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from hourglass.metrics.quality import METRICS
from hourglass.metrics.results import BASELINE, Facts

LEGEND = (
    "latent: numbers an image. ratio: bytes of an image against its share of a file of all test images. "
    "Scores are of latents that no file has rounded."
)
LOSSLESS = 88  # dB, at which PSNR ends: nothing is lost, which is no column of a table but a sentence
PUBLISHED = "published"  # in place of a model's name


@dataclass(frozen=True)
class Result:
    """One model.

    Attributes:
        name: of the model.
        facts: what is known of it once it is evaluated and drawn.
        published: metric -> score.
        source: where the published scores are from.
        note: a sentence on it, "" for none.
    """

    name: str
    facts: Facts
    published: dict[str, float] = field(default_factory=dict)
    source: str = ""
    note: str = ""

    @property
    def dataset(self) -> str:
        """The name of its data set."""
        return self.facts.dataset

    @property
    def is_baseline(self) -> bool:
        """Whether it is what all others are compared with."""
        return self.facts.family == BASELINE

    @property
    def scores(self) -> Mapping[str, float]:
        """Its scores on the test split by metric, the mean over all seeds if there are several."""
        means = {metric: score.mean for metric, score in self.facts.test.items()}
        return means | (dict(self.facts.seeds.mean) if self.facts.seeds else {})

    @property
    def deviations(self) -> Mapping[str, float]:
        """The standard deviation of its scores over several seeds, by metric."""
        return self.facts.seeds.std if self.facts.seeds else {}

    @property
    def order(self) -> tuple[str, bool, int, str]:
        """Its place among others: by data set, baselines first, then by size."""
        return self.dataset, not self.is_baseline, self.facts.latent_dim, self.name


def to_markdown(results: list[Result]) -> str:
    """Return a row for each model, below it what was published; below all notes on the data sets and the models."""
    table = pd.DataFrame([row for result in results for row in _rows(result)])
    alignment = ["left", "left", *["right"] * (len(table.columns) - 2)]
    lines = [LEGEND, "", table.to_markdown(index=False, colalign=alignment, disable_numparse=True), ""]
    splits = {result.dataset: result.facts.split for result in results}
    lines += [f"- {dataset}: split {split}." for dataset, split in splits.items()]
    lines += [f"- {result.name}: {note}" for result in results for note in _notes(result)]
    return "\n".join(lines) + "\n"


def against_markdown(results: list[Result]) -> str:
    """Return a row for each model with its twin's PSNR, and that of image codecs at the bytes of its files."""
    reached = [(name, value) for result in results for name, value in result.facts.same_bytes.items()]
    names = sorted({name for name, value in reached if value < LOSSLESS})
    rows = []
    for result in results:
        facts, versus, found = result.facts, result.facts.versus_pca, result.facts.same_bytes
        rows.append(
            {
                "model": result.name,
                "PSNR": f"{facts.test['psnr_db'].mean:.2f}",
                "PCA": f"{versus.psnr_db:.2f}" if versus else "-",
                "above PCA": f"{versus.mean:+.2f} [{versus.low:.2f}, {versus.high:.2f}]" if versus else "-",
                "bytes": f"{facts.coded.bytes:,.1f}",
                "file": f"{facts.coded.psnr_db:.2f}",
            }
            | {name: f"{found[name]:.2f}" if name in found else "-" for name in names}
        )
    table = pd.DataFrame(rows)
    alignment = ["left", *["right"] * (len(table.columns) - 1)]
    return f"{table.to_markdown(index=False, colalign=alignment, disable_numparse=True)}\n"


def _rows(result: Result) -> Iterator[dict[str, str]]:
    """Yield the cells of one model by their headings, and those of what was published for it."""
    columns = {key: metric for key, metric in METRICS.items() if metric.column}
    about = result.facts
    sizes = {"latent": f"{about.latent_dim}", "ratio": f"{about.compression_ratio:.1f}"}
    scores = {metric.label: _score(result, key, metric.format) for key, metric in columns.items()}
    yield {"data set": result.dataset, "model": result.name} | sizes | scores
    if result.published.keys() & columns.keys():
        published = {
            metric.label: f"{result.published[key]:g}" if key in result.published else "-"
            for key, metric in columns.items()
        }
        yield {"data set": result.dataset, "model": PUBLISHED} | sizes | {"ratio": "-"} | published


def _score(result: Result, metric: str, spec: str) -> str:
    """Format one score, with its deviation over several seeds, whose 0 before the point is left out."""
    if metric not in result.scores:
        return "-"
    score = format(result.scores[metric], spec)
    if metric not in result.deviations:
        return score
    return f"{score} ± {format(result.deviations[metric], spec).removeprefix('0')}"


def _notes(result: Result) -> Iterator[str]:
    """Yield where the published scores are from, how many seeds there are, what was left out, and the group's note."""
    if result.source:
        figures = [f"{METRICS[key].label} {value:g}" for key, value in result.published.items()]
        yield f"published {', '.join(figures) or 'without figures'}: {result.source}."
    if seeds := result.facts.seeds:
        yield f"mean ± standard deviation over {seeds.count} seeds; metrics/test/ and the pictures are of the first."
    for key, reason in result.facts.left_out.items():
        if key in METRICS and METRICS[key].column:
            yield f"no {METRICS[key].label}: {reason}."
    if result.note:
        yield result.note
