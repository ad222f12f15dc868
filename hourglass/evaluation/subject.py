"""What an evaluation is of."""

from dataclasses import dataclass

import pandas as pd
import torch

from hourglass.data.prepared import Images
from hourglass.networks.base.autoencoder import Autoencoder


@dataclass(frozen=True)
class Subject:
    """A trained model, and the images that it was trained on and is scored on.

    Attributes:
        name: Of the model.
        family: Its name.
        dataset: Its name.
        network: On `device` and in evaluation mode.
        train: uint8 (N, C, H, W).
        val: The same of the validation split.
        test: The same of the test split.
        labels: split, index, label and source of every image of all three; a label is "" where there is none.
        device: Where to compute.
    """

    name: str
    family: str
    dataset: str
    network: Autoencoder
    train: Images
    val: Images
    test: Images
    labels: pd.DataFrame
    device: torch.device

    def labels_of(self, split: str) -> list[str]:
        """Return the label of each image of a split."""
        labels: list[str] = self.labels.loc[self.labels["split"] == split, "label"].tolist()
        return labels
