"""Choose some of many images at equal distances: the same ones wherever they are asked for."""

import numpy as np
from numpy.typing import NDArray

from hourglass.data.prepared import Images


def spread_indices(images: int, count: int) -> NDArray[np.int64]:
    """Return the indices of at most `count` of so many images, at equal distances, in order."""
    count = min(images, count)
    return np.arange(count) * images // max(count, 1)


def spread_out(images: Images, count: int) -> Images:
    """Return at most `count` of the images, at equal distances."""
    if len(images) <= count:
        return images
    return np.stack([images[index] for index in spread_indices(len(images), count)])
