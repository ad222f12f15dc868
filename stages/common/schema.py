"""What params.yaml may hold, as frozen dataclasses. `stages.common.config` reads and checks the whole.

Only stage scripts see these classes: networks, readers and the trainer take plain keywords.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core.core_schema import ValidationInfo

from stages.common.recipes import NETWORKS, RECIPES
from stages.common.sections import FROZEN, Count, Flag, Fraction, Name, Positive, Section, Seed, Sha256, suggest


@dataclass(frozen=True, config=FROZEN)
class RemoteFile(Section):
    """One upstream file: its name, the addresses to try in turn, every SHA-256 that is right, how people get it."""

    file: Annotated[str, Field(pattern=r"^[\w][\w.+-]*$")]
    urls: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    sha256: tuple[Sha256, ...] = ()
    by_hand: str = ""


@dataclass(frozen=True, config=FROZEN)
class CsvOptions(Section):
    """See `stages.datasets.csv`."""

    white: Positive = 255


@dataclass(frozen=True, config=FROZEN)
class IdxOptions(Section):
    """See `stages.datasets.idx`."""

    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True, config=FROZEN)
class MatlabOptions(Section):
    """See `stages.datasets.matlab`."""

    variable: str
    white: Positive = 255
    column_major: Flag = False
    images_per_class: Count | None = None


@dataclass(frozen=True, config=FROZEN)
class NpyOptions(Section):
    """See `stages.datasets.npy`."""

    white: Positive = 255
    count: Count | None = None


@dataclass(frozen=True, config=FROZEN)
class FolderOptions(Section):
    """See `stages.datasets.folder`."""

    labels: Literal["folder", "pattern", "none"] | None = None
    pattern: str | None = None
    test: str | None = None
    resize: Literal["crop", "stretch"] = "crop"
    resample: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = "lanczos"

    @field_validator("pattern", "test")
    @classmethod
    def _regular_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"expected a regular expression, got '{value}' ({error})") from None
        return value

    def __post_init__(self) -> None:
        if self.labels == "pattern" and "label" not in re.compile(self.pattern or "").groupindex:
            raise ValueError("`labels: pattern` expects a `pattern` with a group (?P<label>...)")


FORMATS = {"csv": CsvOptions, "folder": FolderOptions, "idx": IdxOptions, "matlab": MatlabOptions, "npy": NpyOptions}


def _one_of(kinds: Mapping[str, type], value: str) -> str:
    if value not in kinds:
        raise ValueError(f"expected one of {', '.join(kinds)}, got '{value}'{suggest(value, kinds)}")
    return value


def _variant(kinds: Mapping[str, type], chooser: str, value: object, info: ValidationInfo) -> object:
    """Check `value` as the class that the field `chooser` chose; if that was wrong, it is what will be reported."""
    kind = info.data.get(chooser)
    return value if kind is None else TypeAdapter(kinds[kind]).validate_python(value)


@dataclass(frozen=True, config=FROZEN)
class Dataset(Section):
    """One entry of `datasets`."""

    source: str
    format: str
    size: tuple[Count, Count] | None = None
    title: str = ""
    licence: str = ""
    citation: str = ""
    options: Any = Field(default_factory=dict, validate_default=True)
    color: Literal["grey", "rgb"] = "grey"
    split: Literal["stratified", "official", "grouped", "contiguous", "random"] | None = None
    fractions: tuple[Fraction, Fraction, Fraction] = (0.8, 0.1, 0.1)
    seed: Seed = 0
    on_bad_image: Literal["error", "skip"] = "error"
    allow_constant: Flag = False

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        return _one_of(FORMATS, value)

    @field_validator("options", mode="plain")
    @classmethod
    def _options_of_format(cls, value: object, info: ValidationInfo) -> object:
        return _variant(FORMATS, "format", value, info)

    @field_validator("fractions")
    @classmethod
    def _fractions_add_to_one(cls, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
        if not math.isclose(sum(fractions), 1):
            raise ValueError(f"expected train, val and test that add to 1, got {sum(fractions):g}")
        return fractions

    def __post_init__(self) -> None:
        official = self.split == "official"
        if official and self.fractions[2] != 0:
            raise ValueError(
                "'fractions' of an official split share out the publisher's training images: expected 0 for test, "
                f"got {self.fractions[2]:g}"
            )
        if not all(self.fractions[:2] if official else self.fractions):
            raise ValueError(f"'fractions' expects a part for every split, got {list(self.fractions)}")

    @property
    def channels(self) -> int:
        """1 or 3."""
        return 1 if self.color == "grey" else 3

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W), or None where the files have to tell."""
        return (self.channels, *self.size) if self.size else None


@dataclass(frozen=True, config=FROZEN)
class Model(Section):
    """One entry of `models`."""

    group: str
    dataset: str
    family: str
    network: Any
    training: Any

    @field_validator("family")
    @classmethod
    def _known_family(cls, value: str) -> str:
        return _one_of(NETWORKS, value)

    @field_validator("network", mode="plain")
    @classmethod
    def _network_of_family(cls, value: object, info: ValidationInfo) -> object:
        return _variant(NETWORKS, "family", value, info)

    @field_validator("training", mode="plain")
    @classmethod
    def _recipe_of_family(cls, value: object, info: ValidationInfo) -> object:
        return _variant(RECIPES, "family", value, info)

    def __post_init__(self) -> None:
        if self.family == "tiles" and self.training.augment is not None:
            raise ValueError("'augment' mirrors and moves whole images, and tiles train on their parts: leave it out")


@dataclass(frozen=True, config=FROZEN)
class Training(Section):
    """The section `train`: how all models are trained, whatever they are."""

    launch: Annotated[str, Field(min_length=1)] = "python"
    deterministic: Flag = True
    data: Literal["auto", "resident", "streaming"] = "auto"
    precision: Literal["auto", "bfloat16", "tf32", "float32"] = "auto"
    channels_last: Flag = True
    checkpoint_seconds: Annotated[float, Field(strict=True, ge=0)] = 60


@dataclass(frozen=True, config=FROZEN)
class Published(Section):
    """What a paper or its code reached on test images, and where that is written."""

    source: str
    mse: Positive | None = None
    psnr_db: Positive | None = None
    ssim: Positive | None = None


@dataclass(frozen=True, config=FROZEN)
class Group(Section):
    """One entry of `groups`: models that are reported together, and the figures to stand beside theirs."""

    title: str
    published: dict[Name, Published] = field(default_factory=dict)
