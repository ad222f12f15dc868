"""What params.yaml has to be, section by section: whose keywords stand where, and what has to fit together."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from hourglass.config.document import Params, Problem
from hourglass.config.entries import Model
from hourglass.config.messages import explain, shown
from hourglass.config.types import Name
from hourglass.console.errors import UserError, nearest, suggest
from hourglass.data.preparation.entry import Dataset
from hourglass.data.preparation.formats import needs_size, reader, readers
from hourglass.data.remote.remote_file import RemoteFile
from hourglass.metrics.group import Group
from hourglass.networks.base.autoencoder import Autoencoder, Solvable
from hourglass.networks.base.families import family_class
from hourglass.training.augmentation import Augmentation, why_not
from hourglass.training.recipe import Recipe, Settings
from stages.paths import RAW
from stages.tools.limits import check_network
from stages.tools.tolerances import Tolerances

SECTIONS = ("downloads", "datasets", "models", "groups")  # of named entries; beside them there are `train` and `gate`
OPTIONAL = ("gate",)
MOST_PROBLEMS = 100  # that are told at once
DATA = RAW.parent  # where all that the stages make is, but for metrics and plots
TAKEN = "reports"  # the folder of plots/ that is not a model's


def problems(params: Params) -> list[Problem]:
    """List every mistake in params.yaml, in the order of its lines; the first ones found if there are very many."""
    return sorted(set(islice(_problems(params), MOST_PROBLEMS)))


def _problems(params: Params) -> Iterator[Problem]:
    yield from _sections(params)
    if params.value("train") is not None:
        yield from params.problems(Settings, "train")
        yield from _train(params)
    if params.value("gate") is not None:
        yield from params.problems(Tolerances, "gate")
    members = _members(params)
    checks: dict[str, Callable[[Params, str], Iterable[Problem]]] = {
        "downloads": _download,
        "datasets": _dataset,
        "models": _model,
        "groups": lambda params, name: _group(params, name, members.get(name, [])),
    }
    for section, check in checks.items():
        for name in params.names(section):
            yield from _name(params, section, name)
            yield from check(params, name)


def _members(params: Params) -> dict[str, list[str]]:
    """Return the models of each group, as far as they name one."""
    members: dict[str, list[str]] = {}
    for model in params.names("models"):
        group = params.value("models", model, "group")
        if isinstance(group, str):
            members.setdefault(group, []).append(model)
    return members


def absent_sources(params: Params) -> list[Problem]:
    """List the data sets whose files are not on this machine, or not yet, in the order of their lines."""
    downloads = [str(RAW / name) for name in params.names("downloads")]
    found = []
    for name in params.names("datasets"):
        source = params.value("datasets", name, "source")
        if not isinstance(source, str) or source.startswith("~") or Path(source).is_relative_to(RAW):
            continue
        if not os.path.exists(source):  # unlike Path.exists, false for what can be no path
            near = nearest(source, downloads)
            end = f"; did you mean '{near}'?" if near else f" from {Path.cwd()}"
            message = f"expected a folder or a file that exists, got {shown(source)}{end}"
            found.append(params.problem(message, "datasets", name, "source"))
    return sorted(found)


def _train(params: Params) -> Iterator[Problem]:
    """Demand the keys that dvc.yaml names, which DVC does not know the defaults of."""
    for key in ("launch", "deterministic", "precision", "channels_last"):
        if params.value("train", key) is None:
            yield params.problem("expected a value, got nothing: add this key", "train", key)


def _sections(params: Params) -> Iterator[Problem]:
    known = (*SECTIONS, "train", *OPTIONAL)
    unknown = [section for section in params.values if section not in known][:MOST_PROBLEMS]
    for section in unknown:
        line = params.problem("", section).line  # of the file, where a merge key brings the section
        yield Problem(line, "", f"unknown section '{section}'{suggest(section, known)}")
    misspelt = [nearest(section, known) for section in unknown]
    for section in known:
        value = params.value(section)
        absent = section in misspelt or (section in OPTIONAL and section not in params.values)
        if not absent and not isinstance(value, Mapping):
            yield params.problem(f"expected a section of keys, got {shown(value)}", section)


def _name(params: Params, section: str, name: str) -> Iterator[Problem]:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        yield params.problem(explain(error.errors()[0]), section, name)
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
    if folder.is_relative_to(RAW):
        within = folder.relative_to(RAW).parts
        if not within or not params.has("downloads", within[0]):
            downloads = [str(RAW / name) for name in params.names("downloads")]
            yield params.problem(f"expected a download, got '{source}'{suggest(source, downloads)}", *path)
    elif source.startswith("~"):
        yield params.problem(f"expected a path without ~, which DVC does not expand: {folder.expanduser()}", *path)
    elif _holds_project(source):
        yield params.problem(f"expected a folder outside of this project, got '{source}', which holds it", *path)
    elif os.path.exists(source) and not (os.path.isdir(source) or os.path.isfile(source)):
        yield params.problem(f"expected a folder or a file, got a pipe or a device, '{source}'", *path)
    elif _is_made(source):
        made = f"expected a download or a folder of your own, got '{source}', in {DATA}/, which the stages write"
        yield params.problem(made, *path)


def _holds_project(source: str) -> bool:
    """Return whether a source is the project's own folder or one above it, or a link to such a folder."""
    return os.path.exists(source) and Path.cwd().is_relative_to(os.path.realpath(source))


