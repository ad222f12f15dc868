"""Turn params.yaml into frozen dataclasses, and refuse what is wrong in it before any work starts.

Only stage scripts see these classes: networks, readers and the trainer take plain keywords.
"""

import difflib
import math
import re
import textwrap
from collections.abc import Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ValidationInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import UserError

PARAMS = Path("params.yaml")
RESERVED = ("reports", "timing")  # folders of metrics/ and plots/ that are not a group's or a model's

FROZEN = ConfigDict(extra="forbid", allow_inf_nan=False)

# Names become folders and DVC stage names.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Flag = Annotated[bool, Field(strict=True)]
Seed = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, gt=0)]
Positive = Annotated[float, Field(strict=True, gt=0)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
Activation = Literal["relu", "leaky_relu", "sigmoid", "linear"]
T = TypeVar("T")


@dataclass(frozen=True, config=FROZEN)
class Section:
    """A part of params.yaml: a key that it does not know is an error that names the nearest one."""

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, values: object) -> object:
        known = [entry.name for entry in fields(cls)]
        for key in values if isinstance(values, dict) else ():
            if key not in known:
                raise ValueError(f"unknown key '{key}'{_suggest(key, known)}")
        return values


@dataclass(frozen=True, config=FROZEN)
class RemoteFile(Section):
    """One upstream file: its name, the addresses to try in turn, and every SHA-256 that is right."""

    file: Annotated[str, Field(pattern=r"^[\w][\w.+-]*$")]
    urls: Annotated[tuple[str, ...], Field(min_length=1)]
    sha256: Annotated[tuple[Sha256, ...], Field(min_length=1)]


@dataclass(frozen=True, config=FROZEN)
class CsvOptions(Section):
    """See `stages.datasets.csv`."""

    white: Positive = 255


@dataclass(frozen=True, config=FROZEN)
class IdxOptions(Section):
    """None: the idx format describes itself. See `stages.datasets.idx`."""


@dataclass(frozen=True, config=FROZEN)
class MatlabOptions(Section):
    """See `stages.datasets.matlab`."""

    variable: str
    column_major: Flag = False
    images_per_class: Count | None = None


@dataclass(frozen=True, config=FROZEN)
class NpyOptions(Section):
    """See `stages.datasets.npy`."""

    white: Positive = 255
    count: Count | None = None


FORMATS = {"csv": CsvOptions, "idx": IdxOptions, "matlab": MatlabOptions, "npy": NpyOptions}


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
class PCANetwork(Section):
    """See `stages.models.pca.PCA`."""

    latent_dim: Count


@dataclass(frozen=True, config=FROZEN)
class GradientDescent(Section):
    """The recipe of a network. See `stages.training.trainer`."""

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    optimizer: Literal["adam", "adadelta"] = "adam"
    betas: tuple[Fraction, Fraction] | None = None
    rho: Fraction | None = None
    patience: Count | None = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        owner = {"betas": "adam", "rho": "adadelta"}
        for key, optimizer in owner.items():
            if getattr(self, key) is not None and self.optimizer != optimizer:
                raise ValueError(f"'{key}' belongs to optimizer {optimizer}, got optimizer {self.optimizer}")


@dataclass(frozen=True, config=FROZEN)
class ClosedForm(Section):
    """The recipe of a family that is solved, not trained: nothing to choose."""


NETWORKS = {"dense": DenseNetwork, "pca": PCANetwork}
RECIPES = {"dense": GradientDescent, "pca": ClosedForm}


