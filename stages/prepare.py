"""Turn one data set's upstream files into byte arrays, split -> data/prepared/<dataset>/."""

from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages import command, config
from stages.datasets import splits
from stages.datasets.raw import RawImages
from stages.errors import UserError
from stages.files import whole_folder, write_csv, write_json
from stages.paths import PREPARED
from stages.progress import progress


def main(name: str) -> None:
    """Decode, split and write one data set."""
    dataset = config.load().dataset(name)
    folder = Path(dataset.source)
    if not folder.is_dir():
        raise UserError(
            f"expected the folder {folder}, found none: see datasets.{name}.source, or dvc repro download@{name}"
        )
    # By name, so that DVC need not prepare a data set again when another format's reader was edited.
    reader = import_module(f"stages.datasets.{dataset.format}")
    raw: RawImages = reader.read(folder, dataset.size, **asdict(dataset.options))
    parts = split(raw, dataset)
    if not all(len(indices) for indices in parts.values()):
        came = {part: len(indices) for part, indices in parts.items()}
        raise UserError(f"{name}: expected an image in every split, got {came}: add images or change `fractions`")
    with whole_folder(PREPARED / name) as target:
        for part, indices in parts.items():
            write_split(target / f"{part}.npy", raw, indices, dataset.image_shape)
        write_labels(target / "labels.csv", raw, parts)
        write_json(target / "meta.json", describe(raw, dataset, parts))
    counts = ", ".join(f"{len(indices)} {part}" for part, indices in parts.items())
    print(f"{name}: {len(raw.images)} images of {'x'.join(map(str, dataset.size))}: {counts}")


def split(raw: RawImages, dataset: config.Dataset) -> dict[str, splits.Indices]:
    """Decide the splits as params.yaml asks."""
    if dataset.split == "official":
        return splits.official(raw.labels, raw.official_test, dataset.fractions, dataset.seed)
    if dataset.split == "stratified":
        if raw.labels is None:
            raise UserError("expected labels for `split: stratified`, this data set has none: use `split: random`")
        return splits.stratified(raw.labels, dataset.fractions, dataset.seed)
    return splits.random(len(raw.images), dataset.fractions, dataset.seed)


def write_split(path: Path, raw: RawImages, indices: splits.Indices, image_shape: tuple[int, int, int]) -> None:
    """Write the images at `indices` as uint8 (N, C, H, W), one at a time through the memory map."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (len(indices), *image_shape))
    with progress(len(indices), path.stem, "img") as bar:
        for row, index in enumerate(indices):
            array[row] = channels_first(raw.images[index], image_shape, raw.sources[index])
            bar.update()
    array.flush()


def channels_first(image: NDArray[np.uint8], image_shape: tuple[int, int, int], source: str) -> NDArray[np.uint8]:
    """Turn (H, W) or (H, W, C) into (C, H, W)."""
    moved = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    if moved.shape != image_shape:
        raise UserError(f"{source}: expected (C, H, W) = {image_shape}, got {moved.shape}: see `size` and `color`")
    return moved


def write_labels(path: Path, raw: RawImages, parts: dict[str, splits.Indices]) -> None:
    """Write where each image of each split came from, and its class."""
    rows = (
        (part, row, raw.labels[index] if raw.labels else "", raw.sources[index])
        for part, indices in parts.items()
        for row, index in enumerate(indices)
    )
    write_csv(path, ("split", "index", "label", "source"), rows)


def describe(raw: RawImages, dataset: config.Dataset, parts: dict[str, splits.Indices]) -> dict[str, object]:
    """Gather meta.json."""
    return {
        "title": dataset.title,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "shape": dataset.image_shape,
        "scale": 1 / 255,
        "classes": sorted(set(raw.labels or ())),
        "counts": {part: len(indices) for part, indices in parts.items()},
        "split": dataset.split,
        "seed": dataset.seed,
    }


if __name__ == "__main__":
    command.run(main)
