"""YAML of plain values, read within stated limits, and the line on which each value stands."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tag import Tag

from hourglass.config.keywords import Location
from hourglass.config.messages import shown
from hourglass.console.errors import UserError

MOST_BYTES = 2**18  # 500 models, say; the parser takes a second for 50 KB of the densest YAML
MOST_VALUES = 100_000  # with those that aliases repeat: a dozen lines of aliases to aliases make billions
MOST_LEVELS = 32  # a value of a block in a list of a network is at level 7; an alias to its own section has no end
MOST_DIGITS = 100

TOO_DEEP = f"expected sections and lists of at most {MOST_LEVELS} levels, got more"
TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"
TEXT = Tag(suffix=f"{TAG}str")
NUMBERS = (f"{TAG}int", f"{TAG}float")
PLAIN = {TAG + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map", "merge")}
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # no text holds them: names of files cannot
CONFLICT = re.compile(r"^(<{7}|>{7})( |$)", re.MULTILINE)


def load(file: Path) -> tuple[Any, dict[Location, int]]:
    """Read a file of YAML 1.2, as DVC does: 1e-3 is a number, yes and no are texts. Return its values and their lines.

    Raises:
        UserError: If it is not there, is no YAML, or holds more than the limits above allow.
    """
    text = _text(file)
    # The pure parser is the one whose YAML DVC reads and writes; the one in C refuses some of it.
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        lines = dict(_lines(file, root)) if root else {}
        return yaml.constructor.construct_document(root) if root else {}, lines
    except YAMLError as error:
        raise UserError(f"{file}{_explain(error)}") from None
    except RecursionError:
        raise UserError(f"{file}: {TOO_DEEP}") from None
    except (KeyError, ValueError) as error:  # of Python's own types, where a tag stands before what is none
        raise UserError(f"{file}: expected values that are what their tags say, got: {error}") from None


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"expected {file} in {Path.cwd()}, found none: run from the project's folder") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: expected text in UTF-8, got other bytes ({error.reason})") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"{file}: expected at most {MOST_BYTES:,} bytes, got more: remove some entries")
    refuse_conflict(file, text)
    return text


def refuse_conflict(file: Path, text: str, remedy: str = "resolve it") -> None:
    """Raise UserError if git's marks of a conflict are in the text of a file."""
    if conflict := CONFLICT.search(text):
        line = text.count("\n", 0, conflict.start()) + 1
        raise UserError(f"{file}:{line}: expected one side of a merge, got git's mark of a conflict: {remedy}")


def _lines(file: Path, root: Node) -> Iterator[tuple[Location, int]]:
    """Yield the line of everything in a document, that of its key or of a list's item; refuse what is not plain."""
    waiting: list[tuple[Node, Location, int]] = [(root, (), root.start_mark.line + 1)]
    count = 0
    while waiting:
        node, path, line = waiting.pop()
        count += 1
        if problem := _too_much(count, path) or _not_plain(node):
            raise UserError(f"{file}:{line}: {problem}")
        yield path, line
        if isinstance(node, MappingNode):
            for key, value in node.value:
                line = key.start_mark.line + 1
                if problem := _no_key(key):
                    raise UserError(f"{file}:{line}: {problem}")
                waiting.append((value, (*path, str(key.value)), line))
        elif isinstance(node, SequenceNode):
            waiting += [(item, (*path, index), item.start_mark.line + 1) for index, item in enumerate(node.value)]


def _too_much(count: int, path: Location) -> str:
    if count > MOST_VALUES:
        return f"expected at most {MOST_VALUES:,} values, with those of aliases, got more"
    return TOO_DEEP if len(path) > MOST_LEVELS else ""


def _no_key(key: Node) -> str:
    """Say what is wrong with a key, if anything is; make it a text, 5 and null too."""
    if not isinstance(key, ScalarNode):
        return "expected a text as a key, got a list or a section"
    if key.tag != MERGE:
        key.ctag = TEXT
    return _not_plain(key)


def _not_plain(node: Node) -> str:
    """Say what is wrong with a value itself, if anything is."""
    if node.tag not in PLAIN:
        kind = str(node.tag).removeprefix(TAG)
        return f"expected text, a number, true, false, a list or a section, got a value of the type {kind}: use quotes"
    if not isinstance(node, ScalarNode):
        return ""
    if node.tag in NUMBERS and len(node.value) > MOST_DIGITS:
        return f"expected a number of at most {MOST_DIGITS} digits, got {shown(node.value)}"
    if CONTROL.search(node.value):
        return f"expected text without control characters, got {shown(node.value)}"
    return ""


def _explain(error: YAMLError) -> str:
    """Return the line and what is wrong with it, in one line."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return f": expected valid YAML, got: {' '.join(str(error).split())}"
    line, problem = error.problem_mark.line + 1, " ".join(str(error.problem).split())
    if isinstance(error, DuplicateKeyError):
        key = problem.partition('"')[2].partition('"')[0]
        return f":{line}: expected every key once in its section, got {shown(key)} again: remove one of them"
    advice = ""
    if r"\t" in problem:
        advice = ": indent with spaces, not with tabs"
    elif problem in ("mapping values are not allowed here", "expected <block end>, but found '<block mapping start>'"):
        advice = ": indent the keys of one section by the same number of spaces, and put texts that have ': ' in quotes"
    return f":{line}: expected valid YAML, got: {problem}{advice}"
