"""What the page's script draws, as JSON: a document for each data set, read once somebody looks at it."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from hourglass.groups.names import twin_title
from hourglass.metrics.results import BASELINE
from hourglass.page.gathered import Facts, Gathered
from hourglass.page.pictures import grid, strip, whole
from hourglass.page.words import heading

EPOCHS = 400  # of a training curve, at most
GRAY = 7  # the color of PCA, in --s0 to --s9 of page.css, and its marks, in turn
GRAY_MARKS = (7, 2, 1, 3)
OTHERS = (0, 1, 2, 3, 4, 5, 8, 9)  # the colors and marks of all other models, in turn


def embedded(value: object) -> Markup:
    """Return JSON for a <script type="application/json">: nothing in it can end the element or begin another."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704


def document(gathered: Gathered, dataset: str) -> dict[str, Any]:
    """Return all that is drawn of one data set."""
    return {
        "name": dataset,
        "looks": looks(gathered, dataset),
        "rate": rate(gathered, dataset),
        "losses": losses(gathered, dataset),
        "latents": latents(gathered, dataset),
        "images": images(gathered, dataset),
        "varied": list(varied(gathered, dataset)),
    }


def looks(gathered: Gathered, dataset: str) -> dict[str, tuple[int, int]]:
    """Return the color and the mark of each model, the same in all charts of a data set: gray for PCA."""
    models = gathered.models(dataset)
    baselines = [name for name in models if gathered.facts[name]["family"] == BASELINE]
    networks = [name for name in models if name not in baselines]
    found = {name: (GRAY, GRAY_MARKS[place % len(GRAY_MARKS)]) for place, name in enumerate(baselines)}
    return found | {name: (OTHERS[place % len(OTHERS)],) * 2 for place, name in enumerate(networks)}


def rate(gathered: Gathered, dataset: str) -> list[dict[str, Any]]:
    """Return the curves of rate and distortion: name, kind, and bytes, PSNR, SSIM and setting of each point.

    PCA is of the kind "pca" whether it is a model of the group or the twin of one.
    """
    table = gathered.curves[gathered.curves["dataset"] == dataset]
    baselines = {name for name in gathered.models(dataset) if gathered.facts[name]["family"] == BASELINE}
    curves = []
    for codec, of_codec in table.groupby("codec", sort=False):
        rows = of_codec.sort_values("bytes")
        points = [
            [_short(row.bytes), _short(row.psnr_db), _short(row.ssim), str(row.setting)] for row in rows.itertuples()
        ]
        kind = "pca" if codec in baselines else of_codec["kind"].iloc[0]
        curves.append({"name": codec, "kind": kind, "points": points})
    order = ["model", "pca", "image codec", "lossless"]
    return sorted(curves, key=lambda curve: order.index(curve["kind"]) if curve["kind"] in order else len(order))


def losses(gathered: Gathered, dataset: str) -> list[dict[str, Any]]:
    """Return the training curves of the models of a data set, those whose losses can be compared together."""
    panels: dict[str, list[dict[str, Any]]] = {}
    for name in gathered.models(dataset):
        rows = gathered.histories[gathered.histories["model"] == name]
        rows = rows.iloc[:: max(1, math.ceil(len(rows) / EPOCHS))]
        points = [[int(str(row.epoch)), _short(row.train_loss), _short(row.val_loss)] for row in rows.itertuples()]
        if points:
            panels.setdefault(loss_of(gathered.facts[name]), []).append({"name": name, "points": points})
    return [{"title": title, "models": models} for title, models in panels.items()]


def loss_of(facts: Facts) -> str:
    """Return the name of what a model minimizes, by its entry in params.yaml."""
    network = (facts.get("config") or {}).get("network") or {}
    if facts["family"] == "vae":
        return f"negative ELBO, {network.get('likelihood', 'bernoulli').capitalize()} likelihood"
    weights = network.get("loss") or {"mse": 1}
    return " + ".join(
        heading(name) if weight == 1 else f"{weight:g} {heading(name)}" for name, weight in weights.items()
    )


def latents(gathered: Gathered, dataset: str) -> dict[str, Any] | None:
    """Return the points of each model in two dimensions, and the images that they are of; None without any."""
    tables = {name: gathered.projection(name) for name in gathered.models(dataset)}
    found = {name: table for name, table in tables.items() if table is not None and len(table)}
    sheet = gathered.picture("thumbnails", f"{dataset}.png")
    if not found:
        return None
    first = next(iter(found.values()))
    shown = {name: table for name, table in found.items() if list(table["index"]) == list(first["index"])}
    return {
        "index": first["index"].tolist(),
        "labels": first["label"].tolist(),
        "models": {name: _points(table) for name, table in shown.items()},
        "sprite": strip(sheet, len(first)).json() if sheet else None,
    }


def _points(table: pd.DataFrame) -> dict[str, list[list[float]]]:
    """Return the points by projection, those that the table has."""
    pairs = {"PCA": ["pca_1", "pca_2"], "t-SNE": ["tsne_1", "tsne_2"]}
    return {
        name: [[_short(x) or 0.0, _short(y) or 0.0] for x, y in table[columns].to_numpy()]
        for name, columns in pairs.items()
        if set(columns) <= set(table) and not table[columns].isna().any(axis=None)
    }


def images(gathered: Gathered, dataset: str) -> dict[str, Any] | None:
    """Return the chosen test images and what each model makes of them; None if there are no pictures."""
    chosen, facts = gathered.chosen(dataset), gathered.datasets[dataset]
    original = gathered.picture("images", dataset, "original.png")
    if not chosen or original is None:
        return None
    about = [
        {
            "why": why,
            "index": index,
            "label": facts.get("labels", {}).get(str(index), ""),
            "source": facts.get("sources", {}).get(str(index), ""),
        }
        for why, index in chosen
    ]
    rows = [{"name": name, "sprite": strip(path, len(chosen)).json()} for name, path in _strips(gathered, dataset)]
    return {"about": about, "original": strip(original, len(chosen)).json(), "rows": rows}


def _strips(gathered: Gathered, dataset: str) -> Iterator[tuple[str, Path]]:
    """Yield the strips of a data set's models, and of PCA of as many numbers where that is no model of the group."""
    twins = {}
    for name in gathered.models(dataset):
        facts = gathered.facts[name]
        if path := gathered.picture("images", dataset, f"{name}.png"):
            yield name, path
        if (twin := gathered.picture("images", dataset, f"{name}.pca.png")) and not gathered.has_pca(facts):
            twins[twin_title(facts["latent_dim"], facts["tile"])] = twin
    yield from twins.items()


def varied(gathered: Gathered, dataset: str) -> Iterator[dict[str, Any]]:
    """Yield of each generative model its samples, and what changes where one number of a latent does."""
    for name in gathered.models(dataset):
        samples, variations = gathered.picture("samples", f"{name}.png"), gathered.picture("variations", f"{name}.png")
        if not samples and not variations:
            continue
        found: dict[str, Any] = {"name": name, "samples": whole(samples).json() if samples else None, "sprite": None}
        if variations:
            about = json.loads(variations.with_suffix(".json").read_text(encoding="utf-8"))
            sprite = grid(variations, len(about["values"]), len(about["dimensions"]))
            found |= {"sprite": sprite.json(), **about}
        yield found


def _short(value: object) -> float | None:
    """Return a number with five significant digits, None if it is missing."""
    number = float(str(value))
    return float(f"{number:.5g}") if math.isfinite(number) else None
