"""All of params.yaml is checked before any work: every mistake in one go, one line each, with its line number."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hourglass.config.document import Params
from hourglass.console.errors import UserError
from hourglass.networks.base.losses import LOSSES
from hourglass.training.optimizers import OPTIMIZERS
from stages import check
from stages.tools.groups import groups, update_group_stages

from .conftest import ROOT, Project
from .params import params, to_yaml

Values = dict[str, Any]
LATENT = 8 * 8  # numbers in an image of `digits`


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaints(values: Values, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what `check` says of values for params.yaml, each without the number of its line."""
    text = to_yaml(values)
    Path("params.yaml").write_text(text, encoding="utf-8")
    status = check.main()
    lines = capsys.readouterr().err.splitlines()
    assert status == bool(lines)
    found = []
    for line in lines:
        file, number, message = line.removeprefix("error: ").split(":", 2)
        assert file == "params.yaml"
        assert 1 <= int(number) <= text.count("\n")
        found.append(message.strip())
    return found


def put(path: str, value: object) -> Callable[[Values], None]:
    """Return a change that sets one value."""
    *parents, key = path.split(".")

    def change(values: Values) -> None:
        section = values
        for parent in parents:
            section = section[parent]
        section[key] = value

    return change


def drop(path: str) -> Callable[[Values], None]:
    """Return a change that removes one key."""
    *parents, key = path.split(".")

    def change(values: Values) -> None:
        section = values
        for parent in parents:
            section = section[parent]
        del section[key]

    return change


def rename(section: str, old: str, new: str) -> Callable[[Values], None]:
    """Return a change that gives an entry another name."""

    def change(values: Values) -> None:
        values[section] = {new if name == old else name: entry for name, entry in values[section].items()}

    return change


def test_right_params_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaints(params(), capsys) == []


