"""Decide which images are for training, for validation and for the final test. Pure functions of labels and a seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.errors import UserError

SPLITS = ("train", "val", "test")
Indices = NDArray[np.int64]
Fractions = tuple[float, float, float]


def random(count: int, fractions: Fractions, seed: int) -> dict[str, Indices]:
    """Share out `count` images by chance."""
    return stratified([""] * count, fractions, seed)


def stratified(labels: Sequence[str], fractions: Fractions, seed: int) -> dict[str, Indices]:
    """Share out images so that every class is split as the whole is, to within one image a class.

    Returns the sorted indices of each split.
    """
    generator = np.random.default_rng(seed)
    _, members = np.unique(np.asarray(labels), return_inverse=True)
    parts: list[list[Indices]] = [[] for _ in SPLITS]
    for index, shares in enumerate(_class_shares(np.bincount(members), fractions)):
        shuffled = generator.permutation(np.flatnonzero(members == index))
        for part, indices in zip(parts, np.split(shuffled, np.cumsum(shares)[:-1]), strict=True):
            part.append(indices)
    return {name: np.sort(np.concatenate(part)) for name, part in zip(SPLITS, parts, strict=True)}


def official(
    labels: Sequence[str] | None, test: NDArray[np.bool_] | None, fractions: Fractions, seed: int
) -> dict[str, Indices]:
    """Keep the publisher's test images, and share out the rest, stratified where there are labels.

    Of `fractions` the last, test's, is 0.
    """
    if test is None:
        raise UserError(
            "expected a publisher's test set for `split: official`, this data set has none: use another split"
        )
    rest = np.flatnonzero(~test)
    rest_labels = [labels[int(index)] for index in rest] if labels else [""] * len(rest)
    shares = stratified(rest_labels, fractions, seed)
    return {"train": rest[shares["train"]], "val": rest[shares["val"]], "test": np.flatnonzero(test)}


def _class_shares(class_sizes: NDArray[np.integer], fractions: Fractions) -> Indices:
    """Count each class's images in each split, (classes, 3).

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
