"""PCA is scikit-learn's, of whole images and of tiles."""

import math

import numpy as np
import pytest
import sklearn.decomposition
import torch
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.networks.base import principal
from hourglass.networks.base.autoencoder import Autoencoder, Solvable
from hourglass.networks.base.families import build
from hourglass.networks.base.tiling import join, split
from hourglass.networks.pca import PCA


def test_pca_reconstructs_as_scikit_learn_does(images: NDArray[np.float32]) -> None:
    network = build("pca", (3, 9, 11), {"latent_dim": 5})
    assert isinstance(network, Solvable)
    network.fit([images])
    reference = sklearn.decomposition.PCA(5, svd_solver="full").fit(images.reshape(len(images), -1))
    expected = reference.inverse_transform(reference.transform(images.reshape(len(images), -1)))
    np.testing.assert_allclose(network(torch.from_numpy(images)).flatten(1), expected, atol=1e-5)


def test_both_pca_solvers_find_the_same_subspace(images: NDArray[np.float32]) -> None:
    few_pixels = images[:, :, :2, :3]  # fewer values than images: the solver by covariance
    count, pixels = len(few_pixels), math.prod(few_pixels.shape[1:])
    assert count > pixels
    network = build("pca", (3, 2, 3), {"latent_dim": 4})
    assert isinstance(network, Solvable)
    network.fit([few_pixels])
    centred = few_pixels.reshape(count, pixels) - few_pixels.reshape(count, pixels).mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:4]
    assert isinstance(network.components, torch.Tensor)
    components = network.components.numpy()
    np.testing.assert_allclose(components.T @ components, directions.T @ directions, atol=1e-4)


def fitted(shape: tuple[int, int, int], directions: int, images: torch.Tensor) -> Autoencoder:
    """Return PCA by tiles of 4x4, solved in two batches."""
    network = build("pca", shape, {"tile": (4, 4), "tile_latent_dim": directions})
    assert isinstance(network, Solvable)
    network.fit([images[:3].numpy(), images[3:].numpy()])
    return network


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 7)], ids=str)
def test_pca_by_tiles_is_that_of_all_tiles(shape: tuple[int, int, int]) -> None:
    images = torch.rand(10, *shape, generator=torch.Generator().manual_seed(0))
    tiles = split(images, (4, 4)).flatten(1).numpy()
    reference = sklearn.decomposition.PCA(3, svd_solver="full").fit(tiles)
    expected = reference.inverse_transform(reference.transform(tiles))
    expected = join(torch.from_numpy(expected).view(-1, shape[0], 4, 4), shape)
    torch.testing.assert_close(fitted(shape, 3, images)(images), expected, atol=1e-4, rtol=0)


def test_pca_by_tiles_loses_nothing_with_all_directions() -> None:
    images = torch.rand(10, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fitted((3, 8, 12), 48, images)(images), images, atol=1e-4, rtol=0)


def test_pca_of_too_few_tiles_is_one_line() -> None:
    network = build("pca", (1, 2, 4), {"tile": (2, 2), "tile_latent_dim": 4})
    assert isinstance(network, Solvable)
    with pytest.raises(UserError, match="expected tile_latent_dim of at most 2 for PCA of 2 training tiles"):
        network.fit([np.zeros((1, 1, 2, 4), np.float32)])


def test_pca_of_too_few_images_is_one_line(images: NDArray[np.float32]) -> None:
    network = build("pca", (3, 9, 11), {"latent_dim": 50})
    assert isinstance(network, Solvable)
    with pytest.raises(UserError, match="latent_dim of at most 40 for PCA of 40 training images"):
        network.fit([images])


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"tile": (4, 4)},
        {"tile_latent_dim": 3},
        {"latent_dim": 3, "tile": (4, 4)},
        {"latent_dim": 3, "tile_latent_dim": 3},
        {"latent_dim": 3, "tile": (4, 4), "tile_latent_dim": 3},
    ],
    ids=str,
)
def test_pca_is_of_images_or_of_tiles(keywords: dict[str, object]) -> None:
    with pytest.raises(UserError, match="network: expected `latent_dim`, or `tile` and `tile_latent_dim`"):
        build("pca", (1, 8, 8), keywords)


def solved(images: NDArray[np.float32], directions: int, batches: int = 3) -> PCA:
    """Return PCA of whole images, solved in batches."""
    network = PCA(images.shape[1:], latent_dim=directions)
    network.fit(np.array_split(images, batches))
    return network


def squared_error(network: Autoencoder, images: NDArray[np.float32]) -> float:
    """Return the mean squared error of reconstructions."""
    values = torch.from_numpy(images)
    return float((network(values) - values).double().square().mean())


def least_squared_error(images: NDArray[np.float32], directions: int) -> float:
    """Return the error of the best projection (Eckart and Young, 1936)."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    deviations = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False)
    return float(np.square(deviations[directions:]).sum() / flat.size)


@pytest.mark.parametrize("directions", [1, 8, 40])
@pytest.mark.parametrize("solver", ["full", "covariance", "randomized"])
def test_every_solver_finds_the_least_squared_error(
    solver: str, directions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    patterns = generator.standard_normal((60, 1, 16, 18)) / np.arange(1, 61)[:, None, None, None]
    images = np.tensordot(generator.standard_normal((200, 60)), patterns, 1)
    images += generator.standard_normal(images.shape) / 9
    images = (images - images.min()).astype(np.float32)
    if solver != "full":
        monkeypatch.setattr(principal, "WHOLE_VALUES", images.size - 1)
    if solver == "randomized":
        monkeypatch.setattr(principal, "COVARIANCE_VALUES", 16 * 18 - 1)
    network = solved(images, directions)
    assert network.solver == solver
    least = least_squared_error(images, directions)
    assert squared_error(network, images) == pytest.approx(least, rel=1e-4)
    torch.testing.assert_close(network.components @ network.components.T, torch.eye(directions))


@pytest.mark.parametrize("kind", ["noise", "constant", "black", "few"])
def test_the_randomized_solver_ends_well_on(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principal, "WHOLE_VALUES", 1)
    monkeypatch.setattr(principal, "COVARIANCE_VALUES", 1)
    noise = np.random.default_rng(0).random((100, 1, 10, 12), np.float32)
    same = np.ones_like(noise)
    images = {"noise": noise, "constant": 0.3 * same, "black": 0 * same, "few": np.tile(noise[:5], (20, 1, 1, 1))}[kind]
    network = solved(images, 10)
    assert network.solver == "randomized"
    assert squared_error(network, images) == pytest.approx(least_squared_error(images, 10), rel=1e-4, abs=1e-12)


def test_the_randomized_solver_returns_the_same_bits(
    images: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(principal, "WHOLE_VALUES", 1)
    monkeypatch.setattr(principal, "COVARIANCE_VALUES", 1)
    first, again = solved(images, 5), solved(images, 5, batches=7)
    assert torch.equal(first.components, again.components)
    assert (first.components.gather(1, first.components.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_too_few_images_for_the_randomized_solver_is_one_line(
    images: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(principal, "WHOLE_VALUES", 1)
    monkeypatch.setattr(principal, "COVARIANCE_VALUES", 1)
    with pytest.raises(UserError, match="latent_dim of at most 40 for PCA of 40 training images"):
        solved(images, 50)


def test_the_data_sets_of_the_pipeline_are_solved_at_once() -> None:
    """Another solver gives other bits: it may not come with a lower limit."""
    assert principal.WHOLE_VALUES >= 57_000 * 28 * 28  # fashion-mnist, the largest that PCA takes whole
    assert principal.COVARIANCE_VALUES >= 16 * 16  # the largest tile
