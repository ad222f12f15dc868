"""Score the PCA twin of a model as the model itself is scored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hourglass.coding.fit import fit_quantizer
from hourglass.coding.quantizer import Latents
from hourglass.coding.rating import rate_curve
from hourglass.data.tables import write_table
from hourglass.evaluation.subject import Subject
from hourglass.inference.rating import rate
from hourglass.inference.twin import Twin, fit_twin
from hourglass.metrics.scores import Scores, to_table

PREFIX = "pca_"


@dataclass(frozen=True)
class RatedTwin:
    """A twin, and what it makes of the test images.

    Attributes:
        network: The twin.
        latents: Of the test images, (N, D).
        scores: Of each test image.
        curve: Rate and distortion of its files, as of the model's.
    """

    network: Twin
    latents: Latents
    scores: Scores
    curve: pd.DataFrame


def rate_twin(folder: Path, subject: Subject, most: int) -> RatedTwin:
    """Fit the twin of a model, score it, and write its latents, reconstructions and scores of the test images.

    Args:
        folder: Where to.
        subject: The model that it is the twin of.
        most: Bits up to which its files are scored.

    Raises:
        UserError: There is no PCA of as many numbers of these images.
    """
    device, test = subject.device, subject.test
    twin = fit_twin(subject.network, subject.train, device)
    scores = rate(folder, f"{subject.name}, PCA", twin, test, device, PREFIX)
    write_table(folder / f"{PREFIX}scores.csv", to_table(scores))
    latents = np.load(folder / f"{PREFIX}latents.npy")
    quantizer = fit_quantizer(twin, subject.train, device)
    return RatedTwin(twin, latents, scores, rate_curve(twin, quantizer, most, latents, test, device))
