"""Principal axes keep all that there is to know of rows, however many columns these have; a few of many are spread."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from hourglass.arrays import principal_axes
from hourglass.arrays.principal_axes import plane, principal_coordinates, variances
from hourglass.arrays.spread import spread, spread_out

WIDE_AND_NARROW = pytest.mark.parametrize("columns", [6, 70], ids=["fewer columns than rows", "more columns than rows"])


def rows(columns: int, count: int = 30, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    return (100 + generator.normal(size=(count, columns)) * generator.uniform(0.1, 5, columns)).astype(np.float32)


def squared_distances(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.square(first[:, None].astype(np.float64) - second[None]).sum(axis=2)


@WIDE_AND_NARROW
def test_coordinates_are_those_of_scikit_learns_pca(columns: int) -> None:
    values, others = rows(columns), rows(columns, 11, seed=1)
    pca = PCA(svd_solver="full").fit(values.astype(np.float64))
    rank = min(columns, 29)
    expected = pca.transform(values)[:, :rank], pca.transform(others)[:, :rank]
    signs = np.sign(np.take_along_axis(expected[0], np.abs(expected[0]).argmax(axis=0)[None], axis=0))
    coordinates, further = principal_coordinates(values, others)
    np.testing.assert_allclose(coordinates, expected[0] * signs, atol=1e-6)
    np.testing.assert_allclose(further, expected[1] * signs, atol=1e-6)
    np.testing.assert_allclose(variances(coordinates), pca.explained_variance_[:rank] * 29 / 30, rtol=1e-9)


@WIDE_AND_NARROW
def test_distances_to_the_rows_stay_but_for_what_lies_outside_all_axes(columns: int) -> None:
    values, others = rows(columns), rows(columns, 11, seed=1)
    coordinates, further = principal_coordinates(values, others)
    np.testing.assert_allclose(
        squared_distances(coordinates, coordinates), squared_distances(values, values), atol=1e-6
    )
    outside = squared_distances(others, values) - squared_distances(further, coordinates)
    np.testing.assert_allclose(outside, np.broadcast_to(outside[:, :1], outside.shape), atol=1e-5)


@WIDE_AND_NARROW
def test_standardized_columns_have_variance_1_and_constant_ones_none(columns: int) -> None:
    values = rows(columns)
    values[:, 2] = np.float32(0.1)
    coordinates, _ = principal_coordinates(values, standardize=True)
    assert variances(coordinates).sum() == pytest.approx(columns - 1)
    assert np.isfinite(coordinates).all()


def test_bytes_a_block_at_a_time_are_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    values, others = (generator.integers(0, 256, (count, 500), np.uint8) for count in (20, 7))
    whole = principal_coordinates(values.astype(np.float64), others.astype(np.float64), standardize=True)
    monkeypatch.setattr(principal_axes, "BLOCK_VALUES", 27 * 33)  # the last block is a smaller one
    for one, other in zip(principal_coordinates(values, others, standardize=True), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_latents_of_400_000_numbers_take_little_memory() -> None:
    values = np.random.default_rng(0).standard_normal((163, 400_000), np.float32)
    tracemalloc.start()
    coordinates, further = principal_coordinates(values[:140], values[140:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (coordinates.shape, further.shape) == ((140, 139), (23, 139))
    assert peak < 300 << 20  # as float64 they are 522 MB


@pytest.mark.parametrize("count", [2, 49], ids=["more columns than rows", "fewer columns than rows"])
def test_rows_that_are_all_the_same_have_no_axis(count: int) -> None:
    same = np.full((count, 3), 0.1)
    assert count == 2 or same.mean() != 0.1  # which rounding says of them
    coordinates, further = principal_coordinates(same, np.ones((2, 3)))
    assert (coordinates.shape, further.shape) == ((count, 0), (2, 0))
    points, shares = plane(coordinates)
    assert not points.any()
    assert not shares.any()


def test_chosen_images_are_spread_over_the_whole_split() -> None:
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    assert spread_out(images, 5).ravel().tolist() == [0, 2, 4, 6, 8]
    assert spread_out(images, 10) is images
    assert spread(3, 5) == [0, 1, 2]
    assert spread(10, 5) == [0, 2, 4, 6, 8]


def test_latents_are_projected_on_the_directions_of_most_variance() -> None:
    values = np.random.default_rng(0).normal(size=(500, 3)) * [1, 10, 5]
    coordinates, _ = principal_coordinates((values + 100).astype(np.float32))
    points, shares = plane(coordinates)
    assert points.std(axis=0) == pytest.approx(values.std(axis=0)[[1, 2]], rel=0.05)
    assert points.mean(axis=0) == pytest.approx([0, 0], abs=1e-3)
    variance = values.var(axis=0)
    assert shares == pytest.approx(variance[[1, 2]] / variance.sum(), rel=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (7, 1)])
def test_few_images_and_few_numbers_can_be_projected(shape: tuple[int, int]) -> None:
    coordinates, _ = principal_coordinates(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    assert plane(coordinates)[0].shape == (shape[0], 2)
