"""Splits are of the right sizes, disjoint, stratified, without leaks, and stay when images come and go."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.preparation import splits
from hourglass.data.preparation.ranks import Indices
from hourglass.data.preparation.raw import Annotations

TENTHS = (0.8, 0.1, 0.1)
Parts = dict[str, Indices]


def digests_of(count: int, *clusters: list[int], seed: int = 0) -> splits.Digests:
    """Return a hash of the content of each image; those of a cluster are copies of one image."""
    digests = np.random.default_rng(seed).integers(0, 256, (count, 16), np.uint8)
    for cluster in clusters:
        digests[cluster] = digests[cluster[0]]
    return digests


def sides_of(parts: Parts, count: int) -> NDArray[np.str_]:
    """Return the split of each image; every image is in exactly one."""
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(count))
    sides = np.empty(count, "U5")
    for name, indices in parts.items():
        sides[indices] = name
    return sides


def sides(parts: Parts, cluster: list[int]) -> set[str]:
    """Name the splits that hold any of these images."""
    return {name for name, part in parts.items() if np.isin(cluster, part).any()}


@pytest.mark.parametrize("count", [10, 100, 1797, 1965])
def test_random_sizes(count: int) -> None:
    parts = splits.random(digests_of(count), TENTHS, seed=0)
    sides_of(parts, count)
    for name in ("val", "test"):
        assert abs(len(parts[name]) - count / 10) <= 0.5


@pytest.mark.parametrize("seed", range(5))
def test_stratified_to_within_one_image_a_class(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = [str(label) for label in generator.choice(13, size=997, p=generator.dirichlet(np.full(13, 5)))]
    parts = splits.stratified(labels, digests_of(len(labels), seed=seed), TENTHS, seed)
    sides_of(parts, len(labels))
    for name, fraction in zip(splits.SPLITS, TENTHS, strict=True):
        for label in set(labels):
            share = sum(labels[index] == label for index in parts[name])
            assert abs(share - labels.count(label) * fraction) < 1


def test_small_classes_fill_the_splits_on_average() -> None:
    labels = [str(index // 4) for index in range(4000)]  # whose quotas are 3.2, 0.4 and 0.4
    parts = splits.stratified(labels, digests_of(4000), TENTHS, seed=0)
    # A rounding up or down for each of 1,000 classes: a standard deviation of 15.5.
    assert abs(len(parts["test"]) - 400) < 4 * 15.5
    assert abs(len(parts["val"]) - 400) < 4 * 15.5


def test_a_side_depends_on_content_alone() -> None:
    labels = ["a", "b"] * 50
    digests = digests_of(100)
    order = np.random.default_rng(1).permutation(100)
    before = sides_of(splits.stratified(labels, digests, TENTHS, 3), 100)
    after = sides_of(splits.stratified([labels[index] for index in order], digests[order], TENTHS, 3), 100)
    assert (before[order] == after).all()
    other = sides_of(splits.stratified(labels, digests, TENTHS, 4), 100)
    assert (before != other).sum() > 10


def moved(labels: Sequence[str], digests: splits.Digests, kept: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Return the indices of images that are on another side when only those `kept` are there."""
    chosen = np.flatnonzero(kept)
    of_chosen = [label for label, keep in zip(labels, kept.tolist(), strict=True) if keep]
    every = sides_of(splits.stratified(labels, digests, TENTHS, seed), len(labels))
    some = splits.stratified(of_chosen, digests[chosen], TENTHS, seed)
    return chosen[sides_of(some, len(chosen)) != every[chosen]]


@pytest.mark.parametrize(("count", "new"), [(20_000, 20), (70_000, 100)])
def test_few_new_images_move_few_others(count: int, new: int) -> None:
    for seed in range(5):
        labels = np.random.default_rng(seed).integers(0, 10, count + new).astype(str).tolist()
        kept = np.arange(count + new) < count
        assert len(moved(labels, digests_of(count + new, seed=seed), kept, seed)) <= new


def test_no_more_images_move_than_the_bound_that_is_proved() -> None:
    generator = np.random.default_rng(0)
    worst = 0.0
    for seed in range(300):
        count = int(generator.integers(30, 90))
        labels = generator.choice(["a", "b"], count).tolist()
        digests = digests_of(count, seed=seed)
        if min(labels.count("a"), labels.count("b")) < 13:
            continue
        # The worst cases: those that come are the ones that rank the lowest, or the highest.
        sides_now = sides_of(splits.stratified(labels, digests, TENTHS, seed), count)
        for name in ("test", "val", "train"):
            others = np.flatnonzero((sides_now == name) & (np.array(labels) == "a"))[:3]
            kept = ~np.isin(np.arange(count), others)
            gone = moved(labels, digests, kept, seed)
            assert all(labels[index] == "a" for index in gone)  # none of a class that nothing came to
            assert len(gone) <= len(others) + 1
            worst = max(worst, len(gone) / (len(others) + 1))
    assert worst >= 0.5  # the cases come near the bound


