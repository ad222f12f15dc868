"""The Fréchet distance is that of normal distributions, in a space that stays the same."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from hourglass.metrics.frechet import frechet_distance, gaussian_distance, project

Floats = NDArray[np.float64]


def features(count: int, columns: int, seed: int, rank: int | None = None) -> Floats:
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(rank or columns, columns))
    return generator.normal(size=(count, rank or columns)) @ mixing + generator.normal(size=columns)


def by_square_root(first: Floats, second: Floats) -> float:
    """Return the distance as Heusel et al. (2017) compute it, by scipy's root of a matrix that is not symmetric."""
    difference = first.mean(axis=0) - second.mean(axis=0)
    covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    return float(difference @ difference + np.trace(sum(covariances) - 2 * sqrtm(covariances[0] @ covariances[1]).real))


def test_normal_distributions_along_the_axes_have_a_closed_form() -> None:
    means, deviations = np.array([[1.0, 2.0, 3.0], [0.0, 2.0, 5.0]]), np.array([[1.0, 2.0, 0.0], [3.0, 0.5, 4.0]])
    expected = np.square(means[0] - means[1]).sum() + np.square(deviations[0] - deviations[1]).sum()
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    covariances = [turn @ np.diag(deviation**2) @ turn.T for deviation in deviations]
    assert gaussian_distance(means[0], covariances[0], means[1], covariances[1]) == pytest.approx(expected)


def test_it_is_the_published_formula() -> None:
    first, second = features(500, 7, 0), features(300, 7, 1)
    assert frechet_distance(first, second) == pytest.approx(by_square_root(first, second), rel=1e-8)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first), rel=1e-9)


@pytest.mark.parametrize("rank", [2, 5], ids=["singular", "regular"])
def test_a_set_has_no_distance_from_itself(rank: int) -> None:
    values = features(50, 5, 0, rank)
    assert frechet_distance(values, values[::-1]) == pytest.approx(0, abs=1e-12 * np.square(values).sum())


def test_singular_covariances_are_the_limit_of_regular_ones() -> None:
    first, second = features(4, 9, 0), features(6, 9, 1)  # fewer images than features
    noise = 1e-7 * np.eye(9)
    moments = [part for rows in (first, second) for part in (rows.mean(axis=0), np.cov(rows, rowvar=False) + noise)]
    assert frechet_distance(first, second) == pytest.approx(gaussian_distance(*moments), rel=1e-3)


def test_a_shift_adds_its_square_and_a_scale_that_of_the_deviations() -> None:
    values = features(200, 4, 0)
    assert frechet_distance(values, values + np.array([3, 0, 4, 0])) == pytest.approx(25)
    centered = values - values.mean(axis=0)
    assert frechet_distance(centered, 2 * centered) == pytest.approx(np.trace(np.cov(values, rowvar=False)))


def test_features_are_projections() -> None:
    images = np.random.default_rng(0).random((5, 12), np.float32)
    components = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 3)))[0].T
    expected = (images.astype(float) - images.mean(axis=0)) @ components.T
    np.testing.assert_allclose(project(images, images.mean(axis=0), components), expected, atol=1e-6)


def test_what_has_no_covariance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected features \(N, K\) of at least 2 images each, got \(1, 3\)"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="expected finite features, got others"):
        frechet_distance(np.zeros((5, 3)), np.full((5, 3), np.nan))
