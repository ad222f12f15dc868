"""Decide which images are for training, for validation and for the final test: pure functions of labels and a seed.

Every function returns the sorted indices of each split. `copies`, (N,), holds for every image the index of its first
exact copy (its own, where there is none): copies are never put on two sides, so that no test image is trained on.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import Annotations

SPLITS = ("train", "val", "test")
Indices = NDArray[np.int64]
Fractions = tuple[float, float, float]


def split(
    annotations: Annotations, copies: Indices, how: str | None, fractions: Fractions, seed: int
) -> tuple[str, dict[str, Indices]]:
    """Share out images in the way that `how` names, by default as their labels allow.

    Returns:
        The name of the way, and the indices of each split.

    Raises:
        UserError: The images lack what this way needs, or a split would be empty.
    """
    how = how or ("random" if annotations.labels is None else "stratified")
    if how == "official":
        parts = official(annotations.labels, annotations.official_test, copies, fractions, seed)
    elif how == "contiguous":
        parts = contiguous(copies, fractions)
    elif how == "grouped":
        parts = grouped(_needed(annotations.groups, how, "`group` in `pattern`"), copies, fractions, seed)
    elif how == "stratified":
        parts = stratified(_needed(annotations.labels, how, "two classes"), copies, fractions, seed)
    else:
        parts = random(copies, fractions, seed)
    counts = {name: len(indices) for name, indices in parts.items()}
    if not all(counts.values()):
        raise UserError(f"expected an image in every split, got {counts}: add images, or change `fractions`")
    return how, parts


def _needed(values: Sequence[str] | None, how: str, what: str) -> Sequence[str]:
    if values is None:
        raise UserError(f"expected {what} for `split: {how}`, this data set has none: use `split: random`")
    return values


def random(copies: Indices, fractions: Fractions, seed: int) -> dict[str, Indices]:
    """Share out images by chance."""
    return _share_out([""] * len(copies), copies, fractions, seed)


def stratified(
    labels: Sequence[str], copies: Indices, fractions: Fractions, seed: int, remedy: str = "use `split: random`"
) -> dict[str, Indices]:
    """Share out images so that every class is split as the whole is, to within one image a class."""
    classes, counts = np.unique(np.asarray(labels), return_counts=True)
    needed = sum(fraction > 0 for fraction in fractions)
    if counts.min() < needed:
        raise UserError(
            f"expected at least {needed} images in every class for a stratified split, got {counts.min()} in class "
            f"'{classes[counts.argmin()]}': add images, or {remedy}"
        )
    return _share_out(labels, copies, fractions, seed)


def grouped(groups: Sequence[str], copies: Indices, fractions: Fractions, seed: int) -> dict[str, Indices]:
    """Share out whole groups: no person, say, on two sides. Groups that hold copies of one image are taken as one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    links = coo_array((np.ones(len(numbers)), (numbers, numbers[copies])), shape=(numbers.max() + 1,) * 2)
    _, merged = connected_components(links, directed=False)
    return _share_out([""] * len(copies), merged[numbers], fractions, seed)


def contiguous(copies: Indices, fractions: Fractions) -> dict[str, Indices]:
    """Cut a sequence, a video say, at two places: neighbors are near copies, and stay on one side."""
    ends = np.rint(np.cumsum(fractions) * len(copies)).astype(np.int64)
    parts = np.split(np.arange(len(copies)), ends[:-1])
    return _without_seen(dict(zip(SPLITS, parts, strict=True)), copies)


def official(
    labels: Sequence[str] | None, test: NDArray[np.bool_] | None, copies: Indices, fractions: Fractions, seed: int
) -> dict[str, Indices]:
    """Keep the publisher's test images, and share out the rest, stratified where there are labels.

    The last of `fractions`, that of test, is 0. What the publisher has on both sides stays in the test split alone.
    """
    if test is None or not test.any() or test.all():
        raise UserError("expected a publisher's test set for `split: official`, found none: use another split")
    rest = np.flatnonzero(~test & ~np.isin(copies, copies[test]))
    if not len(rest):
        raise UserError("expected training images that are no copies of the publisher's test images, found none")
    first_of = np.unique(copies[rest], return_inverse=True)[1]
    shares = (
        stratified([labels[int(index)] for index in rest], first_of, fractions, seed, "do without labels")
        if labels
        else random(first_of, fractions, seed)
    )
    return {"train": rest[shares["train"]], "val": rest[shares["val"]], "test": np.flatnonzero(test)}


def _without_seen(parts: dict[str, Indices], copies: Indices) -> dict[str, Indices]:
    """Leave images out of train that are in val or test, and out of val that are in test."""
    val = parts["val"][~np.isin(copies[parts["val"]], copies[parts["test"]])]
    held_out = np.concatenate([copies[val], copies[parts["test"]]])
    return {"train": parts["train"][~np.isin(copies[parts["train"]], held_out)], "val": val, "test": parts["test"]}


def _share_out(labels: Sequence[str], units: Indices, fractions: Fractions, seed: int) -> dict[str, Indices]:
    """Share out whole units, class by class; a unit's class is that of its first image."""
    generator = np.random.default_rng(seed)
    _, first, unit_of, unit_sizes = np.unique(units, return_index=True, return_inverse=True, return_counts=True)
    _, class_of_image = np.unique(np.asarray(labels), return_inverse=True)
    class_of_unit = class_of_image[first]
    class_sizes = np.bincount(class_of_unit, weights=unit_sizes).astype(np.int64)
    split_of_unit = np.empty(len(first), np.int64)
    for label, remaining in enumerate(_class_shares(class_sizes, fractions)):
        shuffled = generator.permutation(np.flatnonzero(class_of_unit == label))
        empty = remaining > 0  # the splits that are to get images of this class, and have none yet
        # The largest first, each to the split that lacks most images; single images then fill every split exactly.
        by_size = shuffled[np.argsort(-unit_sizes[shuffled], kind="stable")]
        for assigned, unit in enumerate(by_size):
            # The last units, if they are large, go to splits that would stay empty.
            is_reserved = len(by_size) - assigned <= empty.sum()
            split = int(np.argmax(np.where(empty, remaining.max() + 1, remaining) if is_reserved else remaining))
            empty[split] = False
            split_of_unit[unit] = split
            remaining[split] -= unit_sizes[unit]
    return {name: np.flatnonzero(split_of_unit[unit_of] == split) for split, name in enumerate(SPLITS)}


def _class_shares(class_sizes: NDArray[np.integer], fractions: Fractions) -> Indices:
    """Return how many images of each class go to each split, (classes, 3).

    A class's count is its quota rounded down or up; which is rounded up is chosen so that the splits' totals stay
    within one image of theirs (the largest remainder method, carried from class to class).
    """
    quotas = class_sizes[:, None] * np.asarray(fractions)
    shares = np.floor(quotas + 1e-9).astype(np.int64)
    owed = np.zeros(len(SPLITS))
    for share, quota, size in zip(shares, quotas, class_sizes, strict=True):
        owed += quota - share
        open_quota = quota - share > 1e-9
        for _ in range(size - share.sum()):
            split = int(np.argmax(np.where(open_quota, owed, -np.inf)))
            share[split] += 1
            owed[split] -= 1
            open_quota[split] = False
    return shares
