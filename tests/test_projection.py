"""Latents in two dimensions: near neighbors stay near, and a rerun is the same picture."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from hourglass.inference.projection import projection


@pytest.fixture(scope="module")
def digits() -> NDArray[np.float32]:
    images, _ = load_digits(return_X_y=True)
    return images[:1205].astype(np.float32)


def test_points_are_those_of_at_most_1000_images_evenly_spread(digits: NDArray[np.float32]) -> None:
    table, left_out = projection(digits)
    assert list(table) == ["index", "pca_1", "pca_2", "tsne_1", "tsne_2"]
    assert table["index"].tolist() == [index * 1205 // 1000 for index in range(1000)]
    assert left_out == {}
    chosen = digits[table["index"]]
    expected = PCA(2, svd_solver="full").fit_transform(chosen)
    plane, neighborhoods = table[["pca_1", "pca_2"]].to_numpy(), table[["tsne_1", "tsne_2"]].to_numpy()
    np.testing.assert_allclose(np.abs(plane), np.abs(expected), rtol=1e-3, atol=1e-3)
    assert np.isfinite(neighborhoods).all()
    assert trustworthiness(chosen, neighborhoods) > 0.97
    assert trustworthiness(chosen, plane) < 0.9


def test_it_is_the_same_picture_twice(digits: NDArray[np.float32]) -> None:
    first, second = (projection(digits[:300])[0] for _ in range(2))
    assert first.equals(second)


def test_latents_of_many_numbers_are_reduced_first() -> None:
    centers = np.random.default_rng(0).normal(size=(3, 100_000)) * 3
    latents = (centers[np.arange(40) % 3] + np.random.default_rng(1).normal(size=(40, 100_000))).astype(np.float32)
    table, _ = projection(latents)
    points = table[["tsne_1", "tsne_2"]].to_numpy()
    distances = np.linalg.norm(points[:, None] - points, axis=2) + np.diag(np.full(40, np.inf))
    assert (distances.argmin(axis=1) % 3 == np.arange(40) % 3).all()


@pytest.mark.parametrize(
    ("latents", "reason"),
    [
        (np.eye(9), "expected at least 10 images, got 9"),
        (np.full((20, 3), 0.1), "expected numbers that differ from image to image, got the same for all"),
    ],
    ids=["few", "all the same"],
)
def test_without_neighborhoods_there_is_a_reason(latents: NDArray[np.float64], reason: str) -> None:
    table, left_out = projection(latents.astype(np.float32))
    assert list(table) == ["index", "pca_1", "pca_2"]
    assert left_out == {"tsne": reason}


@pytest.mark.parametrize("shape", [(10, 1), (11, 2), (30, 60)])
def test_few_images_and_few_numbers_have_a_map(shape: tuple[int, int]) -> None:
    table, left_out = projection(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert left_out == {}
    assert np.isfinite(table.to_numpy(float)).all()
