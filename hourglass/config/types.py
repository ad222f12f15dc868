"""Kinds of values that params.yaml may hold: what a keyword is annotated with where it is declared.

A bound only refuses; it changes no value. That is why no stage but `check` declares this file.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo

from hourglass.config.messages import shown

LARGEST_SEED = 2**63 - 1
LARGEST_SIDE = 2**14  # pixels: one color image of this height and width is 3 GiB in float32
LARGEST = 1e12  # of what is no count: products of two or three such numbers are finite in float32


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"expected an odd number, got {value}")
    return value


def form(text: str) -> BeforeValidator:
    """Return the annotation of a list of as many values as `text`, "[height, width]" for one, has names."""
    length = text.count(",") + 1

    def check(value: object) -> object:
        if not isinstance(value, list | tuple) or len(value) != length:
            raise ValueError(f"expected {text}, got {shown(value)}")
        return value

    return BeforeValidator(check)


def text(pattern: str, expected: str) -> tuple[AfterValidator, FieldInfo]:
    """Return the annotations of a text that matches a regular expression."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}, got {shown(value)}")
        return value

    return AfterValidator(check), Field(json_schema_extra={"pattern": f"^{pattern}$"})


def _norm(value: object) -> object:
    if value is True or value is False or value == "before":
        return value
    raise ValueError(f"expected true, false or before, got {shown(value)}")


# Names become folders, parts of file names and DVC stage names.
Name = Annotated[
    str,
    Field(max_length=100),  # file systems take 255 bytes, with what stands before and behind
    *text("[a-z0-9]+(-[a-z0-9]+)*", "a name of small letters, digits and single dashes"),
]
Text = Annotated[str, Field(min_length=1)]
# A shell runs it, $SLURM_NNODES and $(hostname) in it too.
Command = Annotated[str, Field(max_length=1000), *text(r"\S.*", "a command, in one line")]
Sha256 = Annotated[str, *text("[0-9a-f]{64}", "a SHA-256, 64 digits of 0-9 and a-f")]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]
Count = Annotated[int, Field(strict=True, gt=0, le=10**9)]
Epochs = Annotated[int, Field(strict=True, gt=0, le=10**6)]
Width = Annotated[int, Field(strict=True, gt=0, le=10**6)]  # of a layer: numbers, or feature maps
Factor = Annotated[int, Field(strict=True, gt=0, le=1024)]  # by which a layer shrinks or enlarges a side
Depth = Annotated[int, Field(strict=True, ge=0, le=1000)]  # layers one after the other
Side = Annotated[int, Field(strict=True, gt=0, le=LARGEST_SIDE)]
Pixels = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SIDE)]
Odd = Annotated[int, Field(strict=True, gt=0, lt=1024), AfterValidator(_odd)]  # side of a kernel, in pixels
Positive = Annotated[float, Field(strict=True, gt=0, le=LARGEST)]
NonNegative = Annotated[float, Field(strict=True, ge=0, le=LARGEST)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
OpenFraction = Annotated[float, Field(strict=True, gt=0, lt=1)]
Beta = Annotated[float, Field(strict=True, ge=0, lt=1)]
Size = Annotated[tuple[Side, Side], form("[height, width]")]  # in pixels
Slope = Annotated[float, Field(strict=True, gt=0, le=1)]
Hidden = Annotated[tuple[Width, ...], Field(max_length=256)]
Activation = Literal["relu", "leaky_relu", "silu", "sigmoid", "linear"]
Norm = Annotated[Flag | Literal["before"], BeforeValidator(_norm)]  # one line for both kinds
