"""Describe the images of a prepared data set: the tables and the JSON beside its arrays."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hourglass.data.content import content_hash
from hourglass.data.preparation.decoded import Decoded
from hourglass.data.preparation.entry import Dataset
from hourglass.data.preparation.ranks import Indices
from hourglass.data.preparation.raw import Annotations
from hourglass.data.preparation.splits import SPLITS
from hourglass.natural import natural_key

WAYS = {
    "official": "as published: the publisher's test images",
    "grouped": "by group, none on two sides",
    "stratified": "by image, every class as the whole",
    "random": "by image",
    "contiguous": "a sequence cut at two places",
}


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
    return counts.loc[sorted(counts.index, key=natural_key)].rename_axis("class").reset_index()


def meta(
    dataset: Dataset,
    preparation: dict[str, object],
    how: str,
    decoded: Decoded,
    labels: pd.DataFrame,
    annotations: Annotations,
    parts: dict[str, Indices],
) -> dict[str, object]:
    """Return the values of meta.json.

    Args:
        dataset: The entry of params.yaml.
        preparation: What turns an image file into an array.
        how: The name of the way in which the images were split.
        decoded: N images.
        labels: What `labels_table` returns.
        annotations: What is known about the N images.
        parts: The positions among those of each split's images.
    """
    groups = groups_of(annotations.groups, parts)
    return {
        "title": dataset.title,
        "license": dataset.license,
        "citation": dataset.citation,
        "shape": decoded.image_shape,
        "scale": 1 / 255,
        "preparation": preparation,
        "classes": annotations.classes,
        "counts": labels["split"].value_counts(sort=False).to_dict(),
        "content": {
            part: content_hash(row.tobytes() for row in decoded.digests[positions]) for part, positions in parts.items()
        },
        "split": how,
        "split_note": split_note(how, groups),
        "seed": dataset.seed,
        "groups": groups,
        "copies": int((decoded.copies != np.arange(len(decoded.copies))).sum()),  # images that another one equals
        "copies_left_out": len(decoded.kept) - len(labels),
        "cropped": {"mean": round(decoded.cropped_mean, 4), "max": round(decoded.cropped_max, 4)},
        "skipped": decoded.skipped,
    }


def groups_of(groups: Sequence[str] | None, parts: dict[str, Indices]) -> dict[str, int] | None:
    """Return how many groups are in each split, and how many of those held out are elsewhere too; None if unknown."""
    if groups is None:
        return None
    names = np.asarray(groups)
    sides = {part: set(names[positions].tolist()) for part, positions in parts.items()}
    train, val, test = (sides[part] for part in SPLITS)
    shared = {"of_test_elsewhere": len(test & (train | val)), "of_val_in_train": len(val & train)}
    return {part: len(side) for part, side in sides.items()} | shared


def split_note(how: str, groups: dict[str, int] | None) -> str:
    """Return what reports say of the split."""
    note = WAYS[how]
    if how == "grouped" and groups:
        note += f" ({groups['train']} in train, {groups['val']} in val, {groups['test']} in test)"
    elif groups and groups["of_test_elsewhere"]:
        note += (
            f"; {groups['of_test_elsewhere']} of the {groups['test']} groups in test are in train or val too: the "
            "scores are not of unseen groups"
        )
    elif groups and groups["of_val_in_train"]:
        note += f"; {groups['of_val_in_train']} of the {groups['val']} groups in val are in train too"
    return note
