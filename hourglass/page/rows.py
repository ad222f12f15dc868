"""The rows of the page's tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

from hourglass.groups.names import twin_title
from hourglass.metrics.results import BASELINE, FEW, better_codecs
from hourglass.natural import natural_key
from hourglass.page.gathered import Facts, Gathered
from hourglass.page.words import MISSING, heading, number, score, signed, size


class Table(NamedTuple):
    """A table of texts: the headings of its columns, and the heading and the cells of each row."""

    columns: list[str]
    rows: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, below it a smaller one, what it is sorted by, and what speaks against the model."""

    text: str
    below: str = ""
    value: float | str | None = None
    worse: str = ""


def kind_of(facts: Facts) -> str:
    """Return what a model is in its group: PCA, ours, published, or nothing special."""
    if facts["family"] == BASELINE:
        return "PCA"
    if facts.get("note", "").startswith("ours"):
        return "ours"
    return "published" if facts.get("published") else ""


def few_images(images: int) -> str:
    """Return a warning where scores are of few images."""
    return f"{images:,} test image{'' if images == 1 else 's'}: a small sample" if images < FEW else ""


class Column(NamedTuple):
    """A column of the table of all models: its heading, what it means, and whether it holds numbers."""

    name: str
    meaning: str
    figures: bool = True


COLUMNS = (
    Column("Numbers", "numbers in a latent"),
    Column("Bytes", "bytes of an image in a file of all test images; below, how many times smaller than the image"),
    Column("PSNR (dB)", "mean over the test images [95% interval of the mean]"),
    Column("SSIM", "mean over the test images [95% interval of the mean]"),
    Column("Published", "what was published, on test images", figures=False),
    Column("PCA (dB)", "PSNR of PCA of as many numbers"),
    Column("Above PCA (dB)", "difference of PSNR, image by image [95% interval]"),
    Column("JPEG (dB)", "PSNR of JPEG at the same bytes"),
    Column("In words", "who is better at this size", figures=False),
)


def headline(gathered: Gathered) -> tuple[list[Column], list[dict[str, Any]]]:
    """Return those of COLUMNS that say something of this group, and a row for each model."""
    cells = {name: _cells(facts) for name, facts in gathered.facts.items()}
    said = [
        any(row[place].text not in ("", MISSING) or row[place].worse for row in cells.values())
        for place in range(len(COLUMNS))
    ]
    rows = [
        {
            "name": name,
            "dataset": facts["dataset"],
            "small": few_images(facts["images"]),
            "kind": kind_of(facts),
            "cells": list(compress(zip(COLUMNS, cells[name], strict=True), said)),
        }
        for name, facts in gathered.facts.items()
    ]
    return list(compress(COLUMNS, said)), rows


def _cells(facts: Facts) -> list[Cell]:
    """Return the cells of COLUMNS."""
    versus, (good, bad) = facts.get("versus_pca"), verdict(facts)
    cells = [
        Cell(number(facts["latent_dim"]), value=facts["latent_dim"]),
        Cell(size(facts["bytes_per_image"]), f"1 : {facts['compression_ratio']:.1f}", facts["bytes_per_image"]),
        _spread("psnr_db", facts["test"].get("psnr_db")),
        _spread("ssim", facts["test"].get("ssim")),
        _published(facts),
    ]
    if versus:
        interval = f"[{signed(versus['low'])}, {signed(versus['high'])}]"
        cells.append(Cell(score("psnr_db", versus["psnr_db"]), value=versus["psnr_db"]))
        cells.append(Cell(signed(versus["mean"]), interval, versus["mean"]))
    else:
        cells += [Cell(MISSING), Cell(MISSING)]
    jpeg = facts["same_bytes"].get("JPEG")
    cells.append(Cell(MISSING) if jpeg is None else Cell(score("psnr_db", jpeg), value=jpeg))
    cells.append(Cell(good or ("" if bad else MISSING), value=f"{good} {bad}".strip(), worse=bad))
    return cells


def verdict(facts: Facts) -> tuple[str, str]:
    """Return in words what speaks for a model at its size, and what against it: PCA, or codecs that are better."""
    versus = facts.get("versus_pca")
    good, better = "", []
    if versus and versus["high"] < 0:
        better.append("PCA")
    elif versus:
        good = "better than PCA" if versus["low"] > 0 else "not told apart from PCA"
    better += better_codecs(facts["same_bytes"], facts["coded"]["psnr_db"])
    *first, last = better or [""]
    if not first:
        return good, f"{last} is better" if last else ""
    return good, f"{', '.join(first)} and {last} are better"


def _spread(metric: str, spread: Facts | None) -> Cell:
    if not spread:
        return Cell(MISSING)
    below = f"[{score(metric, spread['low'])}, {score(metric, spread['high'])}]"
    return Cell(score(metric, spread["mean"]), below, spread["mean"])


