"""Rank images by themselves to share them out, so that a set that grows keeps its split.

An image's side depends on itself: on a keyed hash of its content, or of its group's name, by which the images of a
class are ranked. The lowest ranks are the test split, the highest the validation split, those between the train split.

    rank in the class    0 ........ n/10 ........................... 9n/10 ........ n
                            test                  train                   val

A class of n images has quotas such as n/10; which way they are rounded is the class's own too, a hash of its name, so
that the splits' totals are right on average. Nothing here depends on the other classes or on the order of the images.

How many images move. When k images of one class come (or go), each boundary moves in ranks by its quota of k, rounded:
by d1 = k/10 and d2 = 9k/10, and |d1 + d2 - k| <= 1. If m1 <= m2 of the new ones rank below the boundaries, then
|d1 - m1| + |d2 - m2| of the others cross one. That is largest where no new one is below a boundary or all are below
both, and there it is at most k + 1. So k images that come or go move at most k + 1 others of their class and none of
another. That is the worst case: as about their share of the new ones ranks below a boundary, it is moved by about
0.3 times the square root of k. Where the fractions of val and test differ by f, the worst case is k (1 + f) + 1.

Exact copies of an image share its hash, and are one unit of several images; so are groups. A side then has its quota
to within one unit, and what moves is counted in units. A unit larger than a whole quota is for training. Three things
move more, once each: such a unit when the set grows until it is no longer larger, a second class (the quotas of an only
one are rounded to the nearest), and, in sets so small that a split would be empty, the unit that it gets from training.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

TRAIN, VAL, TEST = range(3)
Indices = NDArray[np.int64]
Fractions = tuple[float, float, float]
HASH_BYTES = 8
OFFSETS = 1 << 20  # how finely the rounding of a class's quotas is graded


def rank(
    keys: NDArray[np.uint64],
    sizes: Indices,
    class_of: Indices,
    offsets: NDArray[np.float64],
    fractions: Fractions,
    largest: NDArray[np.float64],
) -> Indices:
    """Return the side of each of U units, by its rank in its class.

    Args:
        keys: (U,), units are ranked by these.
        sizes: (U,), images in each.
        class_of: (U,), numbers of classes.
        offsets: (classes,), in [0, 1): where between a unit's first image and its last it counts as a whole.
        fractions: The parts of train, val and test.
        largest: (U,), the most images of a unit that is ranked: larger ones are for training.
    """
    class_sizes = np.bincount(class_of, sizes, len(offsets))
    ranked = np.lexsort((keys, class_of))
    ranked = ranked[sizes[ranked] <= largest[ranked]]
    of_class, ranked_sizes = class_of[ranked], sizes[ranked]
    ranked_in_class = np.bincount(of_class, ranked_sizes, len(offsets))
    below = np.cumsum(ranked_sizes) - ranked_sizes - (np.cumsum(ranked_in_class) - ranked_in_class)[of_class]
    position = below + ranked_sizes * offsets[of_class]
    quota = {side: np.round(fractions[side] * class_sizes, 9)[of_class] for side in (VAL, TEST)}
    sides = np.full(len(keys), TRAIN)
    sides[ranked[position >= ranked_in_class[of_class] - quota[VAL]]] = VAL
    sides[ranked[position < quota[TEST]]] = TEST
    return _none_empty(sides, keys, sizes, fractions)


def _none_empty(sides: Indices, keys: NDArray[np.uint64], sizes: Indices, fractions: Fractions) -> Indices:
    """Where all units are too large for a side's quota, give it the smallest unit for training."""
    for side in (TEST, VAL):
        candidates = np.flatnonzero(sides == TRAIN)
        if fractions[side] > 0 and not (sides == side).any() and len(candidates) > 1:
            sides[candidates[np.lexsort((keys[candidates], sizes[candidates]))[0]]] = side
    return sides


def offsets(classes: Sequence[str], seed: int) -> NDArray[np.float64]:
    """Return how the quotas of each class are rounded, from 0 (up) to below 1 (down): 0.5 where there is only one."""
    if len(classes) == 1:
        return np.array([0.5])
    return hashes((label.encode() for label in classes), seed, b"class") % OFFSETS / OFFSETS


def hashes(values: Iterable[bytes], seed: int, kind: bytes) -> NDArray[np.uint64]:
    """Return a number of 64 bits for each value, keyed by `seed`: another seed ranks in another order."""
    key = seed.to_bytes(8, "little")
    hashes = (hashlib.blake2b(value, digest_size=HASH_BYTES, key=key, person=kind).digest() for value in values)
    return np.frombuffer(b"".join(hashes), np.uint64)
