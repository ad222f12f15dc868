"""What the labels of a table or an array say, as the texts that classes are called by."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import shown

NAMES = ("label", "labels", "class", "target")  # columns of this name are found without being asked for
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?|[-+]?(nan|inf(inity)?)", re.IGNORECASE)
MAX_DIGITS = 300  # of a label that is a number: Python refuses to read thousands
MAX_LABEL = 1000  # characters: NumPy takes as much memory for every label as for the longest
MISSING = ("", "nan", "inf", "-inf")


def is_number(text: str) -> bool:
    """Return whether a text is a number as tables hold it; Python's own float() would take 1_1 for one."""
    return NUMBER.fullmatch(text) is not None


def class_text(text: str) -> str:
    """Return a label as its class is called: 7.0 and 7e+00 are 7, while 007 and cat stay what they are."""
    text = text.strip()
    if not is_number(text) or text.lstrip("+-").isdecimal():
        return text
    number = float(text)
    return str(int(number)) if number.is_integer() else text


def text_array(texts: Sequence[str], where: Path) -> NDArray[np.str_]:
    """Return labels as an array; raise UserError if one is too long to be the name of a class."""
    if (longest := max(texts, key=len, default="")) and len(longest) > MAX_LABEL:
        raise UserError(f"{where}: expected labels of at most {MAX_LABEL:,} characters, got {shown(longest)}")
    return np.array(texts, str)


def class_texts(
    values: NDArray[np.generic], where: Path, class_names: Sequence[str] | None = None, *, first: int = 0
) -> list[str]:
    """Return an array of labels, numbers or text, as text.

    Args:
        values: (N,).
        where: What messages name.
        class_names: What the labels 0, 1, ... stand for.
        first: The number of the first of them, for messages.

    Raises:
        UserError: A label is missing, is neither a number nor text, or has no name.
    """
    if values.dtype.kind not in "buifUST":
        raise UserError(f"{where}: expected numbers or text as labels, got {values.dtype}")
    texts = [class_text(text.decode() if isinstance(text, bytes) else str(text)) for text in values.tolist()]
    for index, text in enumerate(texts):
        if text.lower() in MISSING:
            got = f"'{text}'" if text else "none"
            raise UserError(f"{where}: expected a label for every image, got {got} for number {first + index}")
    return [_named(text, class_names, where) for text in texts] if class_names else texts


def _named(text: str, class_names: Sequence[str], where: Path) -> str:
    if not text.isdecimal() or len(text) > MAX_DIGITS or int(text) >= len(class_names):
        raise UserError(f"{where}: expected labels below {len(class_names)}, got {shown(text)}: see `class_names`")
    return class_names[int(text)]
