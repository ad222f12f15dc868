"""The keyword-only parameters of a callable are its section of params.yaml, checked with line numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from hourglass.config.document import Params, Problem
from hourglass.config.keywords import Keywords, OneOf, Weights
from hourglass.config.types import Activation, Beta, Count, Flag, Fraction, Name, Odd, Positive, Size, Text
from hourglass.console.errors import UserError, nearest, suggest


def adam(learning_rate: float, *, betas: tuple[Beta, Beta] = (0.9, 0.999)) -> None:
    """Adam."""


def adadelta(learning_rate: float, *, rho: Fraction = 0.9) -> None:
    """Adadelta."""


def block(channels: int, *, filters: Count, kernel: Odd = 3) -> None:
    """Make a block."""


class Network:
    """A network, whose constructor has its section."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        encoder: Annotated[Sequence[Annotated[Mapping[str, Any], Keywords(block)]], Field(min_length=1)],
        hidden: Sequence[Count] = (),
        activation: Activation = "relu",
        loss: Annotated[Mapping[str, float], Weights({"mse": adam, "ssim": adam})] | None = None,
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe, which has rules of its own."""

    epochs: Count
    learning_rate: Positive = 0.1
    optimizer: Annotated[Mapping[str, Any], OneOf({"adam": adam, "adadelta": adadelta})] | None = None
    size: Size | None = None
    title: Text = "none"
    flip: Flag = False
    by_name: Mapping[Name, Count] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.epochs == 13:
            raise ValueError("epochs: expected luck, got 13")
        if self.learning_rate > self.epochs:
            raise ValueError("expected patience")


def load(folder: Path, text: str) -> Params:
    """Load a params.yaml."""
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return Params.load(path)


def messages(params: Params, problems: list[Problem]) -> list[str]:
    """Return problems as users see them, from the number of the line on."""
    return [params.describe(problem).removeprefix(f"{params.file}:") for problem in problems]


def test_keywords_come_with_their_defaults(tmp_path: Path) -> None:
    text = "models:\n  a:\n    epochs: 3\n    learning_rate: 1e-3\n    optimizer:\n      name: adam\n    size: [4, 5]\n"
    params = load(tmp_path, text)
    assert params.keywords(Recipe, "models", "a") == {
        "epochs": 3,
        "learning_rate": 0.001,
        "optimizer": {"name": "adam", "betas": (0.9, 0.999)},
        "size": (4, 5),
        "title": "none",
        "flip": False,
        "by_name": {},
    }
    assert Recipe(**params.keywords(Recipe, "models", "a")).size == (4, 5)
    assert params.names("models") == ["a"]
    assert params.names("groups") == []


def test_classes_and_functions_have_sections_too(tmp_path: Path) -> None:
    params = load(tmp_path, "models:\n  a:\n    encoder:\n    - filters: 4\n    loss:\n      mse: 1\n")
    found = params.keywords(Network, "models", "a")
    assert found["encoder"] == [{"filters": 4, "kernel": 3}]
    assert found["loss"] == {"mse": 1}
    assert params.keywords(block, "models", "a", "encoder", 0) == {"filters": 4, "kernel": 3}
    assert params.keywords_of_each(block, "models", "a", "encoder") == [{"filters": 4, "kernel": 3}]


def test_a_section_that_is_not_there_is_empty(tmp_path: Path) -> None:
    params = load(tmp_path, "models:\n  a:\n    options:\n")
    assert params.keywords(adadelta, "models", "a", "options") == {"rho": 0.9}
    assert params.keywords(adadelta, "models", "a", "other") == {"rho": 0.9}
    assert params.keywords(adadelta, "train") == {"rho": 0.9}


def test_an_entry_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    params = load(tmp_path, "models:\n  digits-dense:\n    epochs: 3\n")
    with pytest.raises(UserError) as refused:
        params.keywords(Recipe, "models", "digits-dens")
    assert str(refused.value) == (
        f"expected one of models in {tmp_path}/params.yaml, got 'digits-dens'; did you mean 'digits-dense'?"
    )


def test_all_mistakes_are_listed_by_line(tmp_path: Path) -> None:
    text = """\
models:
  a:
    epochs: '3'
    epochz: 2
    learning_rate: 0,001
    size: 64
    title: 3
    flip: yes
    5: 3
    null: 3
    by_name:
      Bad Name: 3
      good: 0
    optimizer:
      name: adm
"""
    params = load(tmp_path, text)
    known = "known: epochs, learning_rate, optimizer, size, title, flip, by_name"
    expected = [
        "3: models.a.epochs: expected a whole number, got '3': write it without quotes, 3",
        "4: models.a: unknown key 'epochz'; did you mean 'epochs'?",
        "5: models.a.learning_rate: expected a number, got '0,001': write a decimal point, 0.001",
        "6: models.a.size: expected [height, width], got 64",
        "7: models.a.title: expected text, got 3: put it in quotes",
        "8: models.a.flip: expected true or false, got 'yes': write true without quotes",
        f"9: models.a: unknown key '5'; {known}",
        f"10: models.a: unknown key 'null'; {known}",
        "12: models.a.by_name.Bad Name: expected a name of small letters, digits and single dashes, got 'Bad Name'",
        "13: models.a.by_name.good: expected a number greater than 0, got 0",
        "15: models.a.optimizer.name: expected one of adam, adadelta, got 'adm'; did you mean 'adam'?",
    ]
    assert messages(params, params.problems(Recipe, "models", "a")) == expected
    with pytest.raises(UserError) as refused:
        params.keywords(Recipe, "models", "a")
    assert str(refused.value) == f"{tmp_path}/params.yaml:{expected[0]}"


def test_mistakes_in_nested_sections_have_their_place(tmp_path: Path) -> None:
    text = """\
