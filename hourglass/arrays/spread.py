"""A few of many images."""

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

CODED = 256  # test images of which the files of models and image codecs are compared, at most


class Indexed(Protocol):
    """Images as bytes, (N, C, H, W), an array or files that read like one."""

    def __len__(self) -> int:
        """Return the number of images, N."""

    def __getitem__(self, indices: NDArray[np.intp], /) -> NDArray[np.uint8]:
        """Return the images at indices (n,): (n, C, H, W)."""


Images = TypeVar("Images", bound=Indexed)


def spread(count: int, most: int) -> list[int]:
    """Choose at most `most` indices below `count`, evenly spaced."""
    return [index * count // min(most, count) for index in range(min(most, count))]


def spread_out(images: Images, most: int) -> Images | NDArray[np.uint8]:
    """Return at most `most` of the images, evenly spaced."""
    return images if len(images) <= most else images[np.array(spread(len(images), most))]
