"""Put a group of models side by side -> reports/<group>.html, metrics/reports/<group>.md, plots/reports/<group>.png.

The page says all and needs no network; the text, in git, is what of it changes between commits.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

from hourglass.config.document import Params
from hourglass.config.types import Name
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.documents import read_json
from hourglass.figures.comparison import Bar, draw_comparison
from hourglass.figures.style import save
from hourglass.files import whole_file
from hourglass.groups.seal import check_seal
from hourglass.metrics.answers import to_sentences
from hourglass.metrics.group import Group
from hourglass.metrics.quality import METRICS
from hourglass.metrics.results import Facts
from hourglass.metrics.table import Result, against_markdown, to_markdown
from hourglass.page.page import write_page
from stages.paths import GROUPS, LOCKS, PAGES, PARAMS, PLOTS, REPORTS, remedy

HEADING = (
    "Scores on the test split, which no choice ever saw; PCA first. "
    "Of several seeds: mean ± standard deviation, sqrt(sum((x - mean)^2) / (seeds - 1))."
)
ANSWERS = (
    "Which model to use: the best one of each size on the validation images, with its PSNR on the test images and, "
    "image by image, the difference to PCA of as many numbers [95% interval, bootstrap]."
)
AGAINST = (
    "PSNR in dB. PCA has as many numbers. A model's files have so many bytes an image, all test images in one file; "
    "image codecs have as many, in a file each or all in one sheet, whichever is better."
)
# In this order, then all others.
FIRST = ("reconstructions", "worst", "whole", "latents", "training", "samples", "variations")


def main(name: str) -> None:
    """Compare all models of one group by their scores on the test split."""
    group = Params.load(PARAMS).keywords(Group, "groups", name)
    results = read(GROUPS / name / "facts.json", group, name)
    sentences = to_sentences(results)
    text = f"# {group['title']}\n\n{ANSWERS}\n\n" + "".join(f"- {line}\n" for line in sentences)
    text += f"\n## Against PCA and image codecs\n\n{AGAINST}\n\n{against_markdown(results)}"
    text += f"\n## Scores\n\n{HEADING}\n\n{to_markdown(results)}{links(name, results)}"
    with whole_file(REPORTS / f"{name}.md") as written, whole_file(PLOTS / "reports" / f"{name}.png") as picture:
        written.write_text(text, encoding="utf-8")
        save(draw_comparison(bars(results), headings(), group["title"]), picture)
    write_page(GROUPS / name, group, sentences, PAGES / f"{name}.html")


def read(path: Path, group: dict[str, Any], name: str) -> list[Result]:
    """Read what `gather` wrote, and put beside each model what params.yaml says of it."""
    again = remedy(f"groups/dvc.yaml:{name}")
    check_seal(path.parent, again)
    models = read_json(path, dict[Name, Facts], again)
    if not models:
        raise UserError(f"{path}: expected a model or more, got none: {again}")
    results = []
    for model, facts in models.items():
        published = group["published"].get(model, {})
        figures = {metric: published[metric] for metric in METRICS if published.get(metric) is not None}
        note = " ".join(group["notes"].get(model, "").split())  # on one line
        results.append(Result(model, facts, figures, published.get("source", ""), note))
    return sorted(results, key=lambda result: result.order)


def links(group: str, results: list[Result]) -> str:
    """Return the pictures that `plot` drew, as links from the report's folder."""
    lines = ["", "## Pictures", "", "Not in git: `dvc repro` draws them, `dvc pull` fetches them.", ""]
    lines.append(f"![all models](../../{PLOTS / 'reports' / group}.png)")
    for result in results:
        lines += ["", f"### {result.name}", ""]
        names = [name for name in FIRST if name in result.facts.pictures]
        names += [name for name in result.facts.pictures if name not in FIRST]
        lines += [f"![{result.name}: {name}](../../{PLOTS / result.name / name}.png)" for name in names]
    return "\n".join(lines) + "\n"


def bars(results: list[Result]) -> dict[str, list[Bar]]:
    """Return the same results as bars, by data set."""
    return {
        dataset: [Bar(one.name, one.scores, one.deviations, one.published, one.is_baseline) for one in of_dataset]
        for dataset, of_dataset in groupby(results, key=lambda result: result.dataset)
    }


def headings() -> dict[str, str]:
    """Return the metrics that have bars, with their headings."""
    return {key: f"{metric.label} ({metric.better} is better)" for key, metric in METRICS.items() if metric.compared}


if __name__ == "__main__":
    command.run(main, LOCKS)