models:
  a:
    encoder:
    - filters: 3
      kernel: 2
    - filtres: 3
    - 3
    hidden: 5
    activation: Relu
    loss:
      msse: 1
"""
    params = load(tmp_path, text)
    assert messages(params, params.problems(Network, "models", "a")) == [
        "5: models.a.encoder.0.kernel: expected an odd number, got 2",
        "6: models.a.encoder.1: unknown key 'filtres'; did you mean 'filters'?",
        "7: models.a.encoder.2: expected a section of keys, got 3",
        "8: models.a.hidden: expected a list, got 5",
        "9: models.a.activation: expected one of relu, leaky_relu, silu, sigmoid, linear, got 'Relu'; did you mean 'relu'?",
        "11: models.a.loss.msse: expected one of mse, ssim, got 'msse'; did you mean 'mse'?",
    ]


def test_a_dataclass_has_rules_of_its_own(tmp_path: Path) -> None:
    params = load(tmp_path, "models:\n  a:\n    title: x\n    epochs: 13\n  b:\n    epochs: 1\n    learning_rate: 2\n")
    assert messages(params, params.problems(Recipe, "models", "a")) == ["4: models.a.epochs: expected luck, got 13"]
    assert messages(params, params.problems(Recipe, "models", "b")) == ["5: models.b: expected patience"]


def test_what_is_no_section_is_an_error(tmp_path: Path) -> None:
    params = load(tmp_path, "models:\n  a: 3\n  b:\n  c: []\n")
    assert messages(params, params.problems(Recipe, "models", "a")) == [
        "2: models.a: expected a section of keys, got 3"
    ]
    assert messages(params, params.problems(Recipe, "models", "b")) == [
        "3: models.b.epochs: expected a value, got nothing: add this key"
    ]
    assert messages(params, params.problems_of_each(Recipe, "models", "c")) == [
        "4: models.c: expected at least 1, got none"
    ]


def test_yaml_is_read_as_dvc_reads_it(tmp_path: Path) -> None:
    params = load(
        tmp_path, "a:\n  x: 1e-3\n  y: yes\n  z: 010\n  pattern: (?P<group>\\d+)_0[38]\nb: &b\n  c: 1\nd: *b\n"
    )
    assert params.values == {
        "a": {"x": 0.001, "y": "yes", "z": 10, "pattern": r"(?P<group>\d+)_0[38]"},
        "b": {"c": 1},
        "d": {"c": 1},
    }
    assert params.lines["a", "pattern"] == 5


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_has_no_entries(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).names("models") == []


@pytest.mark.parametrize("text", ["a: *unknown\n", "a: \x01\n", "a: 'x\n", "a: !!python/object:os.x 1\n"])
def test_what_is_no_yaml_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"params\.yaml.*expected") as refused:
        load(tmp_path, text)
    assert "\n" not in str(refused.value)


LAUGHS = "a0: &a0 [0, 0]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
MERGES = "a0: &a0 {k: 0}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, r"params\.yaml:\d+: expected at most 100,000 values, with those of aliases, got more$"),
        (MERGES, r"params\.yaml:\d+: expected at most 100,000 values, with those of aliases, got more$"),
        ("a: &a [*a]\n", r"params\.yaml:1: expected sections and lists of at most 32 levels, got more$"),
        ("a: " + "[" * 33 + "]" * 33 + "\n", r"params\.yaml:1: expected sections and lists of at most 32 levels"),
        ("a: " + "[" * 5000 + "]" * 5000 + "\n", r"params\.yaml: expected sections and lists of at most 32 levels"),
        ("a: " + "x" * 2**18 + "\n", r"params\.yaml: expected at most 262,144 bytes, got more: remove some entries$"),
        ("a: " + "1" * 101 + "\n", r"params\.yaml:1: expected a number of at most 100 digits, got '1+\.\.\.$"),
        ("a: !!int x\n", r"params\.yaml: expected values that are what their tags say, got: "),
        ("a: 2024-13-45\n", r"params\.yaml:1: expected text, .* got a value of the type timestamp: use quotes$"),
        ("a: !!set {x, y}\n", r"params\.yaml:1: expected text, .* got a value of the type set: use quotes$"),
        ('a: "x\\0y"\n', r"params\.yaml:1: expected text without control characters, got "),
        ('a: "\\ud800"\n', r"params\.yaml:1: expected text without control characters, got "),
        ("[a, b]: 1\n", r"params\.yaml:1: expected a text as a key, got a list or a section$"),
        ("a: 1\n<<<<<<< HEAD\nb: 1\n", r"params\.yaml:2: expected one side of a merge, got git's mark of a conflict"),
    ],
    ids=range(14),
)
def test_what_no_params_hold_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, text)


def test_other_bytes_than_utf8_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"a: \xff\xfe\n")
    with pytest.raises(UserError, match=r"params\.yaml.*expected"):
        Params.load(tmp_path / "params.yaml")


def test_a_text_of_another_form_is_one_line(tmp_path: Path) -> None:
    def read(folder: Path, *, code: Annotated[str, Field(pattern="^[a-z]+$")]) -> None:
        """Read."""

    params = load(tmp_path, "a:\n  b:\n    code: A1\n")
    assert messages(params, params.problems(read, "a", "b")) == [
        "3: a.b.code: expected text that matches ^[a-z]+$, got 'A1'"
    ]


def test_nearest_names() -> None:
    assert nearest("Conv", ["dense", "conv"]) == "conv"
    assert nearest("xyz", ["dense", "conv"]) is None
    assert suggest("xyz", ["dense", "conv"]) == "; known: dense, conv"
    assert suggest("x", []) == "; known: none"
    assert suggest("x", range(2000)).endswith(", 98, 99 and 1,900 more")
