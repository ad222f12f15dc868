"""The JSON that stages leave for each other of an evaluated model: what each file has to hold, for whoever reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from typing_extensions import TypeAliasType

from hourglass.config.types import Count, Name, Positive, Side, Text

Finite = Annotated[float, Field(allow_inf_nan=False)]
BASELINE = "pca"  # the family that all others are compared with
FEW = 30  # test images; of fewer a mean says little
CLEAR = 0.1  # dB by which an image codec has to lead to be called better: what the rounding of latents may cost
Value = TypeAliasType("Value", "str | bool | int | Finite | list[Value] | dict[str, Value] | None")  # of JSON
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
        left_out: What the model has no score of -> why.
        parameters: Numbers in its file of weights.
    """

    dataset: Name
    family: Text
    latent_dim: Count
    bytes_per_image: Positive
    compression_ratio: Positive
    bits: Count
    tile: tuple[Side, Side] | None
    left_out: Mapping[str, Text]
    parameters: Count


@dataclass(frozen=True)
class Statistics:
    """How a score is spread over images: see `hourglass.metrics.summary`."""

    mean: Finite
    std: Finite
    low: Finite
    high: Finite
    worst_5_percent: Finite


@dataclass(frozen=True)
class Summary:
    """data/evaluated/<model>/summary.json: how each metric is spread, and its mean by class on the test split."""

    test: Mapping[str, Statistics]
    val: Mapping[str, Statistics]
    classes: Mapping[str, Means]

    def __post_init__(self) -> None:
        if self.test.keys() != self.val.keys() or "psnr_db" not in self.test:
            raise ValueError("expected psnr_db, and the same scores of both splits, got others")


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
    """A model against its twin, PCA of as many numbers: the difference of their PSNR, image by image.

    Attributes:
        psnr_db: The mean PSNR of the twin.
        mean: Of the differences over the test images in dB, above 0 where the model is better.
        low: The lower end of its 95% interval.
        high: The upper end.
    """

    psnr_db: Finite
    mean: Finite
    low: Finite
    high: Finite


@dataclass(frozen=True)
class Coded:
    """What a model's files are: bytes of an image, and the mean PSNR of what comes out, of some test images."""

    bytes: Positive
    psnr_db: Finite


@dataclass(frozen=True)
class Facts(About):
    """What data/groups/<group>/facts.json has of each model, besides what about.json has.

    Attributes:
        split: How its data set was split.
        images: Images in the test split.
        test: Scores on the test split.
        val: Scores on the validation split, by which models are chosen.
        classes: Class -> metric -> mean on the test split.
        versus_pca: Against its twin, None where it has none, as PCA itself.
        coded: Its files, of the same test images as those of image codecs.
        same_bytes: Image codec -> its mean PSNR at as many bytes as those have, where it has files as small, each image
            in one or all in one sheet, whichever is better.
        seeds: Their spread over several seeds, None for one seed.
        worth: What the latents are worth beside the compression.
        likelihood: Of a generative family: its bounds, None of any other.
        config: Keywords of the network, how it was trained and by which versions.
        pictures: The names of its pictures.
    """

    split: Text
    images: Count
    test: Mapping[str, Statistics]
    val: Mapping[str, Statistics]
    classes: Mapping[str, Means]
    versus_pca: Versus | None
    coded: Coded
    same_bytes: Mapping[str, Finite]
    seeds: Spread | None
    worth: Mapping[str, Value]
    likelihood: Mapping[str, Value] | None
    config: Mapping[str, Value]
    pictures: list[Text]


@dataclass(frozen=True)
class Meta:
    """What a report says of a data set, in data/prepared/<dataset>/meta.json: see `hourglass.data.preparation`."""

    title: str
    license: str
    citation: str
    counts: Mapping[str, int]
    split: Text
    split_note: Text
    groups: Mapping[str, int] | None
    classes: list[str]
    shape: list[int]
    preparation: Mapping[str, Value]
    copies: int


def better_codecs(reached: Mapping[str, float], psnr_db: float) -> list[str]:
    """Return the image codecs whose PSNR at the bytes of a model's files is clearly above that of these, in dB."""
    return [codec for codec, value in reached.items() if value - psnr_db >= CLEAR]
