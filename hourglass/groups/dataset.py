"""What a report shows of a data set: its card, and the same few test images of all of its models."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hourglass.arrays.spread import spread
from hourglass.data.documents import read_json
from hourglass.data.prepared import Images, open_array
from hourglass.data.tables import write_table
from hourglass.files import write_json
from hourglass.groups.choice import KINDS, choose
from hourglass.groups.model import Evaluated
from hourglass.groups.strips import THUMBNAIL, write_grid, write_strip
from hourglass.metrics.results import Meta, Varied

POINTS = 400  # latents in two dimensions, at most


def card(meta: Meta, best: Evaluated) -> dict[str, Any]:
    """Return what datasets.json has of a data set: what `prepare` says of it, and which test images are shown.

    `best` is the model by whose PSNR these are the best, the median and the worst.
    """
    table = best.table("labels", "index", "label", "source")
    chosen = choose(best.psnr())
    shown = table.set_index("index").loc[[index for kind in KINDS for index in chosen[kind]]]
    return asdict(meta) | {
        "chosen": chosen,
        "chosen_by": best.name,
        "labels": {str(index): label for index, label in shown["label"].items()},
        "sources": {str(index): source for index, source in shown["source"].items()},
    }


def write_pictures(folder: Path, dataset: str, shown: Sequence[int], test: Images, models: Sequence[Evaluated]) -> None:
    """Write strips of some test images, and of what each model and its twin make of them."""
    images = folder / "images" / dataset
    write_strip(images / "original.png", [test[index] for index in shown])
    for model in models:
        for suffix, prefix in (("", ""), (".pca", "pca_")):
            if model.has(f"{prefix}reconstructions.npy"):
                array = model.reconstructions(test.shape, prefix)
                write_strip(images / f"{model.name}{suffix}.png", [array[index] for index in shown])


def write_points(folder: Path, dataset: str, test: Images, models: Sequence[Evaluated]) -> None:
    """Write the latents of some test images in two dimensions, and small pictures of these images."""
    (folder / "projections").mkdir(exist_ok=True)
    chosen: list[int] = []
    for model in models:
        table = model.table("projection", "index")
        table = table.iloc[spread(len(table), POINTS)]
        chosen = table["index"].tolist()
        labels = model.table("labels", "label")["label"].iloc[chosen]
        write_table(folder / "projections" / f"{model.name}.csv", table.assign(label=labels.to_numpy()))
    write_strip(folder / "thumbnails" / f"{dataset}.png", [test[index] for index in chosen], THUMBNAIL, THUMBNAIL)


def write_generated(folder: Path, model: Evaluated) -> None:
    """Write what a generative model makes of latents that come from no image, if it is one."""
    for kind in ("samples", "variations"):
        if model.has(f"{kind}.npy"):
            shape = (None,) * (5 if kind == "variations" else 4)
            images = open_array(model.folder / f"{kind}.npy", np.uint8, shape, model.again)
            write_grid(folder / kind / f"{model.name}.png", images.reshape(-1, *images.shape[-4:]))
    if model.has("variations.npy"):
        about = read_json(model.folder / "variations.json", Varied, model.again)
        write_json(folder / "variations" / f"{model.name}.json", asdict(about))
