"""What each part of params.yaml may hold, as frozen dataclasses. `stages.config` reads and checks the whole.

Only stage scripts see these classes: networks, readers and the trainer take plain keywords.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, field_validator, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core.core_schema import ValidationInfo

FROZEN = ConfigDict(extra="forbid", allow_inf_nan=False)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"expected an odd number of pixels, got {value}")
    return value


# Names become folders and DVC stage names.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, gt=0)]
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


@dataclass(frozen=True, config=FROZEN)
class DenseNetwork(Section):
    """See `stages.models.dense.Dense`."""

    latent_dim: Count
    hidden: tuple[Count, ...] = ()
    activation: Activation = "relu"
    latent_activation: Activation = "linear"
    output_activation: Activation = "sigmoid"
    negative_slope: Positive = 0.01


@dataclass(frozen=True, config=FROZEN)
class EncoderBlock(Section):
    """See `stages.models.conv.encoder_block`."""

    filters: Count
    kernel: Odd = 3
    stride: Count = 1
    padding: Literal["same", "valid"] = "same"
    norm: Flag = False
    pool: Count = 1


@dataclass(frozen=True, config=FROZEN)
class DecoderBlock(Section):
    """See `stages.models.conv.decoder_block`."""

    filters: Count
    kernel: Odd = 3
    stride: Count = 1
    padding: Literal["same", "valid"] = "same"
    transposed: Flag = False
    upsample: Count = 1
    norm: Flag = False

    def __post_init__(self) -> None:
        if self.stride > 1 and not self.transposed:
            raise ValueError("'stride' in a decoder expects `transposed: true`; to enlarge without, use 'upsample'")


@dataclass(frozen=True, config=FROZEN)
class ConvNetwork(Section):
    """See `stages.models.conv.Conv`."""

    encoder: Annotated[tuple[EncoderBlock, ...], Field(min_length=1)]
    decoder: tuple[DecoderBlock, ...]
    latent_dim: Count | None = None
    activation: Activation = "relu"
    latent_activation: Activation = "linear"
    expand_activation: Activation = "linear"
    output_activation: Activation = "sigmoid"
    output_kernel: Odd = 3
    negative_slope: Positive = 0.01


@dataclass(frozen=True, config=FROZEN)
class PCANetwork(Section):
    """See `stages.models.pca.PCA`."""

    latent_dim: Count


@dataclass(frozen=True, config=FROZEN)
class Plateau(Section):
    """See `stages.training.schedules.Plateau`."""

    factor: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.5
    patience: Count = 3
    minimum: Fraction = 0.0


@dataclass(frozen=True, config=FROZEN)
class OneCycle(Section):
    """See `stages.training.schedules.OneCycle`."""

    warmup: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.3


@dataclass(frozen=True, config=FROZEN)
class GradientDescent(Section):
    """The recipe of a network. See `stages.training.trainer`."""

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    learning_rate_batch: Count | None = None
    optimizer: Literal["adam", "adamw", "adadelta"] = "adam"
    betas: tuple[Beta, Beta] | None = None
    rho: Fraction | None = None
    weight_decay: Annotated[float, Field(strict=True, ge=0)] | None = None
    plateau: Plateau | None = None
    one_cycle: OneCycle | None = None
    clip_norm: Positive | None = None
    patience: Count | None = None
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    compile: Flag = False

    def __post_init__(self) -> None:
        owners = {"betas": ("adam", "adamw"), "rho": ("adadelta",), "weight_decay": ("adamw",)}
        for key, owner in owners.items():
            if getattr(self, key) is not None and self.optimizer not in owner:
                raise ValueError(f"'{key}' belongs to optimizer {' or '.join(owner)}, got optimizer {self.optimizer}")
        if self.plateau is not None and self.one_cycle is not None:
            raise ValueError("expected one of 'plateau' and 'one_cycle', got both: the learning rate has one schedule")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"'seeds' expects different numbers, got {list(self.seeds)}")

    @property
    def scaled_learning_rate(self) -> float:
        """The learning rate for this batch size, where it is given for another."""
        return self.learning_rate * self.batch_size / (self.learning_rate_batch or self.batch_size)


@dataclass(frozen=True, config=FROZEN)
class ClosedForm(Section):
    """The recipe of a family that is solved, not trained: nothing to choose."""


NETWORKS = {"conv": ConvNetwork, "dense": DenseNetwork, "pca": PCANetwork}
RECIPES = {"conv": GradientDescent, "dense": GradientDescent, "pca": ClosedForm}


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
