"""What params.yaml has to be, section by section: whose keywords stand where, and what has to fit together."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import TypeAdapter, ValidationError

from hourglass.config.document import Params, Problem
from hourglass.config.entries import Model
from hourglass.config.messages import shown
from hourglass.config.types import Name
from hourglass.console.errors import UserError, nearest, suggest
from hourglass.data.preparation.entry import Dataset
from hourglass.data.preparation.formats import needs_size, reader, readers
from hourglass.data.remote.remote_file import RemoteFile
from hourglass.metrics.group import Group
from hourglass.networks.base.autoencoder import Autoencoder, Solvable, TrainsOnParts
from hourglass.networks.base.families import build, family_class
from hourglass.training.recipe import Recipe, Settings
from stages.paths import RAW

SECTIONS = ("downloads", "datasets", "models", "groups")  # of named entries; beside them there is `train`
TAKEN = "reports"  # the folder of plots/ that is not a model's


def problems(params: Params) -> list[Problem]:
    """List every mistake in params.yaml, in the order of its lines."""
    found = list(_sections(params))
    if params.value("train") is not None:
        found += [*params.problems(Settings, "train"), *_train(params)]
    checks = {"downloads": _download, "datasets": _dataset, "models": _model, "groups": _group}
    for section, check in checks.items():
        for name in params.names(section):
            found += [*_name(params, section, name), *check(params, name)]
    return sorted(set(found))


def absent_sources(params: Params) -> list[Problem]:
    """List the data sets whose files are not on this machine, or not yet, in the order of their lines."""
    downloads = [str(RAW / name) for name in params.names("downloads")]
    found = []
    for name in params.names("datasets"):
        source = params.value("datasets", name, "source")
        if not isinstance(source, str) or source.startswith("~") or Path(source).is_relative_to(RAW):
            continue
        if not Path(source).exists():
            near = nearest(source, downloads)
            end = f"; did you mean '{near}'?" if near else f" from {Path.cwd()}"
            message = f"expected a folder or a file that exists, got '{source}'{end}"
            found.append(params.problem(message, "datasets", name, "source"))
    return sorted(found)


def _train(params: Params) -> Iterator[Problem]:
    """Demand the keys that dvc.yaml names, which DVC does not know the defaults of."""
    for key in ("launch", "deterministic", "precision", "channels_last"):
        if params.value("train", key) is None:
            yield params.problem("expected a value, got nothing: add this key", "train", key)


def _sections(params: Params) -> Iterator[Problem]:
    known = (*SECTIONS, "train")
    unknown = [section for section in params.values if section not in known]
    for section in unknown:
        line = params.problem("", section).line  # of the file, where a merge key brings the section
        yield Problem(line, "", f"unknown section '{section}'{suggest(section, known)}")
    misspelt = [nearest(section, known) for section in unknown]
    for section in known:
        value = params.value(section)
        if section not in misspelt and not isinstance(value, Mapping):
            yield params.problem(f"expected a section of keys, got {shown(value)}", section)


def _name(params: Params, section: str, name: str) -> Iterator[Problem]:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        yield params.problem(error.errors()[0]["msg"].removeprefix("Value error, "), section, name)
    if section == "models" and name == TAKEN:
        yield params.problem(f"'{name}' is the folder of the reports' plots: choose another name", section, name)


def _download(params: Params, name: str) -> list[Problem]:
    return params.problems_of_each(RemoteFile, "downloads", name)


def _dataset(params: Params, name: str) -> Iterator[Problem]:
    entry = ("datasets", name)
    yield from params.problems(Dataset, *entry)
    source, kind = params.value(*entry, "source"), params.value(*entry, "format")
    if isinstance(source, str):
        yield from _source(params, source, *entry, "source")
    if kind in readers():
        yield from params.problems(cast(Callable[..., Any], reader(kind)), *entry, "options")
        if needs_size(kind) and params.value(*entry, "size") is None:
            yield params.problem(f"expected `size: [height, width]`, which {kind} files do not state: add it", *entry)


def _source(params: Params, source: str, *path: str) -> Iterator[Problem]:
    folder = Path(source)
    downloads = [str(RAW / name) for name in params.names("downloads")]
    if folder.is_relative_to(RAW):
        if not any(folder.is_relative_to(download) for download in downloads):
            yield params.problem(f"expected a download, got '{source}'{suggest(source, downloads)}", *path)
    elif source.startswith("~"):
        yield params.problem(f"expected a path without ~, which DVC does not expand: {folder.expanduser()}", *path)


def _model(params: Params, name: str) -> Iterator[Problem]:
    entry = ("models", name)
    yield from params.problems(Model, *entry)
    for key in ("dataset", "group"):
        known, value = params.names(f"{key}s"), params.value(*entry, key)
        if isinstance(value, str) and value not in known:
            yield params.problem(f"expected one of {key}s, got '{value}'{suggest(value, known)}", *entry, key)
    family = params.value(*entry, "family")
    if not isinstance(family, str):
        return
    try:
        network = family_class(family)
    except UserError as error:
        yield params.problem(str(error), *entry, "family")
    else:
        if isinstance(params.value(*entry, "network"), Mapping):
            yield from params.problems(network, *entry, "network") or _built(params, name, network)
        if isinstance(params.value(*entry, "training"), Mapping):
            yield from _training(params, name, network)


def _built(params: Params, name: str, network: type[Autoencoder]) -> Iterator[Problem]:
    """Build the network without memory for its weights: its constructor says which keywords do not go together."""
    dataset = params.value("models", name, "dataset")
    if params.value("datasets", dataset) is None or params.problems(Dataset, "datasets", dataset):
        return
    shape = Dataset(**params.keywords(Dataset, "datasets", dataset)).image_shape
    if shape is None:  # the files state it, which are not there yet
        return
    family, keywords = params.value("models", name, "family"), params.keywords(network, "models", name, "network")
    try:
        with torch.device("meta"):
            build(family, shape, keywords)
    except (UserError, RuntimeError) as error:  # torch refuses some sizes itself
        message = str(error).removeprefix("network: ").partition("\n")[0]
        yield params.problem(message, "models", name, "network")
    except TypeError as error:
        if "Overflow" not in str(error):
            raise
        message = "expected layers of sizes that fit in 64 bits, got larger ones: lower some of the numbers"
        yield params.problem(message, "models", name, "network")


def _training(params: Params, name: str, network: type[Autoencoder]) -> Iterator[Problem]:
    path = ("models", name, "training")
    training, family = params.value(*path), params.value("models", name, "family")
    if issubclass(network, Solvable):
        if training:
            yield params.problem(f"{family} is solved, not trained: expected {{}}, got {shown(training)}", *path)
        return
    yield from params.problems(Recipe, *path)
    if issubclass(network, TrainsOnParts) and params.value(*path, "augment"):
        message = f"flips and shifts whole images, and {family} trains on parts of them: leave it out"
        yield params.problem(message, *path, "augment")


def _group(params: Params, name: str) -> Iterator[Problem]:
    yield from params.problems(Group, "groups", name)
    members = [model for model in params.names("models") if params.value("models", model, "group") == name]
    if not members:
        yield params.problem(
            f"expected a model with `group: {name}`, found none: add one, or remove it", "groups", name
        )
    published = params.value("groups", name, "published")
    for model in published if isinstance(published, Mapping) else ():
        if model not in members:
            message = f"expected a model of this group, got '{model}'{suggest(model, members)}"
            yield params.problem(message, "groups", name, "published", model)
