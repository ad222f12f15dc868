"""Write params.schema.json and docs/params.md: what every key of params.yaml means, from the code that it is for.

Editors that know params.schema.json by the first line of params.yaml complete, check and explain keys as one types.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hourglass.config.entries import Model
from hourglass.config.reference import DIALECT, REFERENCE, Json, definitions, references, table
from hourglass.data.preparation.entry import Dataset
from hourglass.data.preparation.formats import reader, readers
from hourglass.data.remote.remote_file import RemoteFile
from hourglass.files import whole_file
from hourglass.metrics.group import Group
from hourglass.networks.base.autoencoder import Solvable
from hourglass.networks.base.families import families, family_class
from hourglass.training.recipe import Recipe, Settings
from stages.tools.rules import OPTIONAL
from stages.tools.tolerances import Tolerances

SCHEMA = Path("params.schema.json")
PAGE = Path("docs/params.md")
INTRODUCTION = """\
# Every key of params.yaml

Made from the docstrings of the code by `make reference`: edit there, not here. `params.schema.json` says the same to
editors, and `make check` lists all mistakes in params.yaml. Names of entries are of small letters, digits and dashes,
100 at most.
"""
NAMES: Json = {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 100}
NOTHING: Json = {"type": "object", "maxProperties": 0, "description": "Empty: the family is solved, not trained."}
FORMATS: dict[str, Callable[..., Any]] = {name: reader(name) for name in readers()}
FAMILIES: dict[str, Callable[..., Any]] = {name: family_class(name) for name in families()}
SECTIONS: list[Callable[..., Any]] = [
    RemoteFile,
    Dataset,
    *FORMATS.values(),
    Model,
    *FAMILIES.values(),
    Recipe,
    Group,
    Settings,
    Tolerances,
]


def main() -> None:
    """Write the JSON Schema of params.yaml, and the page about its keys."""
    for file, text in ((SCHEMA, schema_text()), (PAGE, page())):
        with whole_file(file) as partial:
            partial.write_text(text, encoding="utf-8")


def schema_text() -> str:
    """Return params.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Json:
    """Return the JSON Schema of all of params.yaml."""
    at, made = definitions(SECTIONS)
    made["Dataset"]["properties"]["format"]["enum"] = list(FORMATS)
    made["Model"]["properties"]["family"]["enum"] = list(FAMILIES)
    options = [_where("format", name, {"options": {"$ref": at[read]}}) for name, read in FORMATS.items()]
    networks = [
        _where("family", name, {"network": {"$ref": at[network]}, "training": _training(network, at[Recipe])})
        for name, network in FAMILIES.items()
    ]
    files = {"type": "array", "minItems": 1, "items": {"$ref": at[RemoteFile]}}
    sections = {
        "downloads": _entries(files, "Upstream files of a data set, fetched into data/raw/<name>."),
        "datasets": _entries({"allOf": [{"$ref": at[Dataset]}, *options]}, "Images, split into train, val and test."),
        "models": _entries({"allOf": [{"$ref": at[Model]}, *networks]}, "Networks, and how each is trained."),
        "groups": _entries({"$ref": at[Group]}, "Models that are reported together."),
        "train": {"$ref": at[Settings]},
        "gate": {"$ref": at[Tolerances]},
    }
    return {
        "$schema": DIALECT,
        "title": "params.yaml of Hourglass",
        "type": "object",
        "properties": sections,
        "required": [name for name in sections if name not in OPTIONAL],
        "additionalProperties": False,
        "$defs": made,
    }


def _entries(values: Json, description: str) -> Json:
    return {"type": "object", "description": description, "propertyNames": NAMES, "additionalProperties": values}


def _where(key: str, value: str, then: Json) -> Json:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": {"properties": then}}


def _training(network: Callable[..., Any], recipe: str) -> Json:
    return NOTHING if isinstance(network, type) and issubclass(network, Solvable) else {"$ref": recipe}


def page() -> str:
    """Return docs/params.md."""
    at, _ = definitions(SECTIONS)
    made: Json = schema()["$defs"]
    chapters = list(_chapters({target: place.removeprefix(REFERENCE) for target, place in at.items()}, made))
    links = {}
    for _, heading, name in chapters:
        label = made[name]["properties"].get("name", {}).get("const", "section")
        links[name] = f"[{label}](#{re.sub(r'[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')})"
    parts = [INTRODUCTION]
    for level, heading, name in chapters:
        lines = [f"{'#' * level} {heading}", "", made[name]["description"], "", *table(made[name], links)]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _chapters(at: dict[Callable[..., Any], str], made: Json) -> Iterator[tuple[int, str, str]]:
    """Yield the level, the heading and the definition of each part of the page, each definition once."""
    seen: set[str] = set()
    for level, heading, target in _outline():
        yield from _chapter(level, heading, at[target], made, seen)


def _outline() -> Iterator[tuple[int, str, Callable[..., Any]]]:
    yield 2, "`downloads.<name>`, each item", RemoteFile
    yield 2, "`datasets.<name>`", Dataset
    for name, read in FORMATS.items():
        yield 3, f"`options` of `format: {name}`", read
    yield 2, "`models.<name>`", Model
    for name, network in FAMILIES.items():
        yield 3, f"`network` of `family: {name}`", network
    yield 3, "`training`", Recipe
    yield 2, "`groups.<name>`", Group
    yield 2, "`train`", Settings
    yield 2, "`gate`", Tolerances


def _chapter(level: int, heading: str, name: str, made: Json, seen: set[str]) -> Iterator[tuple[int, str, str]]:
    if name in seen:
        return
    seen.add(name)
    yield level, heading, name
    for key, values in made[name]["properties"].items():
        for inner in references(values):
            kind = made[inner]["properties"].get("name", {}).get("const")
            yield from _chapter(level + 1, f"`{key}`" + (f" of `name: {kind}`" if kind else ""), inner, made, seen)


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m stages.tools.reference", description=main.__doc__).parse_args()
    main()
