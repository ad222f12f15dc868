"""Evaluate a model: write all that is known of it into one folder, which the stage `evaluate` lists."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hourglass.coding.fit import Coding, fit_coding
from hourglass.coding.rating import file_scores, rate_curve
from hourglass.console.errors import UserError
from hourglass.data.tables import write_table
from hourglass.evaluation.latents import describe_latents
from hourglass.evaluation.subject import Subject
from hourglass.evaluation.twin import rate_twin
from hourglass.files import write_json
from hourglass.inference.generate import generate
from hourglass.inference.likelihood import likelihood
from hourglass.inference.rating import encode_and_score, rate
from hourglass.metrics.scores import Scores, left_out, shortened, to_table
from hourglass.metrics.summary import by_class, summarize
from hourglass.networks.base.autoencoder import Generative

BEYOND = 2  # bits above those of the model's files, up to which its curve goes: PSNR gains little from there on
BASELINE = "pca"  # the family that needs no twin


@dataclass(frozen=True)
class Evaluation:
    """What the metrics in git and the packed model need of an evaluation.

    Attributes:
        coding: How latents become files.
        test: The scores of each test image.
        val: The same of the validation images.
        files: Of test images, see `hourglass.coding.rating.file_scores`.
    """

    coding: Coding
    test: Scores
    val: Scores
    files: Mapping[str, float]


def evaluate(folder: Path, subject: Subject) -> Evaluation:
    """Score a model and its twin, and write the files that the stage `evaluate` lists."""
    network, device = subject.network, subject.device
    scores = rate(folder, subject.name, network, subject.test, device)
    latents = np.load(folder / "latents.npy")
    val_latents, val_scores = encode_and_score(network, subject.val, device)
    coding = fit_coding(network, subject.train, subject.val, device)
    stored = {
        split: file_scores(network, coding.quantizer, coding.bits, of_split, images, device)
        for split, of_split, images in (("test", latents, subject.test), ("val", val_latents, subject.val))
    }
    write_json(folder / "files.json", {split: shortened(means) for split, means in stored.items()})
    write_scores(folder, scores, val_scores, subject.labels_of("test"))
    most = coding.bits + BEYOND
    curves = {"model": rate_curve(network, coding.quantizer, most, latents, subject.test, device)}
    without, twin = left_out(network.image_shape), None
    if subject.family != BASELINE:
        try:
            twin = rate_twin(folder, subject, most)
            curves["pca"] = twin.curve
        except UserError as error:
            without["pca"] = str(error)
    describe_latents(folder, subject, latents, twin)
    write_table(folder / "curve.csv", pd.concat(curves, names=["codec", "row"]).reset_index("codec"))
    write_json(folder / "about.json", about(subject, coding.bits, stored["test"]["bytes"], without))
    if isinstance(network, Generative):
        generate(folder, network, subject.test, torch.from_numpy(latents), device)
        write_json(folder / "likelihood.json", likelihood(network, subject.train, subject.test, device))
    return Evaluation(coding, scores, val_scores, stored["test"])


def write_scores(folder: Path, test: Scores, val: Scores, labels: list[str]) -> None:
    """Write the scores of every image of both splits, and how they are spread, by class too."""
    write_table(folder / "scores.csv", to_table(test))
    write_table(folder / "val_scores.csv", to_table(val))
    summary = {"test": summarize(test), "val": summarize(val), "classes": by_class(test, labels)}
    write_json(folder / "summary.json", summary)


def about(subject: Subject, bits: int, bytes_per_image: float, without: Mapping[str, str]) -> dict[str, object]:
    """Return the values of about.json; `hourglass.metrics.results.About` says what they are, for whoever reads it."""
    network = subject.network
    tile = tuple(getattr(network, "tile", network.image_shape[1:]))
    return {
        "dataset": subject.dataset,
        "family": subject.family,
        "tile": None if tile == network.image_shape[1:] else tile,
        "left_out": without,
        "latent_dim": network.latent_dim,
        "parameters": sum(tensor.numel() for tensor in network.state_dict().values()),
        "bits": bits,
        "bytes_per_image": bytes_per_image,
        "compression_ratio": math.prod(network.image_shape) / bytes_per_image,
    }
