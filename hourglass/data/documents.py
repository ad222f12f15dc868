"""Read what stages leave for each other as JSON."""

import json
from pathlib import Path
from typing import Any

from hourglass.console.errors import UserError


def read_json(path: Path, remedy: str = "write it again") -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: The file.
        remedy: How to make it; ends the error message.

    Raises:
        UserError: There is no such file, or it holds no JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"expected {path}, found none: {remedy}") from None
    except ValueError as error:
        raise UserError(f"{path}: expected JSON, got: {error}: {remedy}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a JSON object, got {type(values).__name__}: {remedy}")
    return values
