"""params.yaml as a document: its values, and the line on which each stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from hourglass.config.keywords import Keywords, Location, Target, mistakes, read
from hourglass.config.messages import cut, shown
from hourglass.config.yaml_file import load
from hourglass.console.errors import UserError, suggest

LONGEST = 2000  # characters of a line about a mistake


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: its line, the dotted path of the keys that lead to it, and one line of what was expected."""

    line: int
    path: str
    message: str


@dataclass(frozen=True)
class Params:
    """All of params.yaml.

    A path is the keys, and the indices of lists, that lead to a value: `("models", "mnist-dense", "network")`.
    """

    file: Path
    values: Mapping[str, Any]
    lines: Mapping[Location, int]

    @classmethod
    def load(cls, file: Path) -> "Params":
        """Read a file of YAML; raise UserError if it is none, or larger than `yaml_file` allows."""
        values, lines = load(file)
        if not isinstance(values, dict):
            raise UserError(f"{file}: expected sections of keys, got {shown(values)}")
        return cls(file, values, lines)

    def value(self, *path: int | str) -> Any:  # noqa: ANN401  # whatever the file holds
        """Return the value at a path as it stands in the file, None if there is none."""
        value: Any = self.values
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def names(self, section: str) -> list[str]:
        """Return the names of the entries of a section."""
        entries = self.value(section)
        return [str(name) for name in entries] if isinstance(entries, Mapping) else []

    def has(self, section: str, name: object) -> bool:
        """Return whether a section has an entry of this name."""
        entries = self.value(section)
        return isinstance(entries, Mapping) and name in entries

    def keywords(self, target: Target, *path: int | str) -> dict[str, Any]:
        """Return the keywords of `target` that stand at a path; raise UserError at the first mistake.

        A section that is not there is an empty one; an entry that is not there is a mistake.
        """
        result: dict[str, Any] = self._read(Annotated[dict[str, Any], Keywords(target)], path)
        return result

    def keywords_of_each(self, target: Target, *path: int | str) -> list[dict[str, Any]]:
        """Return the keywords of `target` in each item of the list at a path; raise UserError at the first mistake."""
        result: list[dict[str, Any]] = self._read(_list_of(target), path)
        return result

    def problems(self, target: Target, *path: int | str) -> list[Problem]:
        """List all mistakes of the section at a path, as `keywords` would read it."""
        return self._problems(Annotated[dict[str, Any], Keywords(target)], path)

    def problems_of_each(self, target: Target, *path: int | str) -> list[Problem]:
        """List all mistakes of the list at a path, as `keywords_of_each` would read it."""
        return self._problems(_list_of(target), path)

    def problem(self, message: str, *path: int | str) -> Problem:
        """Return a mistake at a path, on the line of its last part that is there."""
        lines = (self.lines.get(path[:end]) for end in range(len(path), -1, -1))
        return Problem(next(filter(None, lines), 1), _dotted(path), message)

    def describe(self, problem: Problem) -> str:
        """Return the one line that users see: `params.yaml:12: models.x.network: expected ..., got ...`."""
        where = f"{problem.path}: " if problem.path else ""
        return cut(f"{self.file}:{problem.line}: {where}{problem.message}", LONGEST)

    def _read(self, annotation: Any, path: Location) -> Any:  # noqa: ANN401
        self._require_entry(path)
        try:
            return read(annotation, self.value(*path))
        except ValidationError as error:
            problems = self._explained(error, path)
            raise UserError(self.describe(min(problems))) from None

    def _problems(self, annotation: Any, path: Location) -> list[Problem]:  # noqa: ANN401
        try:
            read(annotation, self.value(*path))
        except ValidationError as error:
            return self._explained(error, path)
        return []

    def _explained(self, error: ValidationError, path: Location) -> list[Problem]:
        found = mistakes(error, self.value(*path))
        lines = [self.problem("", *path, *mistake.where).line for mistake in found]
        return sorted(
            Problem(line, _dotted(path + mistake.about), mistake.message)
            for line, mistake in zip(lines, found, strict=True)
        )

    def _require_entry(self, path: Location) -> None:
        if len(path) >= 2 and not self.has(str(path[0]), path[1]):
            end = suggest(path[1], self.names(str(path[0])))
            raise UserError(f"expected one of {path[0]} in {self.file}, got '{path[1]}'{end}")


def _list_of(target: Target) -> Any:  # noqa: ANN401
    item = Annotated[dict[str, Any], Keywords(target)]
    return Annotated[list[item], Field(min_length=1)]


def _dotted(path: Location) -> str:
    return ".".join(cut(str(part), 100) for part in path)
