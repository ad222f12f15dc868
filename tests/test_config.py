"""params.yaml is checked before any work starts."""

from pathlib import Path

import pytest

from stages.common import config
from stages.common.errors import UserError

from .conftest import ROOT, Project

# One of everything, so that the tests do not depend on what users add to the project's own.
PARAMS = """
downloads:
  digits:
    - {file: digits.csv.gz, urls: ["package:sklearn/datasets/data/"], sha256: [0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef]}
datasets:
  digits: {source: data/raw/digits, format: csv, options: {white: 16}, size: [8, 8], licence: CC BY 4.0}
  mnist: {source: data/raw/mnist, format: idx, size: [28, 28], split: official, fractions: [0.9, 0.1, 0]}
  photos: {source: photos, format: folder, options: {labels: pattern, pattern: '(?P<label>[a-z]+).*'}}
models:
  digits-pca: {group: quickstart, dataset: digits, family: pca, network: {latent_dim: 8}, training: {}}
  digits-dense:
    group: quickstart
    dataset: digits
    family: dense
    network: {hidden: [256, 64], latent_dim: 8}
    training: {epochs: 150, batch_size: 64, learning_rate: 1e-3, patience: 15}
  photos-tiles:
    group: quickstart
    dataset: photos
    family: tiles
    network: {tile: [8, 8], hidden: [64], tile_latent_dim: 8}
    training: {epochs: 3, batch_size: 128, learning_rate: 2e-3}
  digits-conv:
    group: quickstart
    dataset: digits
    family: conv
    network: {encoder: [{filters: 4, pool: 2}], decoder: [{filters: 4, upsample: 2}], latent_dim: 8}
    training: {epochs: 3, batch_size: 32, learning_rate: 2e-3}
  mnist-dense:
    group: published
    dataset: mnist
    family: dense
    network: {hidden: [300], latent_dim: 4}
    training: {epochs: 50, batch_size: 256, optimizer: adadelta, learning_rate: 1, rho: 0.8}
groups:
  quickstart: {title: Quick}
  published: {title: Published, published: {mnist-dense: {mse: 0.045, source: its code}}}
"""


def load_with(tmp_path: Path, old: str, new: str) -> config.Config:
    """Load params.yaml with the first `old` in it replaced."""
    assert old in PARAMS
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.replace(old, new, 1), encoding="utf-8")
    return config.load(path)


def test_own_params_are_right() -> None:
    config.load(ROOT / "params.yaml")


