"""One contract over all families: any image size, colour or grey; weights that all learn, and survive the file."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stages.errors import UserError
from stages.models.autoencoder import Autoencoder, Solvable, scale
from stages.models.families import FAMILIES, build
from stages.models.store import load_model, save_model
from stages.schema import NETWORKS

SHAPES = [(1, 8, 8), (1, 9, 7), (3, 5, 13), (1, 1, 4)]
NETWORK: dict[str, dict[str, object]] = {"dense": {"latent_dim": 3, "hidden": [11, 6]}, "pca": {"latent_dim": 3}}

every_family = pytest.mark.parametrize("family", FAMILIES)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def make(family: str, shape: tuple[int, int, int], seed: int = 0) -> tuple[Autoencoder, torch.Tensor]:
    """Build a small model, solved if it has a closed form, and 20 random images for it."""
    model = build(family, shape, NETWORK[family], seed)
    images = torch.rand(20, *shape, generator=torch.Generator().manual_seed(1))
    if isinstance(model, Solvable):
        model.fit(images.numpy())
    return model, images


def test_every_family_can_be_configured_and_is_tested() -> None:
    assert FAMILIES.keys() == NETWORKS.keys() == NETWORK.keys()


@every_family
@every_shape
def test_shapes(family: str, shape: tuple[int, int, int]) -> None:
    model, images = make(family, shape)
    latents = model.encode(images)
    assert latents.shape == (20, 3)
    assert latents.dtype == torch.float32
    assert model.decode(latents).shape == images.shape
    assert torch.equal(model(images), model.decode(latents))
    assert model.loss(images).shape == ()


@every_family
@every_shape
def test_gradients_reach_every_parameter(family: str, shape: tuple[int, int, int]) -> None:
    model, images = make(family, shape)
    if isinstance(model, Solvable):
        assert not list(model.parameters())  # nothing to train
        return
    model.loss(images).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every_family
@every_shape
def test_weights_survive_the_file_bit_for_bit(family: str, shape: tuple[int, int, int], tmp_path: Path) -> None:
    model, images = make(family, shape)
    save_model(tmp_path, model, {"family": family, "network": NETWORK[family], "image_shape": shape})
    again, config = load_model(tmp_path, torch.device("cpu"))
    assert config["family"] == family
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert torch.equal(again(images), model.eval()(images))


@every_family
def test_first_weights_depend_on_the_seed_alone(family: str) -> None:
    torch.rand(7)  # whatever was drawn before does not matter
    state = torch.get_rng_state()
    first = make(family, SHAPES[0], seed=5)[0].state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    assert all(
        torch.equal(first[name], tensor) for name, tensor in make(family, SHAPES[0], seed=5)[0].state_dict().items()
    )


def test_other_seed_other_weights() -> None:
    first, other = (make("dense", SHAPES[0], seed)[0].state_dict() for seed in (1, 2))
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_dense_is_the_published_network() -> None:
    model = build(
        "dense",
        (1, 28, 28),
        {
            "latent_dim": 4,
            "hidden": (300,),
            "activation": "leaky_relu",
            "latent_activation": "leaky_relu",
            "output_activation": "leaky_relu",
            "negative_slope": 0.3,
        },
    )
    widths = [
        (layer.in_features, layer.out_features) for layer in model.modules() if isinstance(layer, torch.nn.Linear)
    ]
    assert widths == [(784, 300), (300, 4), (4, 300), (300, 784)]
    slopes = [layer.negative_slope for layer in model.modules() if isinstance(layer, torch.nn.LeakyReLU)]
    assert slopes == [0.3] * 4  # after every layer, the last included


def test_dense_is_mirrored_and_ends_as_told() -> None:
    model = build("dense", (1, 4, 4), {"latent_dim": 2, "hidden": [9, 5], "output_activation": "sigmoid"})
    assert isinstance(model.decoder, torch.nn.Sequential)
    layers = [
        layer for layer in model.modules() if isinstance(layer, torch.nn.Linear | torch.nn.ReLU | torch.nn.Sigmoid)
    ]
    shapes = [layer.out_features if isinstance(layer, torch.nn.Linear) else type(layer).__name__ for layer in layers]
    assert shapes == [9, "ReLU", 5, "ReLU", 2, 5, "ReLU", 9, "ReLU", 16, "Sigmoid"]


def test_a_damaged_weights_file_is_one_line(tmp_path: Path) -> None:
    model, _ = make("dense", SHAPES[0])
    save_model(tmp_path, model, {"family": "dense", "network": NETWORK["dense"], "image_shape": SHAPES[0]})
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="expected a trained model") as refused:
        load_model(tmp_path, torch.device("cpu"))
    assert "\n" not in str(refused.value)


def test_pca_reconstructs_as_scikit_learn_does(images: NDArray[np.float32]) -> None:
    import sklearn.decomposition

    model = build("pca", (3, 9, 11), {"latent_dim": 5})
    assert isinstance(model, Solvable)
    model.fit(images)
    reference = sklearn.decomposition.PCA(5, svd_solver="full").fit(images.reshape(len(images), -1))
    expected = reference.inverse_transform(reference.transform(images.reshape(len(images), -1)))
    np.testing.assert_allclose(model(torch.from_numpy(images)).flatten(1), expected, atol=1e-5)


def test_both_pca_solvers_find_the_same_subspace(images: NDArray[np.float32]) -> None:
    few_pixels = images[:, :, :2, :3]  # fewer values than images: the solver by covariance
    count, pixels = len(few_pixels), math.prod(few_pixels.shape[1:])
    assert count > pixels
    model = build("pca", (3, 2, 3), {"latent_dim": 4})
    assert isinstance(model, Solvable)
    model.fit(few_pixels)
    centred = few_pixels.reshape(count, pixels) - few_pixels.reshape(count, pixels).mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:4]
    assert isinstance(model.components, torch.Tensor)
    components = model.components.numpy()
    np.testing.assert_allclose(components.T @ components, directions.T @ directions, atol=1e-4)


def test_pca_of_too_few_images_is_one_line(images: NDArray[np.float32]) -> None:
    model = build("pca", (3, 9, 11), {"latent_dim": 50})
    assert isinstance(model, Solvable)
    with pytest.raises(UserError, match="latent_dim of at most 40 for PCA of 40 training images"):
        model.fit(images)


def test_scale_gives_float32_from_0_to_1() -> None:
    scaled = scale(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert scaled.dtype == torch.float32
    assert scaled.tolist() == pytest.approx([0, 0.2, 1])