def _is_made(source: str) -> bool:
    """Return whether a source is where the stages write, downloads apart."""
    if not os.path.exists(source):  # false for what can be no path
        return Path(source).is_relative_to(DATA)
    places = [Path(place(source)) for place in (os.path.abspath, os.path.realpath)]
    project = Path.cwd()
    return any(place.is_relative_to(project / DATA) and project / RAW not in place.parents for place in places)


def _model(params: Params, name: str) -> Iterator[Problem]:
    entry = ("models", name)
    yield from params.problems(Model, *entry)
    for key in ("dataset", "group"):
        value = params.value(*entry, key)
        if isinstance(value, str) and not params.has(f"{key}s", value):
            end = suggest(value, params.names(f"{key}s"))
            yield params.problem(f"expected one of {key}s, got '{value}'{end}", *entry, key)
    family = params.value(*entry, "family")
    if not isinstance(family, str):
        return
    try:
        network = family_class(family)
    except UserError as error:
        yield params.problem(str(error), *entry, "family")
    else:
        if isinstance(params.value(*entry, "training"), Mapping):
            yield from _training(params, name, network)
        if isinstance(params.value(*entry, "network"), Mapping):
            yield from params.problems(network, *entry, "network") or _built(params, name, network)


def _built(params: Params, name: str, network: type[Autoencoder]) -> Iterator[Problem]:
    """Build the network without memory for its weights: that says which keywords do not go together."""
    dataset = params.value("models", name, "dataset")
    if params.value("datasets", dataset) is None or params.problems(Dataset, "datasets", dataset):
        return
    shape = Dataset(**params.keywords(Dataset, "datasets", dataset)).image_shape
    if shape is None:  # the files state it, which are not there yet
        return
    family, keywords = params.value("models", name, "family"), params.keywords(network, "models", name, "network")
    try:
        built = check_network(family, shape, keywords)
    except UserError as error:
        yield params.problem(str(error).removeprefix("network: "), "models", name, "network")
        return
    augment = ("models", name, "training", "augment")
    if params.value(*augment) and not params.problems(Augmentation, *augment):
        reason = why_not(Augmentation(**params.keywords(Augmentation, *augment)), built)
        if reason:
            yield params.problem(reason, *augment)


def _training(params: Params, name: str, network: type[Autoencoder]) -> Iterator[Problem]:
    path = ("models", name, "training")
    training, family = params.value(*path), params.value("models", name, "family")
    if issubclass(network, Solvable):
        if training:
            yield params.problem(f"{family} is solved, not trained: expected {{}}, got {shown(training)}", *path)
        return
    yield from params.problems(Recipe, *path)


def _group(params: Params, name: str, members: Sequence[str]) -> Iterator[Problem]:
    yield from params.problems(Group, "groups", name)
    if not members:
        yield params.problem(
            f"expected a model with `group: {name}`, found none: add one, or remove it", "groups", name
        )
    for key in ("published", "notes"):
        entries = params.value("groups", name, key)
        for model in entries if isinstance(entries, Mapping) else ():
            if model not in members:
                message = f"expected a model of this group, got '{model}'{suggest(model, members)}"
                yield params.problem(message, "groups", name, key, model)