def test_values_come_through(tmp_path: Path) -> None:
    settings = load_with(tmp_path, "", "")
    assert settings.model("mnist-dense").training.learning_rate == 1
    assert settings.model("digits-dense").training.learning_rate == 0.001  # written 1e-3
    assert settings.dataset("mnist").image_shape == (1, 28, 28)
    assert settings.dataset("photos").image_shape is None
    assert settings.download("digits")[0].file == "digits.csv.gz"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("latent_dim: 8}", "latent_dm: 8}", "models.digits-pca.network: unknown key 'latent_dm'; did you mean 'latent_dim'?"),
        ("batch_size: 64", "bach_size: 64", "models.digits-dense.training: unknown key 'bach_size'; did you mean 'batch_size'?"),
        ("\nmodels:", "\nmodel:", "unknown key 'model'; did you mean 'models'?"),
        ("licence: CC BY 4.0", "license: CC BY 4.0", "datasets.digits: unknown key 'license'; did you mean 'licence'?"),
        ("epochs: 150", "epochs: ten", "models.digits-dense.training.epochs: expected a valid integer, got 'ten'"),
        ("epochs: 150", "epochs: 1.5", "models.digits-dense.training.epochs: expected a valid integer, got 1.5"),
        ("epochs: 150", "epochs: 0", "models.digits-dense.training.epochs: expected greater than 0, got 0"),
        ("epochs: 150", "epochs: true", "models.digits-dense.training.epochs: expected a valid integer, got True"),
        ("learning_rate: 1e-3", "learning_rate: .inf", "learning_rate: expected a finite number, got inf"),
        ("hidden: [256, 64]", "hidden: 256", "models.digits-dense.network.hidden: expected a list, got 256"),
        ("epochs: 150, ", "", "models.digits-dense.training.epochs: expected a value, got nothing"),
        ("dataset: digits", "dataset: digit", "digits-pca.dataset: expected one of datasets, got 'digit'; did you mean 'digits'?"),
        ("group: quickstart", "group: quick", "digits-pca.group: expected one of groups, got 'quick'; did you mean 'quickstart'?"),
        ("family: dense", "family: dence", "digits-dense.family: expected one of conv, dense, pca, tiles, vae, got 'dence'; did you mean 'dense'?"),
        ("latent_dim: 8}", "latent_dim: 65}", "expected at most 64, the values of one digits image, got 65"),
        ("fractions: [0.9, 0.1, 0]", "fractions: [0.9, 0.2, 0]", "expected train, val and test that add to 1, got 1.1"),
        ("fractions: [0.9, 0.1, 0]", "fractions: [1, 0, 0]", "'fractions' expects a part for every split, got [1.0, 0.0, 0.0]"),
        ("fractions: [0.9, 0.1, 0]", "fractions: [0.8, 0.1, 0.1]", "expected 0 for test, got 0.1"),
        ("rho: 0.8", "betas: [0.9, 0.99]", "'betas' belongs to optimizer adam or adamw, got optimizer adadelta"),
        ("  mnist: {", "  MNIST digits: {", "datasets.MNIST digits: expected a name of small letters"),
        ("{mnist-dense: {mse", "{mnist-dens: {mse", "got 'mnist-dens'; did you mean 'mnist-dense'?"),
        ("groups:\n", "groups:\n  empty: {title: Empty}\n", "groups.empty: expected a model with `group: empty`, found none"),
        ("latent_dim: 8}", "latent_dim: 8, 5: 3}", "models.digits-pca.network: unknown key '5'"),
        ("latent_dim: 8}", "latent_dim: 8, null: 3}", "models.digits-pca.network: unknown key 'None'"),
        ("rho: 0.8", "augment: {shift: -1}", "training.augment.shift: expected greater than or equal to 0, got -1"),
        ("rho: 0.8", "save_every: 0", "training.save_every: expected greater than 0, got 0"),
        ("latent_dim: 8}", "latent_dim: 8, tile: [4, 4]}", "expected `latent_dim`, or `tile` and `tile_latent_dim`"),
        ("tile: [8, 8], hidden: [64],", "tile: [8, 8], encoder: [{filters: 4}],", "expected `hidden` and `tile_latent_dim`, or"),
        ("tile_latent_dim: 8}", "tile_latent_dim: 8, decoder: [{filters: 4}]}", "a tile has one network"),
        ("tile_latent_dim: 8}", "tile_latent_dim: 65}", "photos-tiles.network.tile_latent_dim: expected at most 64, the values of one tile"),
        ("hidden: [64], tile_latent_dim: 8}", "encoder: [{filters: 4}], latent_activation: relu}", "'latent_activation' is of a dense latent"),
        ("upsample: 2}], latent_dim: 8}", "upsample: 2}], latent_activation: relu}", "'latent_activation' and 'expand_activation' are of a dense latent"),
        ("rho: 0.8", "seeds: [10000000000000000000]", "seeds.0: expected less than"),
        ("batch_size: 128,", "batch_size: 128, augment: {flip: true},", "'augment' mirrors and moves whole images"),
        ("upsample: 2}", "shuffle: 2, transposed: true}", "'shuffle' expects a plain convolution"),
        ("rho: 0.8", "weight_decay: 0.1", "'weight_decay' belongs to optimizer adamw, got optimizer adadelta"),
        ("rho: 0.8", "plateau: {}, one_cycle: {}", "expected one of 'plateau' and 'one_cycle', got both"),
        ("rho: 0.8", "plateau: {factor: 2}", "plateau.factor: expected less than 1, got 2"),
        ("rho: 0.8", "seeds: [1, 2, 1]", "'seeds' expects different numbers, got [1, 2, 1]"),
        ("rho: 0.8", "seeds: []", "seeds: "),
        ("groups:\n", "train: {lanch: python}\ngroups:\n", "train: unknown key 'lanch'; did you mean 'launch'?"),
        ("groups:\n", "train: {precision: half}\ngroups:\n", "train.precision: expected 'auto', 'bfloat16', 'tf32' or 'float32', got 'half'"),
        ("optimizer: adadelta, learning_rate: 1, rho: 0.8", "learning_rate: 1, betas: [0.9, 1.0]", "betas.1: expected less than 1, got 1.0"),
        ("(?P<label>[a-z]+).*", "[a-z", "expected a regular expression, got '[a-z'"),
        ("(?P<label>[a-z]+).*", "[a-z]+", "`labels: pattern` expects a `pattern` with a group (?P<label>...)"),
        ("groups:\n", "groups:\n  validation: {title: V}\n", "'validation' is the name of a folder of metrics/"),
        ("groups:\n", "groups:\n  timing: {title: Times}\n", "'timing' is the name of a folder of metrics/"),
        ("format: idx", "format: [", "expected valid YAML, got: while parsing"),
    ],
)  # fmt: skip
def test_wrong_params_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        load_with(tmp_path, old, new)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_params_say_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run from the project's folder"):
        config.load(tmp_path / "params.yaml")


def test_a_stage_refuses_before_any_work(fresh: Project) -> None:
    fresh.replace("params.yaml", "hidden: [256, 64]", "hiden: [256, 64]")
    done = fresh.run("dvc", "repro", "report@quickstart")
    assert done.returncode != 0
    assert "error: params.yaml: models.digits-dense.network: unknown key 'hiden'; did you mean 'hidden'?" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (fresh.folder / "data").exists() or not list((fresh.folder / "data").rglob("*.*"))


def test_an_unknown_name_on_the_command_line_is_one_line(fresh: Project) -> None:
    done = fresh.run("python", "-m", "stages.train", "digits-dens")
    assert done.returncode == 1
    assert (
        done.stderr == "error: expected one of models in params.yaml, got 'digits-dens'; did you mean 'digits-dense'?\n"
    )


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ("encoder: [], decoder: []", "network.encoder: "),
        (
            "encoder: [{filters: 4, kernel: 2}], decoder: []",
            "encoder.0.kernel: expected an odd number of pixels, got 2",
        ),
        ("encoder: [{filters: 4, poll: 2}], decoder: []", "encoder.0: unknown key 'poll'; did you mean 'pool'?"),
        (
            "encoder: [{filters: 4}], decoder: [{filters: 4, stride: 2}]",
            "'stride' in a decoder expects `transposed: true`",
        ),
    ],
)
def test_wrong_blocks_are_refused(tmp_path: Path, blocks: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        load_with(tmp_path, "family: pca, network: {latent_dim: 8}", f"family: conv, network: {{{blocks}}}")
    assert message in str(refused.value)