DENSE, TILES = "models.digits-dense", "models.photos-tiles"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(f"{DENSE}.training.epochs", "3"), f"{DENSE}.training.epochs: expected a whole number, got '3': write it without quotes, 3"),
        (put(f"{DENSE}.training.epochs", 1.5), f"{DENSE}.training.epochs: expected a whole number, got 1.5"),
        (put(f"{DENSE}.training.epochs", True), f"{DENSE}.training.epochs: expected a whole number, got true"),
        (put(f"{DENSE}.training.epochs", 0), f"{DENSE}.training.epochs: expected a number greater than 0, got 0"),
        (put(f"{DENSE}.training.learning_rate", "0,001"), f"{DENSE}.training.learning_rate: expected a number, got '0,001': write a decimal point, 0.001"),
        (put(f"{DENSE}.training.learning_rate", float("inf")), f"{DENSE}.training.learning_rate: expected a finite number, got inf"),
        (put(f"{DENSE}.training.compile", "yes"), f"{DENSE}.training.compile: expected true or false, got 'yes': write true without quotes"),
        (put(f"{DENSE}.training.seeds", [1, 2, 1]), f"{DENSE}.training.seeds: expected different numbers, got [1, 2, 1]"),
        (put(f"{DENSE}.training.seeds", []), f"{DENSE}.training.seeds: expected at least 1, got none"),
        (put(f"{DENSE}.training.seeds", [2**63]), f"{DENSE}.training.seeds.0: expected a number less than or equal to {2**63 - 1}, got {2**63}"),
        (drop(f"{DENSE}.training.epochs"), f"{DENSE}.training.epochs: expected a value, got nothing: add this key"),
        (drop(f"{DENSE}.training"), f"{DENSE}.training: expected a value, got nothing: add this key"),
        (put(f"{DENSE}.training.bach_size", 3), f"{DENSE}.training: unknown key 'bach_size'; did you mean 'batch_size'?"),
        (put(f"{DENSE}.training.optimizer", {"name": "adm"}), f"{DENSE}.training.optimizer.name: expected one of {', '.join(OPTIMIZERS)}, got 'adm'; did you mean 'adam'?"),
        (put(f"{DENSE}.training.optimizer", {"rho": 0.9}), f"{DENSE}.training.optimizer: expected a section with the key 'name', got {{'rho': 0.9}}"),
        (put(f"{DENSE}.training.optimizer", "adam"), f"{DENSE}.training.optimizer: expected a section of keys, got 'adam'"),
        (put(f"{DENSE}.training.optimizer", {"name": "adadelta", "betas": [0.9, 0.99]}), f"{DENSE}.training.optimizer: unknown key 'betas'; known: name, rho"),
        (put(f"{DENSE}.training.optimizer", {"name": "adam", "betas": [0.9, 1]}), f"{DENSE}.training.optimizer.betas.1: expected a number less than 1, got 1"),
        (put(f"{DENSE}.training.schedule", {"name": "one_cycle", "factor": 0.5}), f"{DENSE}.training.schedule: unknown key 'factor'; known: name, warmup"),
        (put(f"{DENSE}.training.schedule", {"name": "plateau", "factor": 2}), f"{DENSE}.training.schedule.factor: expected a number less than 1, got 2"),
        (put(f"{DENSE}.training.augment", {"shift": -1}), f"{DENSE}.training.augment.shift: expected a number greater than or equal to 0, got -1"),
        (put(f"{DENSE}.training.augment", {"shift": 8}), f"{DENSE}.training.augment: 'shift' expects less than the smaller side of 8x8 pixels, got 8"),
        (put(f"{DENSE}.training.augment", {"crop": 4, "shift": 2}), f"{DENSE}.training.augment.shift: 'shift' expects whole images, and `crop` moves them already: leave one of both out"),
        (put(f"{TILES}.training.augment", {"flip": True}), f"{TILES}.training.augment: changes whole images, and this network trains on parts of them: leave it out"),
        (put("models.digits-pca.training", {"epochs": 3}), "models.digits-pca.training: pca is solved, not trained: expected {}, got {'epochs': 3}"),
        (put(f"{DENSE}.network.latent_dm", 3), f"{DENSE}.network: unknown key 'latent_dm'; did you mean 'latent_dim'?"),
        (put(f"{DENSE}.network.hidden", 256), f"{DENSE}.network.hidden: expected a list, got 256"),
        (put(f"{DENSE}.network.latent_dim", LATENT + 1), f"{DENSE}.network: expected a latent of at most 64 numbers, the values of an image, got 65"),
        (put(f"{DENSE}.network.loss", {"msse": 1}), f"{DENSE}.network.loss.msse: expected one of {', '.join(LOSSES)}, got 'msse'; did you mean 'mse'?"),
        (put(f"{DENSE}.network", None), f"{DENSE}.network: expected a section of keys, got nothing"),
        (put("models.digits-conv.network.encoder", [{"filters": 4, "kernel": 2}]), "models.digits-conv.network.encoder.0.kernel: expected an odd number, got 2"),
        (put("models.digits-conv.network.encoder", [{"filters": 4, "poll": 2}]), "models.digits-conv.network.encoder.0: unknown key 'poll'; did you mean 'pool'?"),
        (put("models.digits-conv.network.encoder", [{"filters": 4, "norm": "befor"}]), "models.digits-conv.network.encoder.0.norm: expected true, false or before, got 'befor'"),
        (put("models.digits-conv.network.encoder", [{"filters": 4, "norm": 1}]), "models.digits-conv.network.encoder.0.norm: expected true, false or before, got 1"),
        (put("models.digits-conv.network.encoder", []), "models.digits-conv.network.encoder: expected at least 1, got none"),
        (put(f"{TILES}.network.tile", 8), f"{TILES}.network.tile: expected [height, width], got 8"),
        (put(f"{DENSE}.family", "dence"), f"{DENSE}.family: expected a family, got 'dence'; did you mean 'dense'?"),
        (put(f"{DENSE}.family", "Dense"), f"{DENSE}.family: expected a family, got 'Dense'; did you mean 'dense'?"),
        (drop(f"{DENSE}.family"), f"{DENSE}.family: expected a value, got nothing: add this key"),
        (put(f"{DENSE}.dataset", "digit"), f"{DENSE}.dataset: expected one of datasets, got 'digit'; did you mean 'digits'?"),
        (put(f"{DENSE}.group", "quick"), f"{DENSE}.group: expected one of groups, got 'quick'; did you mean 'quickstart'?"),
        (drop(f"{DENSE}.group"), f"{DENSE}.group: expected a value, got nothing: add this key"),
        (put(f"{DENSE}.group", ["a"]), f"{DENSE}.group: expected text, got ['a']"),
        (put("datasets.digits.size", 64), "datasets.digits.size: expected [height, width], got 64"),
        (put("datasets.digits.size", [64]), "datasets.digits.size: expected [height, width], got [64]"),
        (put("datasets.digits", {"source": "data/raw/digits", "format": "matlab", "options": {"variable": "x"}}), "datasets.digits: expected `size: [height, width]`, which matlab files do not state: add it"),
        (put("datasets.digits.title", 5), "datasets.digits.title: expected text, got 5: put it in quotes"),
        (put("datasets.digits.licence", "CC0"), "datasets.digits: unknown key 'licence'; did you mean 'license'?"),
        (put("datasets.digits.color", "grey"), "datasets.digits.color: expected one of gray, rgb, got 'grey'; did you mean 'gray'?"),
        (put("datasets.digits.fractions", [0.8, 0.1, 0.2]), "datasets.digits.fractions: 'fractions' expected train, val and test that add to 1, got 1.1"),
        (put("datasets.digits.options", {"wite": 3}), "datasets.digits.options: unknown key 'wite'; did you mean 'white'?"),
        (put("datasets.digits.format", "cvs"), "datasets.digits.format: 'format' expected a reader's name, got 'cvs'; did you mean 'csv'?"),
        (put("datasets.photos.options", {"pattern": "[a-z"}), "datasets.photos.options.pattern: expected a regular expression, got '[a-z'"),
        (put("datasets.photos.source", "photos"), "datasets.photos.source: expected a folder or a file that exists, got 'photos'; did you mean 'data/raw/photos'?"),
        (put("datasets.photos.source", "/nowhere/at/all"), "datasets.photos.source: expected a folder or a file that exists, got '/nowhere/at/all'"),
        (put("datasets.photos.source", "~/photos"), f"datasets.photos.source: expected a path without ~, which DVC does not expand: {Path.home()}/photos"),
        (put("datasets.photos.source", "data/raw/photo"), "datasets.photos.source: expected a download, got 'data/raw/photo'; did you mean 'data/raw/photos'?"),
        (rename("datasets", "faces", "Faces"), "datasets.Faces: expected a name of small letters, digits and single dashes, got 'Faces'"),
        (rename("datasets", "faces", "faces.small"), "datasets.faces.small: expected a name of small letters, digits and single dashes, got 'faces.small'"),
        (rename("groups", "faces", "my faces"), "groups.my faces: expected a name of small letters, digits and single dashes, got 'my faces'"),
        (rename("models", "faces-pca", "reports"), "models.reports: 'reports' is the folder of the reports' plots: choose another name"),
        (put("downloads.digits", []), "downloads.digits: expected at least 1, got none"),
        (put("downloads.digits", {"file": "x"}), "downloads.digits: expected a list, got {'file': 'x'}"),
        (put("downloads.digits", [{"file": "x", "sha256": ["12"]}]), "downloads.digits.0.sha256.0: expected a SHA-256, 64 digits of 0-9 and a-f, got '12'"),
        (put("downloads.digits", [{"file": "a/b.csv"}]), "downloads.digits.0.file: expected a file's name of letters, digits, _, ., + and -, without a folder"),
        (put("models.digits-conv.network.decoder", [{"filters": 10**9, "shuffle": 10**9}]), "models.digits-conv.network.decoder.0.shuffle: expected a number less than or equal to 1024, got 1000000000"),
        (put("datasets.digits.size", [60000, 60000]), "datasets.digits.size.0: expected a number less than or equal to 16384, got 60000"),
        (put("models.digits-conv.network.encoder", [{"filters": 4, "pool": 2, "residual": 10**9}]), "models.digits-conv.network.encoder.0.residual: expected a number less than or equal to 1000, got 1000000000"),
        (put("models.digits-conv.network.encoder", [{"filters": 4, "pool": 2, "residual": 1000}]), "models.digits-conv.network: expected at most 256 blocks and residual blocks together, got 1,001"),
        (put("models.digits-conv.network.encoder", [{"filters": 10**6, "pool": 2}, {"filters": 10**6}]), "models.digits-conv.network: expected at most 16 GiB of weights, got "),
        (put("models.digits-conv.network.encoder", [{"filters": 16, "stride": 1024}] * 3), "models.digits-conv.network: expected"),
        (put(f"{DENSE}.training.augment", {"shift": 10**21}), f"{DENSE}.training.augment.shift: expected a number less than or equal to 16384, got {10**21}"),
        (put(f"{DENSE}.training.learning_rate", 1e308), f"{DENSE}.training.learning_rate: expected a number less than or equal to 1000000000000, got 1e+308"),
        (put(f"{DENSE}.training.epochs", 10**9), f"{DENSE}.training.epochs: expected a number less than or equal to 1000000, got {10**9}"),
        (put(f"{DENSE}.training.seeds", list(range(1001))), f"{DENSE}.training.seeds: expected at most 1000, got 1001"),
        (put(f"{DENSE}.network.hidden", [1] * 257), f"{DENSE}.network.hidden: expected at most 256, got 257"),
        (put(f"{TILES}.network.tile", [65, 8]), f"{TILES}.network: expected a tile of at most 64x64, the size of an image, got 65x8"),
        (put("train.launch", " "), "train.launch: expected a command, in one line, got ' '"),
        (rename("groups", "faces", "a" * 101), f"groups.{'a' * 97}...: expected text of at most 100 characters, got 101"),
        (rename("models", "faces-pca", "a'; touch x; '"), "models.a'; touch x; ': expected a name of small letters, digits and single dashes"),
        (put("groups.faces.published", {"faces-dense": {"source": "x", "mes": 0.1}}), "groups.faces.published.faces-dense: unknown key 'mes'; did you mean 'mse'?"),
        (put("groups.faces.published", {"faces-dense": {"mae": 0.1}}), "groups.faces.published.faces-dense.source: expected a value, got nothing: add this key"),
        (put("datasets.photos.source", "/dev/zero"), "datasets.photos.source: expected a folder or a file, got a pipe or a device, '/dev/zero'"),
        (put("datasets.photos.source", "."), "datasets.photos.source: expected a folder outside of this project, got '.', which holds it"),
        (put("datasets.photos.source", ".."), "datasets.photos.source: expected a folder outside of this project, got '..', which holds it"),
        (put("datasets.photos.source", "data"), "datasets.photos.source: expected a download or a folder of your own, got 'data', in data/, which the stages write"),
        (put("datasets.photos.source", "data/prepared/x"), "datasets.photos.source: expected a download or a folder of your own, got 'data/prepared/x', in data/, which the stages write"),
        (put("datasets.photos.source", "data/raw"), "datasets.photos.source: expected a download, got 'data/raw'"),
        (put("datasets.photos.source", "data/raw/photos-2/sub"), "datasets.photos.source: expected a download, got 'data/raw/photos-2/sub'"),
        (put("groups.empty", {"title": "Empty"}), "groups.empty: expected a model with `group: empty`, found none: add one, or remove it"),
        (put("groups.faces.published", {"faces-dens": {"source": "x"}}), "groups.faces.published.faces-dens: expected a model of this group, got 'faces-dens'; did you mean 'faces-dense'?"),
        (put("groups.faces.notes", {"faces-dens": "Good."}), "groups.faces.notes.faces-dens: expected a model of this group, got 'faces-dens'; did you mean 'faces-dense'?"),
        (put("groups.faces.notes", {"faces-dense": ""}), "groups.faces.notes.faces-dense: expected text, got ''"),
        (put("groups.faces.notes", {"faces-dense": 3}), "groups.faces.notes.faces-dense: expected text, got 3"),
        (put("groups.faces.notes", ["Good."]), "groups.faces.notes: expected a section of keys, got ['Good.']"),
        (put("train.lanch", "python"), "train: unknown key 'lanch'; did you mean 'launch'?"),
        (put("train.precision", "half"), "train.precision: expected one of auto, bfloat16, tf32, float32, got 'half'"),
        (drop("train"), "train: expected a section of keys, got nothing"),
        (put("models", None), "models: expected a section of keys, got nothing"),
        (put("modles", {}), "unknown section 'modles'; did you mean 'models'?"),
        (put("models.5", {}), "models.5.group: expected a value, got nothing: add this key"),
        (put("models.new", "dense"), "models.new: expected a section of keys, got 'dense'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(
    change: Callable[[Values], None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values = params()
    change(values)
    found = complaints(values, capsys)
    assert any(line.startswith(message) for line in found), found


@pytest.mark.parametrize(
    ("path", "items"),
    [(f"{DENSE}.training.seeds", [-1]), ("models.digits-conv.network.encoder", [{"filters": 4, "norm": "after"}])],
)
def test_a_list_of_one_wrong_item_is_not_called_empty(
    path: str, items: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    values = params()
    put(path, items)(values)
    (line,) = complaints(values, capsys)
    assert line.startswith(f"{path}.0")


def test_very_many_mistakes_are_told_in_part_and_soon(capsys: pytest.CaptureFixture[str]) -> None:
    values = params()
    values["models"] |= {f"model-{index}": {f"key-{index}": 0} for index in range(2000)}
    assert len(complaints(values, capsys)) == 100


def test_a_folder_of_a_download_is_a_source(capsys: pytest.CaptureFixture[str]) -> None:
    values = params()
    put("datasets.photos.source", "data/raw/photos/sub")(values)
    assert complaints(values, capsys) == []


def test_links_to_the_project_and_to_what_it_makes_are_no_sources(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data/prepared/x").mkdir(parents=True)
    (folder / "images").mkdir()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / "project").symlink_to(folder)
    (folder / "made").symlink_to(folder / "data/prepared/x")
    (folder / "theirs").symlink_to(elsewhere)
    for source, message in (
        ("project", "which holds it"),
        (str(folder.parent), "which holds it"),
        ("made", "which the stages write"),
        (str(folder / "data/prepared/x"), "which the stages write"),
        ("images", ""),
        ("theirs", ""),
        (str(elsewhere), ""),
    ):
        values = params()
        put("datasets.photos.source", source)(values)
        found = complaints(values, capsys)
        assert len(found) == bool(message), found
        assert all(message in line for line in found)


def test_a_section_that_a_merge_key_brings_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    merged = to_yaml(params()).replace("downloads:", "<<:\n  mine: {}\ndownloads:", 1)
    Path("params.yaml").write_text(merged, encoding="utf-8")
    assert check.main() == 1
    assert capsys.readouterr().err == (
        "error: params.yaml:2: unknown section 'mine'; known: downloads, datasets, models, groups, train, gate\n"
    )


def test_a_missing_section_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    values = params()
    for key in ("network", "training"):
        drop(f"{DENSE}.{key}")(values)
    missing = "expected a value, got nothing: add this key"
    assert complaints(values, capsys) == [f"{DENSE}.network: {missing}", f"{DENSE}.training: {missing}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models:\n\tdigits: 1\n", "params.yaml:2: expected valid YAML, got: found character '\\t' that cannot start any token: indent with spaces, not with tabs"),
        ("models:\n  a: 1\n  b: 2\n  a: 3\n", "params.yaml:4: expected every key once in its section, got 'a' again: remove one of them"),
        ("models:\n  a:\n    b: 1\n   c: 2\n", "params.yaml:4: expected valid YAML, got: expected <block end>, but found '<block mapping start>': indent the keys"),
        ("models:\n  a: 1\n   b: 2\n", "params.yaml:3: expected valid YAML, got: mapping values are not allowed here: indent the keys"),
        ("models: [1,\n", "params.yaml:2: expected valid YAML, got: "),
        ("- models\n", "params.yaml: expected sections of keys, got ['models']"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_one_line(text: str, message: str) -> None:
    Path("params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        check.main()
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script itself."""
    command = [sys.executable, "-m", "stages.check", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_all_mistakes_come_in_one_go_by_line(folder: Path) -> None:
    values = params()
    put(f"{DENSE}.network.latent_dm", 8)(values)
    put(f"{DENSE}.network.hidden", 5)(values)
    put(f"{TILES}.dataset", "fotos")(values)
    put("datasets.digits.size", 64)(values)
    text = to_yaml(values)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    done = run(folder, "--stage")
    lines = text.splitlines()
    places = [
        1 + next(i for i, line in enumerate(lines) if key in line)
        for key in ("size: 64", "hidden: 5", "latent_dm", "fotos")
    ]
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"error: params.yaml:{places[0]}: datasets.digits.size: expected [height, width], got 64",
        f"error: params.yaml:{places[1]}: {DENSE}.network.hidden: expected a list, got 5",
        f"error: params.yaml:{places[2]}: {DENSE}.network: unknown key 'latent_dm'; did you mean 'latent_dim'?",
        f"error: params.yaml:{places[3]}: {TILES}.dataset: expected one of datasets, got 'fotos'; did you mean 'photos'?",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["params.yaml"]


def test_missing_params_say_where_to_run(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 1
    assert done.stderr == f"error: expected params.yaml in {folder}, found none: run from the project's folder\n"


def test_the_stages_of_groups_follow_params(capsys: pytest.CaptureFixture[str]) -> None:
    values, stages, checked = params(), Path("groups/dvc.yaml"), Path("data/checked")
    assert complaints(values, capsys) == []
    before = stages.read_text(encoding="utf-8")
    assert "cmd: python -m stages.gather faces faces-dense faces-pca\n" in before
    assert "- data/evaluated/faces-pca\n" in before
    assert check.main() == 0
    assert capsys.readouterr().out == ""
    assert stages.read_text(encoding="utf-8") == before

    put("models.faces-pca.group", "quickstart")(values)
    Path("params.yaml").write_text(to_yaml(values), encoding="utf-8")
    with pytest.raises(UserError) as refused:  # DVC has read the old stages by then
        check.main(is_stage=True)
    change = "groups/dvc.yaml now has faces-pca in quickstart, no longer has faces-pca in faces"
    assert str(refused.value) == f"{change}: run the same command again"
    assert not checked.exists()
    assert check.main(is_stage=True) == 0
    assert checked.read_text(encoding="utf-8") == "params.yaml is right\n"

    put("models.faces-pca.group", "faces")(values)
    assert complaints(values, capsys) == []
    assert stages.read_text(encoding="utf-8") == before


def test_help_explains(folder: Path) -> None:
    done = run(folder, "--help")
    assert done.returncode == 0
    assert "List every mistake in params.yaml" in done.stdout


def test_a_folder_of_somebody_else_stops_its_own_data_set_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = params()
    put("datasets.photos.source", "/nowhere/at/all")(values)
    (folder / "params.yaml").write_text(to_yaml(values), encoding="utf-8")
    check.main()  # writes the stages of the groups; the folder is an error here
    assert "error: " in capsys.readouterr().err
    update_group_stages(Path("groups/dvc.yaml"), groups(Params.load(Path("params.yaml"))))
    assert check.main(is_stage=True) == 0
    assert "warning: params.yaml:" in (line := capsys.readouterr().err)
    assert line.endswith(
        f"datasets.photos.source: expected a folder or a file that exists, got '/nowhere/at/all' from {folder}\n"
    )
    assert Path("data/checked").exists()


@pytest.mark.parametrize("key", ["launch", "deterministic", "precision", "channels_last"])
def test_the_keys_that_dvc_needs_have_to_be_there(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = params()
    del values["train"][key]
    (line,) = complaints(values, capsys)
    assert line.endswith(f"train.{key}: expected a value, got nothing: add this key")


@pytest.mark.parametrize("group", ["2024", "null", "true"])
def test_a_group_may_have_any_name(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = params()
    values["groups"][group] = values["groups"].pop("faces")
    for model in ("faces-pca", "faces-dense"):
        values["models"][model]["group"] = group
    assert complaints(values, capsys) == []
    stages = YAML(typ="safe", pure=True).load(Path("groups/dvc.yaml"))["stages"]
    assert stages.keys() == {group, "quickstart"}


def test_dvc_repro_tells_all_mistakes_before_any_work(fresh: Project) -> None:
    values = fresh.params()
    models, datasets = values["models"], values["datasets"]
    models["digits-dense"]["training"] |= {"epochs": "ten", "learning_rate": "0,001"}
    models["digits-conv"]["training"]["schedule"] = [{"name": "plateau"}, {"name": "one_cycle"}]
    models["faces-dense"]["network"]["latent_dim"] = 626
    models["digits-vae"]["family"] = "VAE"
    models["photos-tiles"]["family"] = "tyles"
    models["faces-pca"]["dataset"] = "facez"
    del models["faces-dense"]["group"]
    for name in ("Upper", "dotted.name", "spaced name"):
        models[name] = models["digits-pca"] | {"network": {"latent_dim": 2}, "group": "quickstrat"}
    del datasets["digits"]["size"]
    datasets["digits"] |= {"format": "matlab", "options": {"variable": "x"}}
    datasets["photos"]["size"] = 64
    datasets["mine"] = datasets["photos"] | {"source": "~/photos", "size": [8, 8]}
    datasets["theirs"] = datasets["photos"] | {"source": "/nowhere/at/all", "size": [8, 8]}
    fresh.set_params(values)
    done = fresh.run("dvc", "repro", "report@quickstart")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    expected = [
        "models.digits-dense.training.epochs: expected a whole number, got 'ten'",
        "models.digits-dense.training.learning_rate: expected a number, got '0,001': write a decimal point, 0.001",
        "models.digits-conv.training.schedule: expected a section",
        "models.faces-dense.network: expected a latent of at most 625 numbers",
        "models.digits-vae.family: expected a family, got 'VAE'; did you mean 'vae'?",
        "models.photos-tiles.family: expected a family, got 'tyles'; did you mean 'tiles'?",
        "models.faces-pca.dataset: expected one of datasets, got 'facez'; did you mean 'faces'?",
        "models.faces-dense.group: expected a value, got nothing: add this key",
        "models.Upper: expected a name of small letters, digits and single dashes, got 'Upper'",
        "models.dotted.name: expected a name of small letters, digits and single dashes, got 'dotted.name'",
        "models.spaced name: expected a name of small letters, digits and single dashes, got 'spaced name'",
        "models.Upper.group: expected one of groups, got 'quickstrat'; did you mean 'quickstart'?",
        "datasets.digits: expected `size: [height, width]`",
        "datasets.photos.size: expected [height, width], got 64",
        "datasets.mine.source: expected a path without ~, which DVC does not expand",
        "datasets.theirs.source: expected a folder or a file that exists, got '/nowhere/at/all'",
    ]
    lines = [line for line in done.stderr.splitlines() if "params.yaml:" in line]
    missing = [message for message in expected if not any(message in line for line in lines)]
    assert missing == [], done.stderr
    assert not (fresh.folder / "data/raw").exists()


def test_a_command_in_a_name_is_not_run(fresh: Project) -> None:
    values = fresh.params()
    names = ["x'; touch ran1; '", 'x"; touch ran2; "', "$(touch ran3)`touch ran4`", "x\ntouch ran5\n", "x; touch ran6"]
    values["models"] = dict.fromkeys(names, values["models"]["digits-pca"])
    fresh.set_params(values)
    done = fresh.run("dvc", "repro")
    assert done.returncode != 0
    assert "expected" in done.stderr
    assert not list(fresh.folder.glob("*ran*"))


def test_no_name_stands_in_a_command() -> None:
    """Whoever starts one stage alone starts no `check`, and DVC puts names into commands as they are."""
    stages = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
    commands = [stage.get("do", stage)["cmd"] for stage in stages.values()]
    assert [command for command in commands if "${" in command.replace("${train.launch}", "")] == []


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ("models:\n\tdigits: 1\n", 2),
        ("models:\n  digits:\n    family: pca\n   dataset: digits\n", 4),
        ("models:\n  digits:\n    family: pca\n    family: dense\n", 4),
    ],
    ids=["tab", "indentation", "duplicate key"],
)
def test_broken_yaml_has_a_line_from_dvc_and_from_check(fresh: Project, broken: str, line: int) -> None:
    (fresh.folder / "params.yaml").write_text(broken, encoding="utf-8")
    done = fresh.run("dvc", "repro")  # DVC reads the file before any stage can
    assert done.returncode != 0
    assert f"line {line}, column" in done.stderr
    checked = fresh.run("python", "-m", "stages.check")
    assert checked.returncode == 1
    assert checked.stderr.startswith(f"error: params.yaml:{line}: ")
    assert checked.stderr.count("\n") == 1
