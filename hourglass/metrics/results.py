"""The JSON that stages leave for each other of an evaluated model: what each file has to hold, for whoever reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from hourglass.config.types import Count, Name, Positive, Side, Text

Finite = Annotated[float, Field(allow_inf_nan=False)]
BASELINE = "pca"  # the family that all others are compared with
Means = dict[str, Finite]  # metrics/{val,test}/<model>.json: a metric's name -> its mean; and split_id


@dataclass(frozen=True)
class About:
    """data/evaluated/<model>/about.json.

    Attributes:
        dataset: The name of the data set.
        family: The name of the family.
        latent_dim: Numbers in the latent of an image.
        bytes_per_image: The bytes of those, in one file of all test images.
        compression_ratio: The bytes of an image against them.
        bits: Of each number, before entropy coding.
        tile: Height and width of a tile, None where the network sees an image as a whole.
        left_out: metric -> why the model has no such score.
    """

    dataset: Name
    family: Text
    latent_dim: Count
    bytes_per_image: Positive
    compression_ratio: Positive
    bits: Count
    tile: tuple[Side, Side] | None
    left_out: Mapping[str, Text]


@dataclass(frozen=True)
class Varied:
    """data/evaluated/<model>/variations.json, of a generative family.

    Attributes:
        dimensions: Which dimension of the latent each row of the variations varies.
        kl_nats: The mean Kullback-Leibler divergence of each of those.
        values: The value of the dimension in each column.
    """

    dimensions: list[Annotated[int, Field(ge=0)]]
    kl_nats: list[Finite]
    values: list[Finite]


@dataclass(frozen=True)
class Spread:
    """The scores of a model that was trained with several seeds: their number, and mean and deviation by metric."""

    count: Count
    mean: Mapping[str, Finite]
    std: Mapping[str, Finite]

    def __post_init__(self) -> None:
        if self.mean.keys() != self.std.keys():
            raise ValueError("expected the deviation of each mean and no other, got others")


@dataclass(frozen=True)
class Versus:
    """A model against PCA of as many numbers on the same data set: the difference of their PSNR, image by image.

    Attributes:
        twin: The name of that PCA.
        mean: Of the differences over the test images in dB, above 0 where the model is better.
        low: The lower end of its 95% interval.
        high: The upper end.
    """

    twin: Name
    mean: Finite
    low: Finite
    high: Finite


@dataclass(frozen=True)
class Facts:
    """What data/groups/<group>.json has of each model.

    Attributes:
        about: See there.
        split: How its data set was split.
        images: Images in the test split.
        test: Scores on the test split.
        val: Scores on the validation split, by which models are chosen.
        versus: Against PCA, None if the group has none of as many numbers.
        seeds: Their spread over several seeds, None for one seed.
        pictures: The names of its pictures.
    """

    about: About
    split: Text
    images: Count
    test: Means
    val: Means
    versus: Versus | None
    seeds: Spread | None
    pictures: list[Text]


@dataclass(frozen=True)
class Meta:
    """What a report says of a data set, in data/prepared/<dataset>/meta.json."""

    split_note: Text
