"""Turn params.yaml into frozen dataclasses, and refuse what is wrong before any work starts."""

import math
import re
import textwrap
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError
from stages.common.schema import Dataset, Group, Model, RemoteFile, Training
from stages.common.sections import FROZEN, Name, Section, suggest

PARAMS = Path("params.yaml")
RESERVED = ("reports", "timing", "validation")  # folders of metrics/ and plots/ that are not a group's
T = TypeVar("T")


@dataclass(frozen=True, config=FROZEN)
class Config(Section):
    """All of params.yaml."""

    downloads: dict[Name, Annotated[tuple[RemoteFile, ...], Field(min_length=1)]]
    datasets: dict[Name, Dataset]
    models: dict[Name, Model]
    groups: dict[Name, Group]
    train: Training = field(default_factory=Training)

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
            raise UserError(f"{where}.{key}: expected one of {key}s, got '{value}'{suggest(value, known)}")
    dataset = config.datasets[model.dataset]
    tile = getattr(model.network, "tile", None)
    for key, shape, whole in (
        ("latent_dim", dataset.image_shape, f"{model.dataset} image"),
        ("tile_latent_dim", tile and (dataset.channels, *tile), "tile"),
    ):
        # A network whose feature maps are the latent has none to state.
        numbers = getattr(model.network, key, None)
        if shape and numbers and numbers > (values := math.prod(shape)):
            raise UserError(
                f"{where}.network.{key}: expected at most {values}, the values of one {whole}, got {numbers}"
            )


def _check_group(config: Config, where: str, name: str, group: Group) -> None:
    if name in RESERVED:
        raise UserError(f"{where}: '{name}' is the name of a folder of metrics/; choose another")
    members = [key for key, model in config.models.items() if model.group == name]
    if not members:
        raise UserError(f"{where}: expected a model with `group: {name}`, found none: add one, or remove the group")
    for model in group.published:
        if model not in members:
            raise UserError(
                f"{where}.published: expected a model of this group, got '{model}'{suggest(model, members)}"
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
        raise UserError(f"expected one of {kind} in {PARAMS}, got '{name}'{suggest(name, known)}")
    return known[name]
