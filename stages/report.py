"""Put the models of a group side by side -> metrics/reports/<group>.md and plots/reports/<group>.png."""

import json
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from stages.common import command, config
from stages.common.errors import UserError
from stages.common.files import whole_file
from stages.common.paths import EVALUATED, METRICS, PLOTS, REPORTS
from stages.common.schema import Group
from stages.figures.comparison import Bar, draw_comparison
from stages.figures.style import save

BASELINE = "pca"  # the family that stands first
PICTURES = (  # in this order, those that there are
    "reconstructions",
    "whole",
    "latents",
    "training",
    "samples",
    "variations",
    "interpolation",
)
PUBLISHED = ("mse", "psnr_db", "ssim")
COLUMNS = {  # heading -> metric and format
    "numbers an image": ("latent_dim", ".0f"),
    "bytes": ("bytes_per_image", ".0f"),
    "times smaller": ("compression_ratio", ".1f"),
    "MSE": ("mse", ".5f"),
    "MAE": ("mae", ".4f"),
    "PSNR (dB)": ("psnr_db", ".2f"),
    "SSIM": ("ssim", ".4f"),
}


@dataclass(frozen=True)
class Result:
    """One model's row."""

    name: str
    dataset: str
    family: str
    metrics: dict[str, float]
    left_out: dict[str, str]
    published: dict[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def order(self) -> tuple[str, bool, float, str]:
        """By data set, PCA first, then by size."""
        return self.dataset, self.family != BASELINE, self.metrics["latent_dim"], self.name


def main(name: str) -> None:
    """Compare all models of one group."""
    settings = config.load()
    group = settings.group(name)
    members = {key for key, model in settings.models.items() if model.group == name}
    results = sorted(collect(name, group, members), key=lambda result: result.order)
    if not results:
        raise UserError(f"expected models with `group: {name}`, found no metrics in {METRICS / name}")
    (PLOTS / "reports").mkdir(parents=True, exist_ok=True)
    with whole_file(REPORTS / f"{name}.md") as page, whole_file(PLOTS / "reports" / f"{name}.png") as picture:
        text = to_markdown(group.title, results) + pictures(name, results)
        page.write_text(text, encoding="utf-8")
        draw(picture, group.title, results)


def collect(name: str, group: Group, members: set[str]) -> list[Result]:
    """Read what `evaluate` left of every model in the group's folder."""
    results = []
    for path in sorted((METRICS / name).glob("*.json")):
        if path.stem not in members:
            raise UserError(f"{path}: expected a model of group {name} in params.yaml, found none: make prune")
        described = EVALUATED / name / path.stem / "about.json"
        if not described.exists():
            raise UserError(f"expected {described}, found none: dvc repro evaluate@{path.stem}")
        about = json.loads(described.read_text(encoding="utf-8"))
        metrics = json.loads(path.read_text(encoding="utf-8"))
        published = group.published.get(path.stem)
        figures = {key: value for key in PUBLISHED if published and (value := getattr(published, key)) is not None}
        results.append(
            Result(
                path.stem,
                about["dataset"],
                about["family"],
                metrics,
                about["left_out"],
                published=figures,
                source=published.source if published else "",
            )
        )
    return results


def to_markdown(title: str, results: list[Result]) -> str:
    """Write one table of all models, and beneath it where published figures come from and what was left out."""
    headings = ["data set", "model", *COLUMNS, "published"]
    lines = [f"# {title}", "", "Scores on the test split, which no choice ever saw; PCA first.", ""]
    lines += [table_row(headings), table_row(["---", "---"] + ["---:"] * len(COLUMNS) + ["---"])]
    lines += [table_row(cells(result)) for result in results]
    notes = [f"{result.name}: the published figure is of {result.source}." for result in results if result.source]
    notes += [
        f"{result.name}: in brackets mean ± standard deviation over {result.metrics['seeds']} seeds; else the first."
        for result in results
        if "seeds" in result.metrics
    ]
    notes += [
        f"{result.name}: no {metric.upper()}: {reason}."
        for result in results
        for metric, reason in result.left_out.items()
    ]
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def cells(result: Result) -> list[str]:
    """Format one model's row."""
    published = ", ".join(
        f"{metric.removesuffix('_db').upper()} {value:g}" for metric, value in result.published.items()
    )
    values = [value(result.metrics, key, spec) for key, spec in COLUMNS.values()]
    return [result.dataset, result.name, *values, published]


def value(metrics: dict[str, float], key: str, spec: str) -> str:
    """Format one score, with mean and standard deviation beside it where the model was trained with several seeds."""
    if key not in metrics:
        return "-"
    single = format(metrics[key], spec)
    if f"{key}_mean" not in metrics:
        return single
    return f"{single} ({metrics[f'{key}_mean']:{spec}} ± {metrics[f'{key}_std']:{spec}})"


def table_row(entries: list[str]) -> str:
    """Join cells as Markdown does."""
    return f"| {' | '.join(entries)} |"


def pictures(group: str, results: list[Result]) -> str:
    """Show the pictures that `plot` drew, seen from the report's folder."""
    lines = ["", "## Pictures", "", "Not in git: `dvc repro` draws them, `dvc pull` fetches them.", ""]
    lines.append(f"![all models](../../{PLOTS / 'reports' / group}.png)")
    for result in results:
        lines += ["", f"### {result.name}", ""]
        files = [PLOTS / group / result.name / f"{picture}.png" for picture in PICTURES]
        lines += [f"![{result.name}: {path.stem}](../../{path})" for path in files if path.exists()]
    return "\n".join(lines) + "\n"


def draw(picture: Path, title: str, results: list[Result]) -> None:
    """Draw the same results as bars."""
    bars = {
        dataset: [Bar(one.name, one.metrics, one.published, one.family == BASELINE) for one in of_dataset]
        for dataset, of_dataset in groupby(results, key=lambda result: result.dataset)
    }
    save(draw_comparison(bars, title), picture)


if __name__ == "__main__":
    command.run(main)
