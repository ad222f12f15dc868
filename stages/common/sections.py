"""What all parts of params.yaml are made of: kinds of values, and sections that refuse keys that they do not know."""

import difflib
from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

FROZEN = ConfigDict(extra="forbid", allow_inf_nan=False)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"expected an odd number of pixels, got {value}")
    return value


# Names become folders and DVC stage names.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Count = Annotated[int, Field(strict=True, gt=0, le=10**9)]
Positive = Annotated[float, Field(strict=True, gt=0)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
Beta = Annotated[float, Field(strict=True, ge=0, lt=1)]
Odd = Annotated[int, Field(strict=True, gt=0), AfterValidator(_odd)]
Activation = Literal["relu", "leaky_relu", "sigmoid", "linear"]


def suggest(wrong: object, known: Iterable[str]) -> str:
    """End an error about a name: the nearest known one, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(str(wrong), known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known) or 'none'}"


@dataclass(frozen=True, config=FROZEN)
class Section:
    """A part of params.yaml: a key that it does not know is an error that names the nearest one."""

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, values: object) -> object:
        known = [entry.name for entry in fields(cls)]
        for key in values if isinstance(values, dict) else ():
            if key not in known:
                raise ValueError(f"unknown key '{key}'{suggest(key, known)}")
        return values