def test_no_more_move_where_val_and_test_are_not_alike() -> None:
    fractions, count, new = (0.5, 0.1, 0.4), 500, 100
    for seed in range(10):
        digests = digests_of(count, seed=seed)
        now = sides_of(splits.random(digests, fractions, seed), count)
        for name in ("train", "val", "test"):
            kept = ~np.isin(np.arange(count), np.flatnonzero(now == name)[:new])
            some = sides_of(splits.random(digests[kept], fractions, seed), int(kept.sum()))
            assert (some != now[kept]).sum() <= (count - kept.sum()) * 1.3 + 1


def test_another_class_moves_nothing() -> None:
    labels = ["a"] * 500 + ["b"] * 300 + ["c"] * 77
    kept = np.array(labels) != "c"
    assert len(moved(labels, digests_of(877), kept, seed=0)) == 0


@pytest.mark.parametrize("seed", range(10))
def test_copies_stay_together(seed: int) -> None:
    clusters = ([3, 50, 99], [7, 8], [20, 21, 22, 23, 24])
    digests = digests_of(100, *clusters, seed=seed)
    for parts in (splits.random(digests, TENTHS, seed), splits.stratified(["a", "b"] * 50, digests, TENTHS, seed)):
        sides_of(parts, 100)
        assert all(len(sides(parts, cluster)) == 1 for cluster in clusters)
        for name, fraction in zip(splits.SPLITS, TENTHS, strict=True):
            assert abs(len(parts[name]) - 100 * fraction) <= 5  # to within one set of copies


def test_many_copies_of_one_image_are_for_training() -> None:
    for seed in range(20):
        parts = splits.random(digests_of(100, list(range(40))), TENTHS, seed)
        assert sides(parts, list(range(40))) == {"train"}
        assert [len(part) for part in parts.values()] == [80, 10, 10]


@pytest.mark.parametrize("seed", range(10))
def test_grouped_keeps_everybody_on_one_side(seed: int) -> None:
    groups = [f"person {index // 4}" for index in range(200)]
    parts = splits.grouped(groups, None, digests_of(200, [3, 4]), TENTHS, seed)  # one picture of two people
    sides_of(parts, 200)
    assert len(sides(parts, list(range(8)))) == 1
    for person in range(50):
        assert len(sides(parts, list(range(4 * person, 4 * person + 4)))) == 1
    for name, fraction in zip(splits.SPLITS, TENTHS, strict=True):
        assert abs(len(parts[name]) - 200 * fraction) <= 8  # the two people


def test_grouped_is_stratified_to_within_one_group_a_class() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 6, 300)
    group_of = np.repeat(np.arange(300), sizes)
    label_of_group = generator.choice(["rare", "common", "usual"], 300, p=[0.1, 0.3, 0.6])
    labels = label_of_group[group_of].tolist()
    for seed in range(10):
        parts = splits.grouped(group_of.astype(str).tolist(), labels, digests_of(len(labels)), TENTHS, seed)
        for name, fraction in zip(splits.SPLITS, TENTHS, strict=True):
            for label in set(labels):
                share = sum(labels[index] == label for index in parts[name])
                assert abs(share - fraction * labels.count(label)) <= 2 * 5  # train has a boundary at each end