def _one_of(kinds: Mapping[str, type], value: str) -> str:
    if value not in kinds:
        raise ValueError(f"expected one of {', '.join(kinds)}, got '{value}'{_suggest(value, kinds)}")
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
    size: tuple[Count, Count]
    title: str = ""
    licence: str = ""
    citation: str = ""
    options: Any = Field(default_factory=dict, validate_default=True)
    color: Literal["grey", "rgb"] = "grey"
    split: Literal["stratified", "official", "random"] = "stratified"
    fractions: tuple[Fraction, Fraction, Fraction] = (0.8, 0.1, 0.1)
    seed: Seed = 0

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
        if self.split == "official" and self.fractions[2] != 0:
            raise ValueError(
                "'fractions' of an official split share out the publisher's training images: expected 0 for test, "
                f"got {self.fractions[2]:g}"
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (1 if self.color == "grey" else 3, *self.size)


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


@dataclass(frozen=True, config=FROZEN)
class Config(Section):
    """All of params.yaml."""

    downloads: dict[Name, Annotated[tuple[RemoteFile, ...], Field(min_length=1)]]
    datasets: dict[Name, Dataset]
    models: dict[Name, Model]
    groups: dict[Name, Group]

    def download(self, name: str) -> tuple[RemoteFile, ...]:
        """Look up a download by its name on the command line."""
        return _lookup(self.downloads, name, "downloads")

    def dataset(self, name: str) -> Dataset:
        """Look up a data set by its name on the command line."""
        return _lookup(self.datasets, name, "datasets")

    def model(self, name: str) -> Model:
        """Look up a model by its name on the command line."""
        return _lookup(self.models, name, "models")

    def group(self, name: str) -> Group:
        """Look up a group by its name on the command line."""
        return _lookup(self.groups, name, "groups")


def load(path: Path = PARAMS) -> Config:
    """Read and check all of params.yaml; raise UserError at the first thing that is wrong."""
    try:
        # ruamel reads YAML 1.2 as DVC does: 1e-3 is a number.
        raw = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise UserError(f"expected {path} in {Path.cwd()}, found none: run from the project's folder") from None
    except YAMLError as error:
        raise UserError(f"{path}: expected valid YAML, got: {' '.join(str(error).split())}") from None
    try:
        config = TypeAdapter(Config).validate_python(raw)
    except ValidationError as error:
        raise UserError(f"{path}: {_explain(error.errors()[0])}") from None
    for name, model in config.models.items():
        _check_references(config, f"{path}: models.{name}", model)
    for name, group in config.groups.items():
        _check_group(config, f"{path}: groups.{name}", name, group)
    return config


def _check_references(config: Config, where: str, model: Model) -> None:
    for key, known in (("dataset", config.datasets), ("group", config.groups)):
        value = getattr(model, key)
        if value not in known:
            raise UserError(f"{where}.{key}: expected one of {key}s, got '{value}'{_suggest(value, known)}")
    values = math.prod(config.datasets[model.dataset].image_shape)
    if model.network.latent_dim > values:
        raise UserError(
            f"{where}.network.latent_dim: expected at most {values}, the values of one {model.dataset} image, "
            f"got {model.network.latent_dim}"
        )


def _check_group(config: Config, where: str, name: str, group: Group) -> None:
    if name in RESERVED:
        raise UserError(f"{where}: '{name}' is the name of a folder of metrics/; choose another")
    for model in group.published:
        if model not in config.models or config.models[model].group != name:
            members = [key for key, value in config.models.items() if value.group == name]
            raise UserError(
                f"{where}.published: expected a model of this group, got '{model}'{_suggest(model, members)}"
            )


def _explain(error: ErrorDetails) -> str:
    """One line for what pydantic found: where, what was expected, what came."""
    where = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "value_error":
        what = error["msg"].removeprefix("Value error, ")
    elif error["type"] == "missing":
        what = "expected a value, got nothing: add this key"
    elif error["loc"] and error["loc"][-1] == "[key]":
        what = "expected a name of small letters, digits and single dashes"
    else:
        expected = error["msg"].replace("Input should be", "expected", 1)
        expected = re.sub("a dictionary or an instance of .*", "a mapping", expected.replace("valid tuple", "list"))
        what = f"{expected}, got {textwrap.shorten(repr(error['input']), 80)}"
    return f"{where}: {' '.join(what.split())}" if where else what


def _lookup(known: Mapping[str, T], name: str, kind: str) -> T:
    if name not in known:
        raise UserError(f"expected one of {kind} in {PARAMS}, got '{name}'{_suggest(name, known)}")
    return known[name]


def _suggest(wrong: str, known: Mapping[str, object] | list[str]) -> str:
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known) or 'none'}"
