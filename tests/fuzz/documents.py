"""The YAML and JSON that people and stages write: params.yaml through `check`, and config.json of a trained model."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hourglass.config.document import Params
from hourglass.console.errors import UserError
from hourglass.inference.store import load_model, save_weights, write_config
from hourglass.networks.base.families import build
from stages.tools.groups import groups
from stages.tools.rules import absent_sources, problems
from tests.fuzz.harness import Target
from tests.fuzz.mutate import mutate
from tests.params import params, to_yaml

Values = Any  # what YAML and JSON hold

ODD: tuple[Values, ...] = (
    *(0, -1, 1, 2, 0.5, 10**9, 10**21, -(10**21), 2**63, 10**90, 1e308, 1e-320, float("nan"), float("inf"), True, None),
    *("", "a", "0", "é", "a\nb", "a\0b", "'; exit; '", "../..", "~/x", "x" * 10_000, "[a-z", "(a+)+$", "python -c 'x'"),
    *([], {}, [[]], [None], {"name": "adam"}, {"name": []}, {"": 0}, [0] * 300, ["x"] * 300),
)
MODELS = ("digits-dense", "digits-conv", "photos-tiles")  # one of each kind: building a network takes its time
NETWORK: dict[str, Any] = {
    "encoder": [{"filters": 3, "pool": 2, "residual": 1}],
    "decoder": [{"filters": 2, "shuffle": 2}],
    "latent_dim": 4,
}


def good_params() -> bytes:
    """Return a params.yaml of few models."""
    values = params()
    values["models"] = {name: values["models"][name] for name in MODELS}
    values["groups"] = {"quickstart": values["groups"]["quickstart"]}
    values["downloads"]["photos"] = values["downloads"]["photos"][:2]  # of twelve that are all alike
    return to_yaml(values).encode()


def read_params(path: Path) -> list[str]:
    """Check params.yaml, and return its mistakes as people see them."""
    loaded = Params.load(path)
    lines = [loaded.describe(problem) for problem in problems(loaded) + absent_sources(loaded)]
    if any("\n" in line or len(line) > 3000 for line in lines):
        raise AssertionError(f"expected short lines, got {lines}")
    if not lines:
        groups(loaded)
    return lines


def good_config() -> bytes:
    """Return config.json as a training writes it."""
    return json.dumps({"family": "conv", "image_shape": [1, 8, 8], "network": NETWORK, "seeds": [0]}, indent=2).encode()


def read_model(path: Path) -> dict[str, Any]:
    """Load the model that config.json describes, whose weights are beside it."""
    save_weights(path.with_name("model.safetensors"), build("conv", (1, 8, 8), NETWORK))
    network, config = load_model(path.parent, torch.device("cpu"))
    if network(torch.zeros(1, *network.image_shape)).shape != (1, *network.image_shape):
        raise AssertionError("expected reconstructions of the images' shape")
    return config


def read_sealed_model(path: Path) -> dict[str, Any]:
    """As `read_model`, where the hashes in config.json were right."""
    save_weights(path.with_name("model.safetensors"), build("conv", (1, 8, 8), NETWORK))
    try:
        values = json.loads(path.read_bytes())
        write_config(path.parent, values)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UserError("expected JSON") from None
    network, config = load_model(path.parent, torch.device("cpu"))
    network(torch.zeros(1, *network.image_shape))
    return config


def structure(
    parse: Callable[[bytes], Values], write: Callable[[Values], bytes]
) -> Callable[[bytes, random.Random], bytes]:
    """Return mutations that change bytes in half of all cases, and otherwise the values that stand there."""

    def mutations(content: bytes, draw: random.Random) -> bytes:
        if draw.random() < 0.5:
            return mutate(content, draw)
        values = parse(content)
        for _ in range(draw.choice((1, 1, 2, 5))):
            _change(values, draw)
        return write(values)

    return mutations


def _change(values: Values, draw: random.Random) -> None:
    """Change one value in place: another, none, one of elsewhere, one more key, or itself within itself."""
    places = list(_places(values))
    if not places:
        return
    section, key = draw.choice(places)
    kind = draw.randrange(5)
    if kind == 0:
        del section[key]
    elif kind == 1:
        other, there = draw.choice(places)
        section[key] = _copy(other[there])
    elif kind == 2 and isinstance(section, dict):
        section[draw.choice(("a", "", "'; x", "name", "é", "A" * 200, "1"))] = _copy(section[key])
    elif kind == 3:
        section[key] = [_copy(section[key]), _copy(section[key])]
    else:
        section[key] = _copy(draw.choice(ODD))


def _places(values: Values) -> Iterator[tuple[Any, Any]]:
    keys = values if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
    for key in keys:
        yield values, key
        yield from _places(values[key])


def _copy(value: Values) -> Values:
    return json.loads(json.dumps(value))


def _from_yaml(content: bytes) -> Values:
    return YAML(typ="safe", pure=True).load(content)


def _to_yaml(values: Values) -> bytes:
    try:
        return to_yaml(values).encode()
    except YAMLError:  # what YAML has no form for
        return b""


def _to_json(values: Values) -> bytes:
    return json.dumps(values, indent=2).encode()


JSON = structure(json.loads, _to_json)
TARGETS = (
    Target("params.yaml", good_params, read_params, "params.yaml", mutations=structure(_from_yaml, _to_yaml)),
    Target("config.json", good_config, read_model, "config.json", mutations=JSON),
    Target("config.json-sealed", good_config, read_sealed_model, "config.json", mutations=JSON),
)
