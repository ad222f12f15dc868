"""What `tests.benchmarks.training` trains: a later workload is one entry more in `WORKLOADS`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hourglass.data.prepared import open_split, shard_path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Workload:
    """One network on one prepared data set.

    `train` and `val` are how many images to take, None for all. `shrink` averages squares of so many pixels a side.
    `epochs` are those that are timed, after one that is not.
    """

    dataset: str
    family: str
    network: Mapping[str, Any]
    batch_size: int
    learning_rate: float
    optimizer: str = "adam"
    optimizer_settings: Mapping[str, float] = field(default_factory=dict)
    train: int | None = None
    val: int | None = None
    shrink: int = 1
    epochs: int = 3


WORKLOADS = {
    "mnist-dense": Workload(
        dataset="mnist",
        family="dense",
        network={
            "hidden": [300],
            "latent_dim": 4,
            "activation": "leaky_relu",
            "latent_activation": "leaky_relu",
            "output_activation": "leaky_relu",
            "negative_slope": 0.3,
        },
        batch_size=256,
        learning_rate=1.0,
        optimizer="adadelta",
        optimizer_settings={"rho": 0.8},
    ),
    "olivetti-dense": Workload(
        dataset="olivetti",
        family="dense",
        network={"hidden": [512], "latent_dim": 128, "latent_activation": "relu"},
        batch_size=32,
        learning_rate=1e-3,
        epochs=10,  # short ones
    ),
    "fashion-baseline": Workload(
        dataset="fashion-mnist",
        family="conv",
        network={
            "latent_dim": 128,
            "encoder": [{"filters": 32}, {"filters": 32, "pool": 2}],
            "decoder": [{"filters": 32, "upsample": 2}, {"filters": 32}],
        },
        batch_size=128,
        learning_rate=1e-3,
        train=200 * 128,
        val=20 * 128,
        epochs=1,
    ),
    "fashion-modified": Workload(
        dataset="fashion-mnist",
        family="conv",
        network={
            "latent_dim": 128,
            "latent_activation": "relu",
            "expand_activation": "relu",
            "encoder": [{"filters": 32}, {"filters": 64, "stride": 2}, {"filters": 128, "stride": 2}],
            "decoder": [
                {"filters": 128, "stride": 2, "transposed": True},
                {"filters": 64, "stride": 2, "transposed": True},
            ],
        },
        batch_size=128,
        learning_rate=1e-3,
        train=200 * 128,
        val=20 * 128,
        epochs=1,
    ),
    "london-conv": Workload(
        dataset="london-faces",
        family="conv",
        network={
            "encoder": [{"filters": filters, "norm": True, "pool": 2} for filters in (128, 64, 32)],
            "decoder": [
                {"filters": filters, "stride": 2, "transposed": True, "norm": True} for filters in (32, 64, 128)
            ],
        },
        batch_size=8,
        learning_rate=0.01 * 8 / 256,
        train=20 * 8,
        val=2 * 8,
        shrink=4,
        epochs=1,
    ),
}


def write_images(workload: Workload, folder: Path, steps: int | None) -> tuple[Path, Path]:
    """Write the images that every runner gets, bytes (N, C, H, W), as two splits of one shard; return their paths.

    With `steps`, both are cut to so many batches.
    """
    paths = []
    for split, count in (("train", workload.train), ("val", workload.val)):
        images = open_split(ROOT / "data/prepared" / workload.dataset / split)[:count]
        if steps is not None:
            images = images[: steps * workload.batch_size]
        path = shard_path(folder / split, 0)
        path.parent.mkdir()
        np.save(path, average_squares(images, workload.shrink))
        paths.append(path)
    return paths[0], paths[1]


def average_squares(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Average squares of `side` pixels: (N, C, H, W) -> (N, C, H / side, W / side)."""
    if side == 1:
        return images
    count, channels, height, width = images.shape
    squares = images.reshape(count, channels, height // side, side, width // side, side)
    return squares.mean((3, 5), dtype=np.float32).round().astype(np.uint8)
