"""params.schema.json and docs/params.md say what the code says, and the schema is right about params.yaml."""

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from hourglass.config.reference import explanations
from stages.tools import reference

from .conftest import ROOT
from .params import params


@pytest.mark.parametrize(
    ("file", "made"),
    [(reference.SCHEMA, reference.schema_text), (reference.PAGE, reference.page)],
    ids=("schema", "page"),
)
def test_reference_is_current(file: Path, made: Callable[[], str]) -> None:
    assert (ROOT / file).read_text(encoding="utf-8") == made(), "run `make reference`"


def test_every_keyword_is_explained() -> None:
    for name, section in reference.schema()["$defs"].items():
        for key, values in section.get("properties", {}).items():
            assert values.get("description"), f"{name}: explain {key} in the section `Args` of its docstring"


def test_explanations_are_those_of_the_docstring() -> None:
    def read(folder: Path, *, white: float = 255) -> None:
        """Read a table.

        Args:
            folder: The files.
            white: The value of a white pixel,
                255 in most.

        """

    assert explanations(read) == {"folder": "The files.", "white": "The value of a white pixel, 255 in most."}


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(reference.schema())


def test_schema_accepts_params() -> None:
    validator = jsonschema.Draft202012Validator(reference.schema())
    own = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    for values in (own, params()):
        assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(values)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("models.digits-dense.network.latent_dm", 8),
        ("models.digits-dense.network.latent_dim", "8"),
        ("models.digits-dense.family", "dence"),
        ("models.digits-dense.training.optimizer", {"name": "adamw", "rho": 0.9}),
        ("models.digits-pca.training.epochs", 3),
        ("models.Digits", {}),
        ("datasets.digits.licence", "CC0"),
        ("datasets.digits.size", 64),
        ("datasets.digits.options.wite", 3),
        ("groups.faces.published", {"faces-pca": {"mse": 0.1}}),
        ("groups.faces.notes", {"faces-pca": {"text": "x"}}),
        ("train.lanch", "python"),
        ("modles", {}),
    ],
)
def test_schema_refuses_what_check_refuses(path: str, value: object) -> None:
    values = params()
    section = values
    *parents, key = path.split(".")
    for parent in parents:
        section = section[parent]
    section[key] = value
    assert not jsonschema.Draft202012Validator(reference.schema()).is_valid(values)
