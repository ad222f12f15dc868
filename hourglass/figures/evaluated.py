"""What a figure may draw: all that is left of a model once it is evaluated."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Images(Protocol):
    """N images as bytes, an array or files that read like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""

    def __len__(self) -> int:
        """Return the number of images, N."""

    def __getitem__(self, index: int, /) -> Bytes:
        """Return one image, (C, H, W)."""


@dataclass(frozen=True)
class Generated:
    """What the decoder of a generative family made of latents that come from no image.

    Attributes:
        samples: (S, C, H, W), of latents drawn from the prior.
        variations: (D, S, C, H, W), one dimension at a time, in the order of `dimensions`.
        interpolation: (S, C, H, W), between two test images.
        dimensions: which dimension each row of `variations` varies.
        kl_nats: the mean Kullback-Leibler divergence of each of those, in nats.
        values: the value of the dimension in each column of `variations`.
    """

    samples: Bytes
    variations: Bytes
    interpolation: Bytes
    dimensions: list[int]
    kl_nats: list[float]
    values: list[float]


@dataclass(frozen=True)
class Evaluated:
    """One model on its test split.

    Attributes:
        name: of the model.
        originals: (N, C, H, W), uint8.
        reconstructions: (N, C, H, W), uint8.
        latents: (N, D), float32.
        labels: a row an image: index, label, source; the last two are text, "" where there is none.
        scores: a row an image: index and a column for each metric, psnr_db among them.
        history: a row an epoch: epoch, train_loss, val_loss, ...
        tile: height and width of a tile, None where the network sees an image as a whole.
        generated: of a generative family.
    """

    name: str
    originals: Images
    reconstructions: Bytes
    latents: NDArray[np.float32]
    labels: pd.DataFrame
    scores: pd.DataFrame
    history: pd.DataFrame
    tile: tuple[int, int] | None = None
    generated: Generated | None = None

    @property
    def title(self) -> str:
        """The model's name and the size of its latent."""
        return f"{self.name}: {self.latents.shape[1]} numbers an image"

    def caption(self, index: int) -> str:
        """Return the score of one image as text: SSIM, or MSE where the images are too small for that."""
        metric = "ssim" if "ssim" in self.scores else "mse"
        return f"{metric.upper()} {self.scores[metric].iloc[index]:.3f}"

    def origin(self, index: int, most: int) -> list[str]:
        """Return the class and the source of one image, as far as it has them: lines of `most` characters at most.

        Of a source, the end tells it apart: of olivetti/faces.mat[17], faces.mat[17].
        """
        label, source = (str(self.labels[column].iloc[index]) for column in ("label", "source"))
        return [line for line in (start(label, most), end(source.rpartition("/")[2], most)) if line]


def start(text: str, most: int) -> str:
    """Cut the end off a text of more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def end(text: str, most: int) -> str:
    """Cut the start off a text of more than `most` characters."""
    return text if len(text) <= most else f"…{text[len(text) - most + 1 :]}"
