"""A data set, and how it is prepared: the keywords of one entry of `datasets`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hourglass.config.types import Flag, Fraction, Seed, Size, Text
from hourglass.console.errors import suggest
from hourglass.data.image import Preparation
from hourglass.data.preparation.formats import readers


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One entry of `datasets`: how a data set is made of upstream files.

    Args:
        source: The upstream files: data/raw/<download>, or a folder or a file of this machine, for example
            /home/me/photos or /home/me/train.csv. For a folder too large for DVC to look through, the manifest.csv that
            `hourglass manifest FOLDER` writes into it.
        format: The files' format: the name of a reader, a file of hourglass/data/readers.
        size: Height and width in pixels that images get, for example [64, 64]; by default those of the files. An image
            may have 89,478,485 pixels.
        title: The data set's name for people, in previews and reports.
        license: The images' license.
        citation: Who made the images, and where they are published.
        options: The reader's own keywords.
        color: What images are converted to: gray (ITU-R 601 luma, one channel) or rgb (three channels).
        resize: How image files get another shape. crop: cut out the middle, then scale; stretch: scale the whole; pad:
            scale the whole, and fill the rest with black, for example to keep all of portraits in a square.
        resample: The filter that scales them.
        split: How images are shared out. official: as the publisher did, the default where that is known; grouped: no
            group, a person say, on two sides, the default where groups are known; stratified: every class as the whole,
            the default where there are labels; random: the default where there is none of these; contiguous: a
            sequence, a video say, cut at two places. In all but the last, images that come or go move few others.
        fractions: The parts of the images in train, val and test, which add to 1, by default [0.8, 0.1, 0.1]; for an
            official split those of the publisher's training images, with 0 for test, by default [0.9, 0.1, 0].
        seed: Decides which images go where.
        on_bad_image: What to do with a file that is no image, or one single value everywhere: error, or skip and list
            it in meta.json.
        max_skipped: The part of the images that may be skipped; more is an error. For example 0.5.
        allow_constant: Whether images of one single value may be there.

    Raises:
        ValueError: `format` has no reader, `fractions` do not fit `split`, or `size` is too large.
    """

    source: Text
    format: Text
    size: Size | None = None
    title: str = ""
    license: str = ""
    citation: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    color: Literal["gray", "rgb"] = "gray"
    resize: Literal["crop", "stretch", "pad"] = "crop"
    resample: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = "lanczos"
    split: Literal["official", "grouped", "stratified", "random", "contiguous"] | None = None
    fractions: tuple[Fraction, Fraction, Fraction] | None = None
    seed: Seed = 0
    on_bad_image: Literal["error", "skip"] = "error"
    max_skipped: Fraction = 0.1
    allow_constant: Flag = False

    def __post_init__(self) -> None:
        if self.format not in readers():
            raise ValueError(f"'format' expected a reader's name, got '{self.format}'{suggest(self.format, readers())}")
        if self.fractions is not None:
            self._check(self.fractions)
        try:
            self.preparation  # noqa: B018  # which refuses a size that is too large
        except ValueError as error:
            raise ValueError(f"'size' {error}") from None

    def _check(self, fractions: tuple[float, float, float]) -> None:
        if not math.isclose(sum(fractions), 1):
            raise ValueError(f"'fractions' expected train, val and test that add to 1, got {sum(fractions):g}")
        official = self.split == "official"
        if official and fractions[2] != 0:
            raise ValueError(
                "'fractions' of an official split share out the publisher's training images: expected 0 for test, "
                f"got {fractions[2]:g}"
            )
        if not all(fractions[:2]) or (self.split is not None and not official and not fractions[2]):
            raise ValueError(f"'fractions' expected a part for every split, got {list(fractions)}")

    @property
    def channels(self) -> int:
        """The number of channels of an image, 1 or 3."""
        return 1 if self.color == "gray" else 3

    @property
    def preparation(self) -> Preparation:
        """What turns an image file into an array."""
        return Preparation(self.color, self.size, self.resize, self.resample)

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W), or None where the files state it."""
        return (self.channels, *self.size) if self.size else None
