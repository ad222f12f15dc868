"""Read what stages leave for each other as JSON."""

from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hourglass.config.messages import explain
from hourglass.console.errors import UserError

T = TypeVar("T")
# Of a TypedDict that says what a file holds, `@with_config(STRICT)`: no text stands for a number. There may be other
# keys: an earlier version wrote them, or a later one will.
STRICT = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


def read_json(path: Path, form: type[T], remedy: str = "write it again") -> T:
    """Read a file that holds one JSON object.

    Args:
        path: The file.
        form: What it has to hold: `dict[str, Any]`, a TypedDict or a dataclass.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: There is no such file, or it is not of the form.
    """
    try:
        return TypeAdapter(form).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: {remedy}") from None
    except OSError as error:
        raise UserError(f"{path}: expected a file, got: {error.strerror}: {remedy}") from None
    except ValidationError as error:
        raise UserError(f"{path}: {_explain(error)}: {remedy}") from None


def _explain(error: ValidationError) -> str:
    """Return one line for the first error: where it is, what was expected and what came."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return f"expected JSON, got: {first['ctx']['error']}"
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {explain(first)}" if where else explain(first).replace("a section of keys", "a JSON object")
