"""What pydantic finds, in the words of someone who edits params.yaml: what was expected, and what came."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from hourglass.console.errors import nearest, suggest

EXPLAINED = "explained"  # the key under which the context of an error has its message, once there is one
EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a section of keys",
    "float_type": "a number",
    "int_type": "a whole number",
    "is_instance_of": "a list",  # of Sequence
    "list_type": "a list",
    "mapping_type": "a section of keys",
    "model_attributes_type": "a section of keys",
    "model_type": "a section of keys",
    "string_too_short": "text",
    "string_type": "text",
    "tuple_type": "a list",
}
NUMBERS = {"float_type", "int_type"}


def explain(error: ErrorDetails, known: Iterable[str] = ()) -> str:
    """Return one line for an error; `known` are the keys of the section that it is in."""
    context = error.get("ctx", {})
    if EXPLAINED in context:
        return str(context[EXPLAINED])
    if error["type"] == "extra_forbidden":
        return f"unknown key '{error['loc'][-1]}'{suggest(error['loc'][-1], known)}"
    if error["type"] in MESSAGES:
        return MESSAGES[error["type"]](error["input"], context)
    return _as_pydantic(error)


def _as_pydantic(error: ErrorDetails) -> str:
    kind, value, text = error["type"], error["input"], error["msg"]
    if kind == "value_error":
        return _one_line(text.removeprefix("Value error, "))
    if kind in EXPECTED:
        return f"expected {EXPECTED[kind]}, got {shown(value)}{_advice(kind, value)}"
    text = text.replace("Input should be", "expected", 1).replace("a valid integer", "a whole number")
    text = re.sub("expected (less|greater)", r"expected a number \1", text)
    return f"{_one_line(text)}, got {shown(value)}"


def _choice(value: object, names: list[str]) -> str:
    near = nearest(value, names) if isinstance(value, str) else None
    end = f"; did you mean '{near}'?" if near else ""
    return f"expected one of {', '.join(names)}, got {shown(value)}{end}"


def _advice(kind: str, value: object) -> str:
    """Say what to write where the kind of a value shows what was meant."""
    if kind == "string_type" and isinstance(value, bool | int | float):
        return ": put it in quotes"
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if kind in NUMBERS and re.fullmatch(r"[-+]?\d+,\d+(e[-+]?\d+)?", text, re.IGNORECASE):
        return f": write a decimal point, {text.replace(',', '.')}"
    if kind in NUMBERS and _is_number(text):
        return f": write it without quotes, {text}"
    if kind == "bool_type" and text.lower() in ("true", "yes", "on", "false", "no", "off"):
        return f": write {'true' if text.lower() in ('true', 'yes', 'on') else 'false'} without quotes"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def shown(value: object) -> str:
    """Return a value as params.yaml would hold it, cut to 80 characters."""
    if value is None:
        return "nothing"
    return cut(str(value).lower() if isinstance(value, bool) else repr(value))


def cut(text: str, length: int = 80) -> str:
    """Return a text in one line, of at most as many characters."""
    text = _one_line(text[: 2 * length])
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(names: str) -> list[str]:
    return re.findall(r"'([^']*)'", names)


MESSAGES: dict[str, Callable[[object, Mapping[str, Any]], str]] = {  # by pydantic's types of errors
    "literal_error": lambda value, context: _choice(value, _quoted(context["expected"])),
    "missing": lambda *_: "expected a value, got nothing: add this key",
    "string_pattern_mismatch": lambda value, context: (
        f"expected text that matches {context['pattern']}, got {shown(value)}"
    ),
    "string_too_long": lambda value, limit: (
        f"expected text of at most {limit['max_length']} characters, got {len(str(value)):,}"
    ),
    "too_long": lambda _, limit: f"expected at most {limit['max_length']}, got {limit['actual_length']}",
    "too_short": lambda _, limit: f"expected at least {limit['min_length']}, got {limit['actual_length'] or 'none'}",
    "union_tag_invalid": lambda _, context: _choice(context["tag"], _quoted(context["expected_tags"])),
    "union_tag_not_found": lambda value, _: f"expected a section with the key 'name', got {shown(value)}",
}
