"""Which test images a report shows: those that are coded best and worst, and ordinary ones."""

import numpy as np
from numpy.typing import NDArray

EACH = 5  # images of each kind, at most
KINDS = ("best", "median", "worst")


def choose(scores: NDArray[np.float64]) -> dict[str, list[int]]:
    """Return which images have the best, the median and the worst of `scores` (N,), higher being better.

    The best and the worst first; of fewer than 15 images a third is of each kind, and none is there twice.
    """
    order = np.argsort(-scores, kind="stable").tolist()
    each = min(EACH, max(1, len(order) // len(KINDS)))
    best, rest = order[:each], order[each:]
    worst, rest = (rest[-each:][::-1], rest[:-each]) if rest else ([], [])
    start = max(0, (len(rest) - each) // 2)
    return dict(zip(KINDS, (best, rest[start : start + each], worst), strict=True))
