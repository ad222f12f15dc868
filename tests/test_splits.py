"""Splits are of the right sizes, disjoint, reproducible and stratified."""

import numpy as np
import pytest

from stages.datasets import splits
from stages.errors import UserError

THIRDS = (0.8, 0.1, 0.1)


def assert_partition(parts: dict[str, splits.Indices], count: int) -> None:
    """Every image is in exactly one split."""
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(count))


@pytest.mark.parametrize("count", [10, 100, 1797, 1965])
def test_random_sizes(count: int) -> None:
    parts = splits.random(count, THIRDS, seed=0)
    assert_partition(parts, count)
    for name, fraction in zip(splits.SPLITS, THIRDS, strict=True):
        assert abs(len(parts[name]) - count * fraction) < 1


@pytest.mark.parametrize("seed", range(5))
def test_stratified_to_within_one_image_a_class(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = [str(label) for label in generator.choice(13, size=997, p=generator.dirichlet(np.ones(13)))]
    parts = splits.stratified(labels, THIRDS, seed)
    assert_partition(parts, len(labels))
    for name, fraction in zip(splits.SPLITS, THIRDS, strict=True):
        assert abs(len(parts[name]) - len(labels) * fraction) < 2
        for label in set(labels):
            share = sum(labels[index] == label for index in parts[name])
            assert abs(share - labels.count(label) * fraction) < 1


def test_same_seed_same_split_other_seed_other_split() -> None:
    labels = ["a", "b"] * 50
    first, again, other = (splits.stratified(labels, THIRDS, seed) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in splits.SPLITS)
    assert not np.array_equal(first["train"], other["train"])


def test_official_keeps_the_publishers_test_images() -> None:
    labels = ["a", "b", "c"] * 40
    test = np.arange(120) % 6 == 5
    parts = splits.official(labels, test, (0.9, 0.1, 0.0), seed=0)
    assert_partition(parts, 120)
    assert np.array_equal(parts["test"], np.flatnonzero(test))
    assert len(parts["val"]) == 10


def test_official_needs_a_publisher() -> None:
    with pytest.raises(UserError, match="use another split"):
        splits.official(None, None, (0.9, 0.1, 0.0), seed=0)
