"""Look at the headers of a few images before all are decoded: what would be cut away, and how they are read best."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from hourglass.data.image import Preparation, upright_size
from hourglass.data.preparation.raw import DARK, BadImageError, EncodedImage, RawImages

LOOKED_AT = 100  # images, spread over the set
WORTH_SAYING = 0.1  # of an image's pixels that the crop cuts away
SMALL = 128 * 128  # pixels: files up to here spend more on waiting for Python's lock in threads than they gain
COLORS = 8  # images whose pixels are looked at
DIFFERENT = 16  # between the channels of a pixel that is no gray: JPEG files of gray images differ a little
FAST = 0.001  # seconds to read a file: slower disks are worth waiting for several at a time


@dataclass(frozen=True)
class Sample:
    """A few images of a set.

    Attributes:
        sizes: The index of each, its height and its width; of arrays the first alone, of files those that can be read.
        seconds: What it took to read a file, the mean.
        files: Whether they are files.
    """

    sizes: list[tuple[int, int, int]]
    seconds: float
    files: bool

    @property
    def pixels(self) -> int:
        """The mean number of pixels, 0 if none could be read."""
        return sum(height * width for _, height, width in self.sizes) // max(1, len(self.sizes))

    @property
    def most_pixels(self) -> int:
        """The number of pixels of the largest, 0 if none could be read."""
        return max((height * width for _, height, width in self.sizes), default=0)

    @property
    def gains_from_threads(self) -> bool:
        """Whether several threads decode such images faster than one."""
        return self.files and (self.pixels > SMALL or self.seconds > FAST)


def look(raw: RawImages) -> Sample:
    """Read the headers of a few images."""
    count = len(raw.images)
    if not count or not isinstance(raw.images[0], EncodedImage):
        return Sample([(0, *raw.images[0].shape[:2])] if count else [], 0.0, files=False)
    indices = np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(int)).tolist()
    started = perf_counter()
    sizes = [(index, *size) for index in indices if (size := _size(raw.images[index]))]
    return Sample(sizes, (perf_counter() - started) / len(indices), files=True)


def tell_what_is_lost(sample: Sample, raw: RawImages, preparation: Preparation, name: str) -> None:
    """Print a line if `resize: crop` cuts away much of some images, and one if images in color become gray."""
    _tell_what_is_cropped(sample, raw, preparation, name)
    _tell_what_loses_color(sample, raw, preparation, name)


def _tell_what_is_cropped(sample: Sample, raw: RawImages, preparation: Preparation, name: str) -> None:
    if not sample.files or not sample.sizes or not preparation.size:
        return
    index, height, width = max(sample.sizes, key=lambda size: preparation.cropped(*size[1:]))
    part = preparation.cropped(height, width)
    if part > WORTH_SAYING:
        kind = "portrait" if height > width else "landscape" if width > height else "square"
        print(
            f"{name}: crop to {preparation.size[0]}x{preparation.size[1]} cuts away {part:.0%} of the pixels of {kind} "
            f"images ({height}x{width}, for example {raw.sources[index]}): `resize: stretch` or `pad` keeps all",
            flush=True,
        )


def _tell_what_loses_color(sample: Sample, raw: RawImages, preparation: Preparation, name: str) -> None:
    if not sample.files or preparation.color != "gray":
        return
    step = -(-len(sample.sizes) // COLORS)
    if any(_has_color(raw.images[index]) for index, _, _ in sample.sizes[:: step or 1]):
        print(f"{name}: images in color become gray: `color: rgb` keeps their colors", flush=True)


def tell_what_is_dark(brightest: int, name: str) -> None:
    """Print a line if no value of any image file is higher than `brightest`, and that is nearly black."""
    if brightest < DARK:
        print(
            f"{name}: the brightest value of all images is {brightest} of 255: if that is not how they look, scale the "
            "files so that white is 255, or 65,535 in 16 bits",
            flush=True,
        )


def _has_color(image: EncodedImage) -> bool:
    """Return whether the channels of an image differ somewhere, as a few thousand of its pixels tell."""
    try:
        pixels = Preparation("rgb", None)(image.read(), image.name).pixels
    except BadImageError:
        return False
    step = max(1, min(pixels.shape[1:]) // 64)
    few = pixels[:, ::step, ::step]
    return bool((few.max(axis=0) - few.min(axis=0)).max() > DIFFERENT)


def _size(image: EncodedImage) -> tuple[int, int] | None:
    try:
        return upright_size(image.read(), image.name)
    except BadImageError:
        return None
