"""Fewer images than there are, where all of them would take too long: evenly spread ones, the same ones every time."""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CURVE_IMAGES = 256  # test images on which rate and distortion are measured at every setting, at most,
CURVE_VALUES = 1 << 25  # and the values of those: 13 images of 1000x800 in color


class Images(Protocol):
    """Images (N, C, H, W) as bytes, an array or files that read like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""

    def __len__(self) -> int:
        """Return the number of images, N."""

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """Return one image, (C, H, W)."""


def spread(count: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` indices below `count`, at equal distances."""
    chosen = min(count, most)
    return np.arange(chosen) * count // chosen


def spread_out(images: Images, most: int) -> NDArray[np.uint8]:
    """Return at most `most` of the images, at equal distances."""
    return np.stack([images[index] for index in spread(len(images), most).tolist()])


def curve_sample(images: Images) -> NDArray[np.intp]:
    """Return the indices of the images on which rate and distortion are measured."""
    most = min(CURVE_IMAGES, max(1, CURVE_VALUES // math.prod(images.shape[1:])))
    return spread(len(images), most)
