"""What the latents of a model are worth, and where they lie in two dimensions."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hourglass.arrays.spread import spread, spread_out
from hourglass.coding.fit import encode_images
from hourglass.coding.quantizer import Latents
from hourglass.data.prepared import Bytes, Images
from hourglass.data.tables import write_table
from hourglass.evaluation.subject import Subject
from hourglass.evaluation.twin import RatedTwin
from hourglass.files import write_json
from hourglass.inference.projection import projection
from hourglass.metrics.worth import TEST_IMAGES, TRAIN_IMAGES, worth


def describe_latents(folder: Path, subject: Subject, latents: Latents, twin: RatedTwin | None) -> None:
    """Write worth.json and projection.csv, of the latents (N, D) of the test images and those of training images.

    Beside them, worth.json has what pixels are worth and the latents of the twin, if there is one.
    """
    train, train_rows = spread_out(subject.train, TRAIN_IMAGES), spread(len(subject.train), TRAIN_IMAGES)
    test, rows = spread_out(subject.test, TEST_IMAGES), spread(len(subject.test), TEST_IMAGES)
    labels = subject.labels_of("train"), subject.labels_of("test")
    values = worth(
        (encode_images(subject.network, train, subject.device), latents[rows]),
        (_flat(train), _flat(test)),
        ([labels[0][row] for row in train_rows], [labels[1][row] for row in rows]),
        None if twin is None else (encode_images(twin.network, train, subject.device), twin.latents[rows]),
    )
    points, left_out = projection(latents)
    write_table(folder / "projection.csv", points)
    write_json(folder / "worth.json", values | ({"without": left_out} if left_out else {}))


def _flat(images: Images) -> NDArray[np.uint8]:
    """Return images (N, C, H, W) as rows (N, C * H * W)."""
    pixels: Bytes = images[: len(images)]
    return pixels.reshape(len(pixels), -1)
