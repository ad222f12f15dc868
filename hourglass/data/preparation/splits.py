"""Decide which images are for training, which for validation and which for the final test.

Every way returns the sorted indices of each split. Exact copies, whose digests are equal, are never put on two sides,
so that no test image is trained on; all ways but `contiguous` keep an image's side when others come and go (`ranks`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.preparation.copies import first_copies
from hourglass.data.preparation.ranks import TEST, Fractions, Indices, hashes, offsets, rank
from hourglass.data.preparation.raw import Annotations
from hourglass.natural import natural_key

SPLITS = ("train", "val", "test")
Digests = NDArray[np.uint8]  # (N, 16), of each image's content
FRACTIONS: Fractions = (0.8, 0.1, 0.1)
OFFICIAL_FRACTIONS: Fractions = (0.9, 0.1, 0.0)  # of the images that the publisher does not test on


def default_way(annotations: Annotations) -> str:
    """Return how images are split if nothing else is asked for: as the publisher did, by groups, or by labels."""
    if annotations.official is not None:
        return "official"
    if annotations.groups is not None:
        return "grouped"
    return "random" if annotations.labels is None or len(set(annotations.labels)) < 2 else "stratified"


def split(
    annotations: Annotations, digests: Digests, how: str | None, fractions: Fractions | None, seed: int
) -> tuple[str, dict[str, Indices]]:
    """Share out images in the way that `how` names, by default as what is known about them allows.

    Returns:
        The name of the way, and the sorted indices of each split.

    Raises:
        UserError: The images lack what this way needs, or a split would be empty.
    """
    how = how or default_way(annotations)
    if how == "official":
        parts = official(annotations, digests, fractions or OFFICIAL_FRACTIONS, seed)
    elif how == "contiguous":
        parts = contiguous(digests, fractions or FRACTIONS)
    elif how == "grouped":
        groups = _needed(annotations.groups, how, "who is in each image (`group`)")
        parts = grouped(groups, annotations.labels, digests, fractions or FRACTIONS, seed)
    elif how == "stratified":
        labels = _needed(annotations.labels, how, "two classes")
        parts = stratified(labels, digests, fractions or FRACTIONS, seed)
    else:
        parts = random(digests, fractions or FRACTIONS, seed)
    counts = {name: len(indices) for name, indices in parts.items()}
    if not all(counts.values()):
        remedy = _remedy(how, annotations, digests)
        raise UserError(f"expected an image in every split, got {counts}: {remedy}")
    return how, parts


def _remedy(how: str, annotations: Annotations, digests: Digests) -> str:
    """Return what to do about an empty split: copies of an image stay on one side, and so does a group."""
    if how == "grouped":
        groups = len(set(annotations.groups or ()))
        return f"groups that share an image stay together, and there are {groups}: add some, or use `split: random`"
    different = len(np.unique(first_copies(digests)))
    if different < len(digests):
        return f"{len(digests)} images are copies of {different}, and copies stay together: add different images"
    return "add images, or change `fractions`"


def _needed(values: Sequence[str] | None, how: str, what: str) -> Sequence[str]:
    if values is None:
        raise UserError(f"expected {what} for `split: {how}`, this data set has none: use `split: random`")
    return values


def random(digests: Digests, fractions: Fractions, seed: int) -> dict[str, Indices]:
    """Share out images by their content alone."""
    return _by_content(np.zeros(len(digests), np.int64), [""], digests, fractions, seed)


def stratified(
    labels: Sequence[str], digests: Digests, fractions: Fractions, seed: int, remedy: str = "use `split: random`"
) -> dict[str, Indices]:
    """Share out images so that every class is split as the whole is, to within one image a class."""
    classes, class_of, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    needed = sum(fraction > 0 for fraction in fractions)
    if counts.min() < needed:
        raise UserError(
            f"expected at least {needed} images in every class for a stratified split, got {counts.min()} in class "
            f"'{classes[counts.argmin()]}': add images, or {remedy}; if these are people, not classes, see `group`"
        )
    return _by_content(class_of, classes.tolist(), digests, fractions, seed)


def grouped(
    groups: Sequence[str], labels: Sequence[str] | None, digests: Digests, fractions: Fractions, seed: int
) -> dict[str, Indices]:
    """Share out whole groups: no person, say, on two sides. Groups that hold copies of one image are taken as one.

    Groups are ranked by their names, and stratified by the label that most of their images have: every class's groups
    are split as the whole is, to within one group a class. That is as exact for images where a group has one label, or
    all groups have the same labels, and an approximation where each is a mixture of its own. Classes of too few groups
    for one in every split (fewer than ten, by default) are ranked together, so when one gets its tenth, some groups of
    these classes move.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    _, copies = _copies(digests)
    links = coo_array((np.ones(len(group_of)), (group_of, group_of[copies])), shape=(len(names),) * 2)
    _, unit_of_group = connected_components(links, directed=False)
    units = unit_of_group[group_of]
    keys = np.full(unit_of_group.max() + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(keys, unit_of_group, hashes((name.encode() for name in names.tolist()), seed, b"group"))
    classes, class_of = _natural_classes(labels or [""] * len(groups))
    smallest = min(fraction for fraction in fractions if fraction > 0)
    strata, stratum_of_unit = _without_rare(classes, _most_common(units, class_of, len(classes)), round(1 / smallest))
    sizes = np.bincount(units)
    largest = np.full(len(sizes), smallest * len(groups))
    sides = rank(keys, sizes, stratum_of_unit, offsets(strata, seed), fractions, largest)
    return _indices(sides[units])


def contiguous(digests: Digests, fractions: Fractions) -> dict[str, Indices]:
    """Cut a sequence, a video say, at two places: neighbors are near copies, and stay on one side."""
    ends = np.rint(np.cumsum(fractions) * len(digests)).astype(np.int64)
    parts = np.split(np.arange(len(digests)), ends[:-1])
    return _without_seen(dict(zip(SPLITS, parts, strict=True)), _copies(digests)[1])


def official(annotations: Annotations, digests: Digests, fractions: Fractions, seed: int) -> dict[str, Indices]:
    """Keep the publisher's test images, and the validation images if there are any; else cut these from the rest.

    The rest is shared out by groups where they are known, stratified where there are labels; the last of `fractions`,
    that of test, is 0. What the publisher has on two sides stays in the test split, or else in the validation split.
    """
    sides = np.asarray(annotations.official if annotations.official is not None else [])
    if not {"train", "test"} <= set(sides.tolist()):
        raise UserError("expected a publisher's train and test images for `split: official`, found none: use another")
    if fractions[TEST]:
        raise UserError(
            f"expected `fractions` with 0 for test, as the publisher's test images are kept, got {list(fractions)}: "
            "change them, or `split`"
        )
    _, copies = _copies(digests)
    parts = _without_seen({name: np.flatnonzero(sides == name) for name in SPLITS}, copies)
    rest = parts["train"]
    if not len(rest):
        raise UserError(
            "expected training images that are no copies of the publisher's test images, found none: add some"
        )
    if len(parts["val"]):
        return parts
    known = Annotations(
        [annotations.sources[index] for index in rest],
        None if annotations.labels is None else [annotations.labels[index] for index in rest],
        None if annotations.groups is None else [annotations.groups[index] for index in rest],
    )
    shares = _share_rest(known, digests[rest], fractions, seed)
    return {"train": rest[shares["train"]], "val": rest[shares["val"]], "test": parts["test"]}


def _share_rest(known: Annotations, digests: Digests, fractions: Fractions, seed: int) -> dict[str, Indices]:
    way = default_way(known)
    if way == "grouped":
        assert known.groups is not None
        return grouped(known.groups, known.labels, digests, fractions, seed)
    if way == "stratified":
        assert known.labels is not None
        return stratified(known.labels, digests, fractions, seed, "do without labels")
    return random(digests, fractions, seed)


def _without_seen(parts: dict[str, Indices], copies: Indices) -> dict[str, Indices]:
    """Leave images out of train that are in val or test, and out of val that are in test."""
    val = parts["val"][~np.isin(copies[parts["val"]], copies[parts["test"]])]
    held_out = np.concatenate([copies[val], copies[parts["test"]]])
    return {"train": parts["train"][~np.isin(copies[parts["train"]], held_out)], "val": val, "test": parts["test"]}


def _by_content(
    class_of: Indices, classes: Sequence[str], digests: Digests, fractions: Fractions, seed: int
) -> dict[str, Indices]:
    """Share out images, all copies of one together, class by class."""
    units, copies = _copies(digests)
    first = np.flatnonzero(copies == np.arange(len(copies)))  # of each unit, in the order of `units`
    keys = hashes((digests[index].tobytes() for index in first), seed, b"image")
    class_of_unit = np.full(len(first), len(classes))
    np.minimum.at(class_of_unit, units, class_of)  # of copies under two labels, the first
    sizes = np.bincount(units)
    quotas = min(fraction for fraction in fractions if fraction > 0) * np.bincount(class_of_unit, sizes, len(classes))
    largest = np.maximum(quotas, 1)[class_of_unit]
    sides = rank(keys, sizes, class_of_unit, offsets(classes, seed), fractions, largest)
    return _indices(sides[units])


def _indices(sides: Indices) -> dict[str, Indices]:
    return {name: np.flatnonzero(sides == side) for side, name in enumerate(SPLITS)}


def _copies(digests: Digests) -> tuple[Indices, Indices]:
    """Return for each image the number of its unit, and the index of its first copy (its own, where there is none)."""
    copies = first_copies(digests)
    return np.unique(copies, return_inverse=True)[1], copies


def _most_common(units: Indices, class_of: Indices, classes: int) -> Indices:
    """Return for each unit the class of most of its images, the first of those that are equal."""
    pairs, counts = np.unique(units * classes + class_of, return_counts=True)
    unit_of_pair, class_of_pair = np.divmod(pairs, classes)
    order = np.lexsort((class_of_pair, -counts, unit_of_pair))
    _, first = np.unique(unit_of_pair[order], return_index=True)
    return class_of_pair[order][first]


def _without_rare(classes: Sequence[str], class_of: Indices, enough: int) -> tuple[list[str], Indices]:
    """Return the classes of `enough` units, with all others as one, and the number of each unit's among them."""
    counts = np.bincount(class_of, minlength=len(classes))
    kept = [""] + [label for label, count in zip(classes, counts.tolist(), strict=True) if count >= enough]
    number_of = np.where(counts >= enough, np.cumsum(counts >= enough), 0)[class_of]
    used, numbers = np.unique(number_of, return_inverse=True)
    return [kept[number] for number in used], numbers


def _natural_classes(labels: Sequence[str]) -> tuple[list[str], Indices]:
    """Return all labels in natural order, and the number of each image's among them."""
    classes = sorted(set(labels), key=natural_key)
    numbers = {label: number for number, label in enumerate(classes)}
    return classes, np.array([numbers[label] for label in labels])
