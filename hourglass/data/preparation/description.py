"""Describe the images of a prepared data set: the tables and the JSON beside its arrays."""

import numpy as np
import pandas as pd

from hourglass.data.preparation.decode import Decoded
from hourglass.data.preparation.entry import Preparation
from hourglass.data.preparation.raw import Annotations
from hourglass.data.preparation.splits import Indices


def labels_table(annotations: Annotations, parts: dict[str, Indices]) -> pd.DataFrame:
    """Return a row for every image of every split, in the order of the arrays.

    Args:
        annotations: What is known about N decoded images.
        parts: The positions among those of each split's images.

    Returns:
        The columns of labels.csv: split, index (in the split's array), label ("" where there is none), source. The
        table's index are the positions.
    """
    labels = annotations.labels or [""] * len(annotations.sources)
    known = pd.DataFrame({"label": labels, "source": annotations.sources}, dtype=str)
    tables = [
        known.iloc[positions].assign(split=split, index=np.arange(len(positions))) for split, positions in parts.items()
    ]
    return pd.concat(tables)[["split", "index", "label", "source"]]


def counts_table(labels: pd.DataFrame) -> pd.DataFrame:
    """Return how many images of each class are in each split, with the columns of counts.csv: class, train, val, test.

    `labels` has the columns split and label.
    """
    splits = labels["split"].unique()
    counts = pd.crosstab(labels["label"], labels["split"])[splits]
    return counts.sort_index().rename_axis("class").reset_index()


def meta(
    preparation: Preparation, how: str, decoded: Decoded, labels: pd.DataFrame, classes: list[str]
) -> dict[str, object]:
    """Return the values of meta.json; `how` names the way in which the images were split."""
    return {
        "title": preparation.title,
        "license": preparation.license,
        "citation": preparation.citation,
        "shape": decoded.image_shape,
        "scale": 1 / 255,
        "classes": classes,
        "counts": labels["split"].value_counts(sort=False).to_dict(),
        "split": how,
        "seed": preparation.seed,
        "copies": int((decoded.copies != np.arange(len(decoded.copies))).sum()),  # images that another one equals
        "copies_left_out": len(decoded.kept) - len(labels),
        "skipped": decoded.skipped,
    }
