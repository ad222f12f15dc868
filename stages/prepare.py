"""Decode one data set, split it, check it -> data/prepared/<dataset>/ (see stages.common.prepared).

source -> reader -> decode in parallel -> split -> arrays of bytes, labels, counts, meta, preview -> contract
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.common import command, config
from stages.common.errors import UserError
from stages.common.files import whole_folder, write_csv, write_json
from stages.common.paths import PREPARED
from stages.common.prepared import write_split
from stages.common.schema import Dataset
from stages.datasets import contract, splits
from stages.datasets.decode import Decoded, decode
from stages.datasets.raw import RawImages, Target

PREVIEW = 24  # images
PREVIEW_PIXELS = 200  # of the longer side of each
T = TypeVar("T")
Parts = dict[str, splits.Indices]  # a split's name -> positions among the decoded images


@dataclass(frozen=True)
class Known:
    """What is known of each decoded image."""

    sources: Sequence[str]
    labels: Sequence[str] | None
    groups: Sequence[str] | None
    official_test: NDArray[np.bool_] | None


def main(name: str) -> None:
    """Prepare one data set."""
    dataset = config.load().dataset(name)
    folder = Path(dataset.source)
    if not folder.is_dir():
        raise UserError(
            f"expected the folder {folder}, found none: see datasets.{name}.source, or dvc repro download@{name}"
        )
    # By name, so that DVC need not prepare a data set again when another format's reader was edited.
    reader = import_module(f"stages.datasets.{dataset.format}")
    raw: RawImages = reader.read(folder, Target(dataset.size, dataset.color), **asdict(dataset.options))
    with whole_folder(PREPARED / name) as target:
        scratch = target / "decoded"
        decoded = decode(raw, scratch, dataset.channels, dataset.size, dataset.on_bad_image == "skip", name)
        known = know(raw, decoded)
        parts, how = split(known, decoded.copies, dataset)
        write(target, decoded, known, parts)
        write_json(target / "meta.json", describe(dataset, decoded, known, parts) | {"split": how})
        preview(target / "preview.png", decoded, known, parts, dataset.title or name)
        scratch.unlink()
        counts = {part: len(positions) for part, positions in parts.items()}
        contract.check(target, decoded.image_shape, counts, classes_of(known), dataset.allow_constant)
    summary = ", ".join(f"{count} {part}" for part, count in counts.items())
    shape = "x".join(map(str, decoded.image_shape))
    print(f"{name}: {len(decoded.kept)} images of {shape}, {how}: {summary}; {len(decoded.skipped)} skipped")


def know(raw: RawImages, decoded: Decoded) -> Known:
    """Keep what the reader knows of the images that were decoded."""

    def pick(values: Sequence[T] | None) -> list[T] | None:
        return None if values is None else [values[index] for index in decoded.kept]

    test = None if raw.official_test is None else raw.official_test[decoded.kept]
    return Known(pick(raw.sources) or [], pick(raw.labels), pick(raw.groups), test)


def split(known: Known, copies: splits.Indices, dataset: Dataset) -> tuple[Parts, str]:
    """Decide the splits as params.yaml asks, and name what was done."""
    how = dataset.split or ("random" if known.labels is None else "stratified")
    fractions, seed = dataset.fractions, dataset.seed
    if how == "official":
        parts = splits.official(known.labels, known.official_test, copies, fractions, seed)
    elif how == "contiguous":
        parts = splits.contiguous(copies, fractions)
    elif how == "grouped":
        parts = splits.grouped(_needed(known.groups, how, "`group` in `pattern`"), copies, fractions, seed)
    elif how == "stratified":
        parts = splits.stratified(_needed(known.labels, how, "two classes"), copies, fractions, seed)
    else:
        parts = splits.random(copies, fractions, seed)
    counts = {part: len(positions) for part, positions in parts.items()}
    if not all(counts.values()):
        raise UserError(f"expected an image in every split, got {counts}: add images, or change `fractions`")
    return parts, how


def _needed(values: Sequence[str] | None, how: str, what: str) -> Sequence[str]:
    if values is None:
        raise UserError(f"expected {what} for `split: {how}`, this data set has none: use `split: random`")
    return values


def classes_of(known: Known) -> list[str]:
    """List the classes, sorted."""
    return sorted(set(known.labels or ()))


def write(target: Path, decoded: Decoded, known: Known, parts: Parts) -> None:
    """Write the arrays, where each image came from, and how many of each class are where."""
    labels = known.labels or [""] * len(known.sources)
    rows = []
    for part, positions in parts.items():
        shape = (len(positions), *decoded.image_shape)
        write_split(target / f"{part}.npy", decoded.read(positions), shape)
        rows += [(part, row, labels[position], known.sources[position]) for row, position in enumerate(positions)]
    write_csv(target / "labels.csv", ("split", "index", "label", "source"), rows)
    found = Counter((label, part) for part, _, label, _ in rows)
    table = [(label, *(found[label, part] for part in parts)) for label in sorted(set(labels))]
    write_csv(target / "counts.csv", ("class", *parts), table)


def describe(dataset: Dataset, decoded: Decoded, known: Known, parts: Parts) -> dict[str, object]:
    """Gather meta.json."""
    used = sum(len(positions) for positions in parts.values())
    return {
        "title": dataset.title,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "shape": decoded.image_shape,
        "scale": 1 / 255,
        "classes": classes_of(known),
        "counts": {part: len(positions) for part, positions in parts.items()},
        "seed": dataset.seed,
        "copies": int((decoded.copies != np.arange(len(decoded.copies))).sum()),  # images that another one equals
        "copies_left_out": len(decoded.kept) - used,
        "skipped": decoded.skipped,
    }


def preview(path: Path, decoded: Decoded, known: Known, parts: Parts, title: str) -> None:
    """Draw some images of every split, spread evenly over the classes."""
    from stages.figures.preview import draw_preview, thumbnail
    from stages.figures.style import save

    split_of = {int(position): part for part, positions in parts.items() for position in positions}
    labels = known.labels or [""] * len(known.sources)
    order = sorted(split_of, key=lambda position: (labels[position], position))
    count = min(PREVIEW, len(order))
    chosen = np.array([order[index * len(order) // count] for index in range(count)])
    captions = [" ".join(filter(None, (labels[position], f"({split_of[position]})"))) for position in chosen]
    small = [thumbnail(image, PREVIEW_PIXELS) for image in decoded.read(chosen)]
    save(draw_preview(small, captions, title), path)


if __name__ == "__main__":
    command.run(main)
