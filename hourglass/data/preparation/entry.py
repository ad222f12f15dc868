"""How a data set is prepared: the keywords of one entry of `datasets`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hourglass.config.types import Flag, Fraction, Seed, Size, Text
from hourglass.console.errors import suggest
from hourglass.data.preparation.formats import readers


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How a data set is made of upstream files.

    Args:
        source: The folder of the upstream files: data/raw/<download>, or any folder of this machine.
        format: The files' format: the name of a reader, a file of hourglass/data/readers.
        size: Height and width in pixels that images are scaled to; by default that of the files.
        title: The data set's name for people, in previews and reports.
        license: The images' license.
        citation: Who made the images, and where they are published.
        options: The reader's own keywords.
        color: What images are converted to: gray (ITU-R 601 luma, one channel) or rgb (three channels).
        split: How images are shared out. stratified: every class as the whole, the default where there are labels;
            random: the default where there are none; official: the publisher's test images stay the test split;
            grouped: no group, a person say, on two sides; contiguous: a sequence cut at two places.
        fractions: The parts of the images in train, val and test, which add to 1; for an official split those of the
            publisher's training images, with 0 for test.
        seed: Decides which images go where.
        on_bad_image: What to do with a file that is no image: error, or skip and list it in meta.json.
        allow_constant: Whether images of one single value may be there.

    Raises:
        ValueError: `format` has no reader, or `fractions` do not fit `split`.
    """

    source: Text
    format: Text
    size: Size | None = None
    title: str = ""
    license: str = ""
    citation: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    color: Literal["gray", "rgb"] = "gray"
    split: Literal["stratified", "official", "grouped", "contiguous", "random"] | None = None
    fractions: tuple[Fraction, Fraction, Fraction] = (0.8, 0.1, 0.1)
    seed: Seed = 0
    on_bad_image: Literal["error", "skip"] = "error"
    allow_constant: Flag = False

    def __post_init__(self) -> None:
        if self.format not in readers():
            raise ValueError(f"'format' expected a reader's name, got '{self.format}'{suggest(self.format, readers())}")
        if not math.isclose(sum(self.fractions), 1):
            raise ValueError(f"'fractions' expected train, val and test that add to 1, got {sum(self.fractions):g}")
        official = self.split == "official"
        if official and self.fractions[2] != 0:
            raise ValueError(
                "'fractions' of an official split share out the publisher's training images: expected 0 for test, "
                f"got {self.fractions[2]:g}"
            )
        if not all(self.fractions[:2] if official else self.fractions):
            raise ValueError(f"'fractions' expected a part for every split, got {list(self.fractions)}")

    @property
    def channels(self) -> int:
        """The number of channels of an image, 1 or 3."""
        return 1 if self.color == "gray" else 3

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W), or None where the files state it."""
        return (self.channels, *self.size) if self.size else None
