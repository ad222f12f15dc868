"""Write the page of a group as one HTML file."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from hourglass.files import whole_file
from hourglass.page import rows, words
from hourglass.page.data import document, embedded
from hourglass.page.gathered import Gathered, read_gathered
from hourglass.page.pictures import cut, whole

SCRIPTS = ("core", "chart", "axes", "charts", "table", "images", "viewer", "latents", "sliders", "main")
CODE = re.compile("`([^`]+)`")


def write_page(folder: Path, group: Mapping[str, Any], sentences: Sequence[str], file: Path) -> None:
    """Write one HTML file that opens from a disk without a network.

    Args:
        folder: All that is known of the group's models; see `Gathered`.
        group: The entry of `groups` in params.yaml; `title` is the page's.
        sentences: The answer in words, a sentence or more for each data set; `names` of models stand in backticks.
        file: Where to write.
    """
    gathered = read_gathered(folder, group)
    page = render(gathered, group["title"], sentences)
    with whole_file(file) as partial:
        partial.write_text(page, encoding="utf-8")


def render(gathered: Gathered, title: str, sentences: Sequence[str]) -> str:
    """Return the HTML of the page."""
    environment = Environment(
        loader=PackageLoader("hourglass.page"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(words, name) for name in ("heading", "number", "score", "size", "prose", "flat")
    }
    style, script = asset("page.css") + asset("chart.css"), "\n".join(asset(f"{name}.js") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    columns, headline = rows.headline(gathered)
    return environment.get_template("page.html.j2").render(
        title=title,
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 - both are files of this package
        script=Markup(script),  # noqa: S704
        answers=answers(gathered, sentences),
        models=gathered.facts,
        columns=columns,
        headline=headline,
        datasets=[section(gathered, name) for name in gathered.datasets],
        documents={name: embedded(document(gathered, name)) for name in gathered.datasets},
    )


def asset(name: str) -> str:
    """Return a file of this package that goes into the page as it is."""
    return files("hourglass.page").joinpath("static", name).read_text(encoding="utf-8")


def policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: its own style and script by their hashes, pictures in it, no more."""

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; img-src data: blob:; style-src {source(style)}; script-src {source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def answers(gathered: Gathered, sentences: Sequence[str]) -> list[dict[str, Any]]:
    """Return the sentences by the data set of the first model that each names, with an image and its reconstruction."""
    found: dict[str, dict[str, Any]] = {}
    for sentence in sentences:
        model = next((name for name in CODE.findall(sentence) if name in gathered.facts), "")
        dataset = gathered.facts[model]["dataset"] if model else ""
        answer = found.setdefault(dataset, {"dataset": dataset, "model": model, "sentences": []})
        answer["sentences"].append(sentence)
    for answer in found.values():
        dataset, model = answer["dataset"], answer["model"]
        answer["title"] = gathered.datasets[dataset]["title"] if dataset else ""
        answer["pair"] = pair(gathered, dataset, model) if dataset else None
        said = any("small sample" in sentence for sentence in answer["sentences"])
        answer["small"] = rows.few_images(gathered.facts[model]["images"]) if model and not said else ""
    return list(found.values())


def pair(gathered: Gathered, dataset: str, model: str) -> tuple[str, str] | None:
    """Return a median test image and its reconstruction as data URIs."""
    chosen = gathered.chosen(dataset)
    paths = [gathered.picture("images", dataset, f"{name}.png") for name in ("original", model)]
    if not chosen or paths[0] is None or paths[1] is None:
        return None
    median = [place for place, (why, _) in enumerate(chosen) if why == "median"] or [0]
    place = median[len(median) // 2]
    return cut(paths[0], len(chosen), place), cut(paths[1], len(chosen), place)


def section(gathered: Gathered, dataset: str) -> dict[str, Any]:
    """Return what the templates write of one data set."""
    preview = gathered.picture("preview", f"{dataset}.png")
    models = gathered.models(dataset)
    return {
        "name": dataset,
        "facts": gathered.datasets[dataset],
        "models": models,
        "small": rows.few_images(gathered.facts[models[0]]["images"]),
        "projected": [name for name in models if gathered.projection(name) is not None],
        "varied": [name for name in models if gathered.picture("variations", f"{name}.png")],
        "sampled": [name for name in models if gathered.picture("samples", f"{name}.png")],
        "pictured": bool(gathered.chosen(dataset)) and gathered.picture("images", dataset, "original.png") is not None,
        "preview": whole(preview) if preview else None,
        "scores": rows.scores_table(gathered, dataset),
        "classes": rows.class_table(gathered, dataset),
        "rates": rows.rates_table(gathered, dataset),
        "worth": rows.worth_table(gathered, dataset),
        "likelihood": rows.likelihood_table(gathered, dataset),
        "notes": rows.likelihood_notes(gathered, dataset),
    }
