"""Splits are of the right sizes, disjoint, reproducible and stratified."""

import numpy as np
import pytest

from hourglass.console.errors import UserError
from hourglass.data.preparation import splits

THIRDS = (0.8, 0.1, 0.1)


def assert_partition(parts: dict[str, splits.Indices], count: int) -> None:
    """Every image is in exactly one split."""
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(count))


@pytest.mark.parametrize("count", [10, 100, 1797, 1965])
def test_random_sizes(count: int) -> None:
    parts = splits.random(np.arange(count), THIRDS, seed=0)
    assert_partition(parts, count)
    for name, fraction in zip(splits.SPLITS, THIRDS, strict=True):
        assert abs(len(parts[name]) - count * fraction) < 1


@pytest.mark.parametrize("seed", range(5))
def test_stratified_to_within_one_image_a_class(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = [str(label) for label in generator.choice(13, size=997, p=generator.dirichlet(np.full(13, 5)))]
    parts = splits.stratified(labels, np.arange(len(labels)), THIRDS, seed)
    assert_partition(parts, len(labels))
    for name, fraction in zip(splits.SPLITS, THIRDS, strict=True):
        assert abs(len(parts[name]) - len(labels) * fraction) < 2
        for label in set(labels):
            share = sum(labels[index] == label for index in parts[name])
            assert abs(share - labels.count(label) * fraction) < 1


def test_same_seed_same_split_other_seed_other_split() -> None:
    labels = ["a", "b"] * 50
    first, again, other = (splits.stratified(labels, np.arange(len(labels)), THIRDS, seed) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in splits.SPLITS)
    assert not np.array_equal(first["train"], other["train"])


def test_official_keeps_the_publishers_test_images() -> None:
    labels = ["a", "b", "c"] * 40
    test = np.arange(120) % 6 == 5
    parts = splits.official(labels, test, np.arange(120), (0.9, 0.1, 0.0), seed=0)
    assert_partition(parts, 120)
    assert np.array_equal(parts["test"], np.flatnonzero(test))
    assert [sum(labels[index] == label for index in parts["val"]) for label in "abc"] in (
        [4, 4, 2],
        [4, 3, 3],
        [3, 4, 3],
        [3, 3, 4],
        [4, 2, 4],
        [2, 4, 4],
    )


def test_official_needs_a_publisher() -> None:
    with pytest.raises(UserError, match="use another split"):
        splits.official(None, None, np.arange(9), (0.9, 0.1, 0.0), seed=0)


def linked(count: int, *clusters: list[int]) -> splits.Indices:
    """Return a number for each image: its own, but for those of a cluster that of its first."""
    copies = np.arange(count)
    for cluster in clusters:
        copies[cluster] = cluster[0]
    return copies


def sides(parts: dict[str, splits.Indices], cluster: list[int]) -> set[str]:
    """Name the splits that hold any of these images."""
    return {name for name, part in parts.items() if np.isin(cluster, part).any()}


@pytest.mark.parametrize("seed", range(10))
def test_copies_stay_together_and_the_sizes_stay_exact(seed: int) -> None:
    copies = linked(100, [3, 50, 99], [7, 8], [20, 21, 22, 23, 24])
    for parts in (
        splits.random(copies, THIRDS, seed),
        splits.stratified(["a", "b"] * 50, copies, THIRDS, seed),
    ):
        assert_partition(parts, 100)
        assert [len(part) for part in parts.values()] == [80, 10, 10]
        for cluster in ([3, 50, 99], [7, 8], [20, 21, 22, 23, 24]):
            assert len(sides(parts, cluster)) == 1


@pytest.mark.parametrize("seed", range(10))
def test_grouped_keeps_everybody_on_one_side(seed: int) -> None:
    groups = [f"person {index // 4}" for index in range(200)]
    parts = splits.grouped(groups, linked(200, [3, 4]), THIRDS, seed)  # one picture of two people
    assert_partition(parts, 200)
    assert [len(part) for part in parts.values()] == [160, 20, 20]
    assert len(sides(parts, list(range(8)))) == 1
    for person in range(50):
        assert len(sides(parts, list(range(4 * person, 4 * person + 4)))) == 1


def test_contiguous_cuts_at_two_places_and_leaves_copies_to_the_later_side() -> None:
    parts = splits.contiguous(linked(100, [5, 95], [6, 85], [86, 96], [1, 2]), THIRDS)
    assert parts["test"].tolist() == list(range(90, 100))
    assert parts["val"].tolist() == [80, 81, 82, 83, 84, 85, 87, 88, 89]
    assert parts["train"].tolist() == [index for index in range(80) if index not in (5, 6)]


@pytest.mark.parametrize("seed", range(5))
def test_copies_within_the_publishers_training_images_stay_together(seed: int) -> None:
    test = np.arange(60) >= 50
    clusters = ([0, 9, 18, 27], [1, 10, 19, 28], [2, 11, 20])
    parts = splits.official(None, test, linked(60, *clusters), (0.8, 0.2, 0.0), seed)
    assert all(len(sides(parts, cluster)) == 1 for cluster in clusters)


def test_official_without_training_images_of_its_own() -> None:
    test = np.arange(4) >= 2
    with pytest.raises(UserError, match="expected training images that are no copies"):
        splits.official(["a"] * 4, test, linked(4, [0, 2], [1, 3]), (0.8, 0.2, 0.0), seed=0)


def test_official_test_images_are_never_trained_on() -> None:
    test = np.arange(50) >= 40
    parts = splits.official(None, test, linked(50, [0, 45], [1, 2]), (0.9, 0.1, 0.0), seed=0)
    assert parts["test"].tolist() == list(range(40, 50))
    assert sorted([*parts["train"], *parts["val"]]) == list(range(1, 40))
    assert len(sides(parts, [1, 2])) == 1


def test_a_class_smaller_than_the_splits_is_named() -> None:
    with pytest.raises(UserError, match="got 2 in class 'rare'"):
        splits.stratified(["common"] * 20 + ["rare"] * 2, np.arange(22), THIRDS, seed=0)
