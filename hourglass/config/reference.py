"""What every keyword means, from the docstrings: as JSON Schema for editors, and as tables for people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from hourglass.config.keywords import Target, section

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = "#/$defs/"
Json = dict[str, Any]


def explanations(target: Target) -> dict[str, str]:
    """Return what each parameter of `target` means, from the section `Args` of its docstring."""
    import docstring_parser  # needed by those who write the reference alone

    parsed = docstring_parser.parse(target.__doc__ or "", docstring_parser.DocstringStyle.GOOGLE)
    return {parameter.arg_name: _one_line(parameter.description or "") for parameter in parsed.params}


def summary(target: Target) -> str:
    """Return the first sentence of the docstring of `target`."""
    return _one_line((target.__doc__ or "").strip().partition("\n\n")[0])


class SchemaOfKeywords(GenerateJsonSchema):
    """JSON Schema of sections, in which each key has its explanation."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of one section."""
        made = super().model_schema(schema)
        made.pop("title", None)
        target = schema["cls"].target
        meanings = explanations(target) | {"name": summary(target)}
        for key, values in made.get("properties", {}).items():
            if key in meanings:
                values["description"] = meanings[key]
        return made | {"description": summary(target)}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401  # whatever pydantic hands over
        """Leave out titles, which repeat the keys."""
        return False

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401
        """Return a default as JSON holds it."""
        return dict(dft) if isinstance(dft, Mapping) else super().encode_default(dft)

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Return the schema of a choice by `name`."""
        made = super().tagged_union_schema(schema)
        made.pop("discriminator", None)  # a word of OpenAPI's
        return made


def definitions(targets: Sequence[Target]) -> tuple[dict[Target, str], Json]:
    """Return where the schema of each target is, and all these schemas and those in them by their names."""
    generator = SchemaOfKeywords(ref_template=f"{REFERENCE}{{model}}")
    sections: list[tuple[Target, Any, CoreSchema]] = [
        (target, "validation", section(target).__pydantic_core_schema__) for target in targets
    ]
    places, made = generator.generate_definitions(sections)
    # pydantic tells definitions of one name apart by their whole module: the last part of it will do.
    text = json.dumps([[places[target, "validation"]["$ref"] for target in targets], made])
    for name in made:
        text = text.replace(name, "_".join(name.split("__")[-2:]))
    found, made = json.loads(text)
    return dict(zip(targets, found, strict=True)), made


def table(schema: Json, links: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a table in Markdown of the keys of one section; `links` are those of other sections."""
    properties = schema.get("properties", {})
    if not properties:
        return
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key, values in properties.items():
        default = "required" if key in schema.get("required", ()) else _default(values.get("default"))
        meaning = values.get("description", "").replace("|", "\\|")
        yield f"| `{key}` | {kind(values, links)} | {default} | {meaning} |"


def references(schema: Any) -> Iterator[str]:  # noqa: ANN401  # any part of JSON
    """Yield the names of the definitions that a schema refers to, each as often as it does."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(REFERENCE)
        for part in schema.values():
            yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def kind(schema: Json, links: Mapping[str, str]) -> str:
    """Return in words which values a schema allows."""
    if "$ref" in schema:
        return links[schema["$ref"].removeprefix(REFERENCE)]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return ", ".join(kind(part, links) for part in choices if part.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if schema["type"] == "array":
        return _list(schema, links)
    if schema["type"] == "object":
        return _mapping(schema, links)
    words = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "string": "text"}
    return words[schema["type"]] + _bounds(schema)


def _list(schema: Json, links: Mapping[str, str]) -> str:
    if "prefixItems" not in schema:
        return f"list, each {kind(schema['items'], links)}"
    kinds = [kind(part, links) for part in schema["prefixItems"]]
    return f"list of {len(kinds)}, each {kinds[0]}" if len(set(kinds)) == 1 else f"[{'; '.join(kinds)}]"


def _mapping(schema: Json, links: Mapping[str, str]) -> str:
    values = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
    if not isinstance(values, dict) or not values:
        return "section"
    names = schema.get("propertyNames", {})
    return f"section of {kind(names, links) if 'enum' in names else 'names'}, each {kind(values, links)}"


def _bounds(schema: Json) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = [f"{sign} {schema[bound]:,.10g}" for bound, sign in signs.items() if abs(schema.get(bound, 1e9)) < 1e9]
    return f" {', '.join(bounds)}" if bounds else ""


def _default(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list | dict):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())