def _published(facts: Facts) -> Cell:
    figures = {key: value for key, value in facts.get("published", {}).items() if isinstance(value, int | float)}
    if not figures:
        return Cell("")
    text = ", ".join(f"{heading(key).removesuffix(' (dB)')} {value:g}" for key, value in figures.items())
    return Cell(text, facts["published"].get("source", ""), text)


def scores_table(gathered: Gathered, dataset: str) -> Table:
    """Return the headings and rows of all scores of a data set's models, with what 5% of the images do not reach."""
    models = gathered.models(dataset)
    metrics = list(dict.fromkeys(metric for name in models for metric in gathered.facts[name]["test"]))
    rows = []
    for name in models:
        cells: list[str] = []
        for metric in metrics:
            spread = gathered.facts[name]["test"].get(metric)
            worst = f" ({score(metric, spread['worst_5_percent'])})" if spread else ""
            cells.append(score(metric, spread["mean"] if spread else None) + worst)
        rows.append((name, cells))
    return Table([heading(metric) for metric in metrics], rows)


def class_table(gathered: Gathered, dataset: str) -> Table:
    """Return the models of a data set, and for each class the mean PSNR of each."""
    models = [name for name in gathered.models(dataset) if gathered.facts[name].get("classes")]
    classes = {one for name in models for one in gathered.facts[name]["classes"]}
    rows = [
        (one, [score("psnr_db", gathered.facts[name]["classes"].get(one, {}).get("psnr_db")) for name in models])
        for one in sorted(classes, key=natural_key)
    ]
    return Table(models, rows)


def rates_table(gathered: Gathered, dataset: str) -> Table:
    """Return what models are compared with, and for each the Bjøntegaard-delta rates in percent."""
    table = gathered.bd_rates[gathered.bd_rates["dataset"] == dataset]
    against = list(dict.fromkeys(table["against"]))
    found = {(row.model, row.against): float(str(row.bd_rate_percent)) for row in table.itertuples()}
    rows = []
    for name in gathered.models(dataset):
        rates = [found.get((name, other)) for other in against]
        if any(rate is not None for rate in rates):
            rows.append((name, [MISSING if rate is None else f"{signed(rate, 0)}%" for rate in rates]))
    return Table(against, rows)


def worth_table(gathered: Gathered, dataset: str) -> Table:
    """Return the measures of worth; a row for the pixels, the latents of each model and PCA of as many numbers."""
    found: dict[str, dict[str, float]] = {}
    twins: dict[str, dict[str, float]] = {}
    for name in gathered.models(dataset):
        facts = gathered.facts[name]
        for what, values in _measured(facts.get("worth") or {}):
            if what != "pca":
                found[what if what == "pixels" else name] = values
            elif not gathered.has_pca(facts):
                twins[twin_title(facts["latent_dim"], facts["tile"])] = values
    found = {name: found[name] for name in sorted(found, key=lambda name: name != "pixels")} | twins
    measures = list(dict.fromkeys(key for values in found.values() for key in values))
    rows = [(what, [score(key, values.get(key)) for key in measures]) for what, values in found.items()]
    return Table([heading(key) for key in measures], rows)


def _measured(worth: Facts) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what was measured, and its values."""
    for what in ("latents", "pixels", "pca"):
        if values := worth.get(what):
            yield what, values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def likelihood_table(gathered: Gathered, dataset: str) -> Table:
    """Return the generative models of a data set, and a row of their values for each measure."""
    found = {
        name: {**likelihood, **{f"frechet_{key}": value for key, value in likelihood.get("frechet", {}).items()}}
        for name in gathered.models(dataset)
        if (likelihood := gathered.facts[name].get("likelihood"))
    }
    measures = dict.fromkeys(key for values in found.values() for key, value in values.items() if _is_number(value))
    rows = [
        (heading(key), [number(values[key]) if key in values else MISSING for values in found.values()])
        for key in measures
    ]
    return Table(list(found), rows)


def likelihood_notes(gathered: Gathered, dataset: str) -> list[str]:
    """Return what is said in words of how the likelihoods of a data set were measured."""
    found = [gathered.facts[name].get("likelihood") or {} for name in gathered.models(dataset)]
    kinds = sorted({values["likelihood"] for values in found if "likelihood" in values})
    notes = [f"Likelihood of the pixels: {', '.join(kinds)}; bits of one kind do not compare with those of another"]
    if any("frechet" in values for values in found):
        notes.append(
            "The Fréchet distance is that of normal distributions in the space of the principal components of training "
            "images; that of training images shows what as many real images have"
        )
    return notes if kinds else []