def test_people_who_are_their_own_class_are_split_exactly() -> None:
    people = [str(index // 10) for index in range(400)]  # as Olivetti's
    for seed in range(10):
        parts = splits.grouped(people, people, digests_of(400), TENTHS, seed)
        assert [len(part) for part in parts.values()] == [320, 40, 40]


def test_groups_that_mix_labels_are_split_as_the_whole_on_average() -> None:
    generator = np.random.default_rng(0)
    group_of = np.repeat(np.arange(200), 5)
    labels = np.where(generator.random(1000) < np.repeat(generator.random(200), 5), "a", "b").tolist()
    share = labels.count("a") / 1000
    for seed in range(10):
        parts = splits.grouped(group_of.astype(str).tolist(), labels, digests_of(1000), TENTHS, seed)
        assert abs(len(parts["test"]) - 100) <= 10
        assert abs(sum(labels[index] == "a" for index in parts["test"]) / len(parts["test"]) - share) < 0.15


def test_a_new_person_moves_few_others() -> None:
    groups = [f"person {index // 4}" for index in range(2000)]
    before = sides_of(splits.grouped(groups[:1996], None, digests_of(2000)[:1996], TENTHS, 0), 1996)
    after = sides_of(splits.grouped(groups, None, digests_of(2000), TENTHS, 0), 2000)
    assert (before != after[:1996]).sum() <= 2 * 4  # two people of four images


def test_few_large_groups_leave_no_split_empty() -> None:
    for seed in range(5):
        parts = splits.grouped([str(index // 10) for index in range(30)], None, digests_of(30), TENTHS, seed)
        assert [len(part) for part in parts.values()] == [10, 10, 10]


def test_the_largest_group_is_for_training() -> None:
    groups = ["hospital"] * 100 + [str(index) for index in range(100)]
    for seed in range(10):
        parts = splits.grouped(groups, None, digests_of(200), TENTHS, seed)
        assert sides(parts, list(range(100))) == {"train"}
        assert [len(part) for part in parts.values()] == [160, 20, 20]


def test_contiguous_cuts_at_two_places_and_leaves_copies_to_the_later_side() -> None:
    parts = splits.contiguous(digests_of(100, [5, 95], [6, 85], [86, 96], [1, 2]), TENTHS)
    assert parts["test"].tolist() == list(range(90, 100))
    assert parts["val"].tolist() == [80, 81, 82, 83, 84, 85, 87, 88, 89]
    assert parts["train"].tolist() == [index for index in range(80) if index not in (5, 6)]


def annotated(
    official: Sequence[str], labels: Sequence[str] | None = None, groups: Sequence[str] | None = None
) -> Annotations:
    return Annotations([str(index) for index in range(len(official))], labels, groups, official)


def published(*counts: int) -> list[str]:
    """Name the publisher's split of each image: so many train, val and test."""
    return [name for name, count in zip(splits.SPLITS, counts, strict=True) for _ in range(count)]


def test_official_keeps_the_publishers_test_images() -> None:
    labels = ["a", "b", "c"] * 40
    official = ["test" if index % 6 == 5 else "train" for index in range(120)]
    parts = splits.official(annotated(official, labels), digests_of(120), (0.9, 0.1, 0.0), seed=0)
    sides_of(parts, 120)
    assert parts["test"].tolist() == list(range(5, 120, 6))
    for label, count in (("a", 40), ("b", 40), ("c", 20)):
        assert abs(sum(labels[index] == label for index in parts["val"]) - count / 10) < 1


def test_official_keeps_the_publishers_validation_images() -> None:
    parts = splits.official(
        annotated(published(40, 6, 4)), digests_of(50, [0, 41], [1, 47], [42, 48]), (0.9, 0.1, 0.0), 0
    )
    assert parts["test"].tolist() == [46, 47, 48, 49]
    assert parts["val"].tolist() == [40, 41, 43, 44, 45]
    assert parts["train"].tolist() == list(range(2, 40))


def test_validation_people_are_not_in_the_publishers_training_set() -> None:
    groups = [str(index // 5) for index in range(100)]
    parts = splits.official(annotated(published(80, 0, 20), groups=groups), digests_of(100), (0.75, 0.25, 0.0), 0)
    assert len(parts["val"]) == 20
    assert {groups[index] for index in parts["val"]}.isdisjoint({groups[index] for index in parts["train"]})


def test_official_needs_a_publisher() -> None:
    for official in (None, published(9, 0, 0)):
        with pytest.raises(UserError, match="expected a publisher's train and test images"):
            splits.official(Annotations(["x"] * 9, official=official), digests_of(9), (0.9, 0.1, 0.0), seed=0)


def test_official_needs_fractions_without_test() -> None:
    with pytest.raises(UserError, match=r"expected `fractions` with 0 for test, .* got \[0.8, 0.1, 0.1\]"):
        splits.split(annotated(published(8, 0, 2)), digests_of(10), None, TENTHS, 0)


@pytest.mark.parametrize("seed", range(5))
def test_copies_within_the_publishers_training_images_stay_together(seed: int) -> None:
    clusters = ([0, 9, 18, 27], [1, 10, 19, 28], [2, 11, 20])
    parts = splits.official(annotated(published(50, 0, 10)), digests_of(60, *clusters), (0.8, 0.2, 0.0), seed)
    assert all(len(sides(parts, cluster)) == 1 for cluster in clusters)


def test_official_without_training_images_of_its_own() -> None:
    with pytest.raises(UserError, match="expected training images that are no copies"):
        splits.official(annotated(published(2, 0, 2), ["a"] * 4), digests_of(4, [0, 2], [1, 3]), (0.8, 0.2, 0.0), 0)


def test_official_test_images_are_never_trained_on() -> None:
    parts = splits.official(annotated(published(40, 0, 10)), digests_of(50, [0, 45], [1, 2]), (0.9, 0.1, 0.0), 0)
    assert parts["test"].tolist() == list(range(40, 50))
    assert sorted([*parts["train"], *parts["val"]]) == list(range(1, 40))
    assert len(sides(parts, [1, 2])) == 1


def test_a_class_smaller_than_the_splits_is_named() -> None:
    with pytest.raises(UserError, match="got 2 in class 'rare'"):
        splits.stratified(["common"] * 20 + ["rare"] * 2, digests_of(22), TENTHS, seed=0)


@pytest.mark.parametrize(
    ("known", "way"),
    [
        (Annotations(["x"] * 90), "random"),
        (Annotations(["x"] * 90, ["one class"] * 90), "random"),
        (Annotations(["x"] * 90, ["a", "b"] * 45), "stratified"),
        (Annotations(["x"] * 90, ["a", "b"] * 45, [str(index // 3) for index in range(90)]), "grouped"),
        (annotated(published(60, 0, 30), ["a", "b"] * 45, [str(index // 3) for index in range(90)]), "official"),
    ],
)
def test_what_is_known_decides_how_images_are_split(known: Annotations, way: str) -> None:
    assert splits.split(known, digests_of(90), None, None, 0)[0] == way
