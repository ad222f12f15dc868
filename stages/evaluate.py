"""Score one model on its test split -> metrics/<group>/<model>.json and data/evaluated/<group>/<model>/.

reconstructions.npy   uint8 (N, C, H, W), like the test split
latents.npy           float32 (N, D)
labels.csv            index,label,source, a row an image
scores.csv            index,mse,mae,psnr_db[,ssim], a row an image
about.json            dataset, family, tile, and why a metric was left out

and from a generative family, each uint8:

samples.npy           (S, C, H, W), of latents drawn from the prior
variations.npy        (D, S, C, H, W), one dimension at a time, that which matters most first
variations.json       the dimensions and their mean KL divergence in nats, in that order; the values in each row
interpolation.npy     (S, C, H, W), between the first test image and that whose latent lies farthest from its
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.common import command, config
from stages.common.errors import UserError
from stages.common.files import read_csv, rounded, whole_folder, write_csv, write_json
from stages.common.paths import EVALUATED, METRICS, MODELS, PREPARED
from stages.common.prepared import Bytes, array_file, open_split
from stages.common.progress import progress
from stages.common.schema import Model
from stages.metrics.rating import mean_scores
from stages.metrics.scores import Scores, join, mean, score
from stages.metrics.size import size
from stages.metrics.ssim import why_not
from stages.models.base.autoencoder import Autoencoder, Generative
from stages.models.base.device import choose_device, enough_memory
from stages.models.base.reconstruction import batches, reconstruct, to_bytes
from stages.models.base.store import load_model, weights_file
from stages.models.traversals import farthest, interpolation, samples, variations

SAMPLES, STEPS = 10, 11  # images drawn from the prior, and from one end of a row to the other
ROWS = 40  # dimensions that are varied, at most
REACH = 3.0  # standard deviations of the prior, to both sides


def main(name: str) -> None:
    """Score one trained model on its test split, and keep what it made of it."""
    settings = config.load().model(name)
    device = choose_device()
    model, description = load_model(MODELS / name, device)
    prepared = PREPARED / settings.dataset
    images = open_split(prepared / "test.npy")
    with (
        enough_memory(device, "the images that go through the network at once", "make the network smaller"),
        whole_folder(EVALUATED / settings.group / name) as folder,
    ):
        scores = evaluate(model, images, folder, device, name)
        means = mean(scores)
        runs = [means, *(rate(MODELS / name, seed, images, device) for seed in description.get("seeds", [0])[1:])]
        write_json(folder / "about.json", about(settings, model))
        write_labels(folder / "labels.csv", prepared / "labels.csv")
        write_scores(folder / "scores.csv", scores)
        if isinstance(model, Generative):
            generate(model, images, folder, device)
        known = {metric: rounded(value) for metric, value in (means | spread(runs)).items()}
        seeds = {"seeds": len(runs)} if len(runs) > 1 else {}
        write_json(METRICS / settings.group / f"{name}.json", known | seeds | size(model.latent_dim, model.image_shape))
    print(f"{name}: " + ", ".join(f"{metric} {value:.4g}" for metric, value in means.items()))


def evaluate(model: Autoencoder, images: Bytes, folder: Path, device: torch.device, name: str) -> Scores:
    """Write the latents and reconstructions of all images, batch by batch, and return their scores."""
    scores = []
    with (
        array_file(folder / "latents.npy", "<f4", (len(images), model.latent_dim)) as latents,
        array_file(folder / "reconstructions.npy", "|u1", images.shape) as reconstructions,
        progress(len(images), name, "img") as bar,
    ):
        for originals, encoded, decoded in reconstruct(model, images, device):
            latents.write(encoded.cpu().numpy().astype("<f4").tobytes())
            reconstructions.write(to_bytes(decoded).tobytes())
            scores.append(score(originals.cpu().numpy(), decoded.cpu().numpy()))
            bar.update(len(originals))
    return join(scores)


def rate(folder: Path, seed: int, images: Bytes, device: torch.device) -> dict[str, float]:
    """Give the mean scores of the same model, trained with another seed."""
    model, _ = load_model(folder, device, weights_file(seed))
    return mean_scores(model, images, device)


def spread(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Give the mean and the sample standard deviation of each score over runs with several seeds; nothing for one."""
    if len(runs) == 1:
        return {}
    columns = {metric: [run[metric] for run in runs] for metric in runs[0]}
    means = {f"{metric}_mean": statistics.mean(values) for metric, values in columns.items()}
    deviations = {f"{metric}_std": statistics.stdev(values) for metric, values in columns.items()}
    return means | deviations


@torch.no_grad()
def generate(model: Autoencoder, images: Bytes, folder: Path, device: torch.device) -> None:
    """Write what the decoder makes of latents that no image gave, and how much each dimension of the latent matters."""
    assert isinstance(model, Generative)
    kl = torch.cat([model.divergences(batch).double().cpu() for batch in batches(images, device)]).mean(dim=0)
    if not kl.isfinite().all():
        raise UserError(
            f"expected finite KL divergences of the test images, got {kl.max()}: lower `learning_rate`, and train again"
        )
    order = kl.argsort(descending=True, stable=True)[:ROWS].tolist()
    values = torch.from_numpy(np.linspace(-REACH, REACH, STEPS)).float()  # of torch, the middle would not be 0

    def decode(latents: torch.Tensor) -> NDArray[np.uint8]:
        return to_bytes(model.decode(latents.to(device)).clamp(0, 1))

    np.save(folder / "samples.npy", decode(samples(SAMPLES, model.latent_dim)))
    with array_file(folder / "variations.npy", "|u1", (len(order), STEPS, *model.image_shape)) as varied:
        for dimension in order:
            varied.write(decode(variations(dimension, model.latent_dim, values)).tobytes())
    latents = torch.from_numpy(np.load(folder / "latents.npy"))
    np.save(folder / "interpolation.npy", decode(interpolation(latents[0], latents[farthest(latents)], STEPS)))
    described = {"dimensions": order, "kl_nats": [rounded(kl[at].item()) for at in order]}
    write_json(folder / "variations.json", described | {"values": [rounded(value) for value in values.tolist()]})


def about(settings: Model, model: Autoencoder) -> dict[str, object]:
    """Say what plots and reports need to know beside the numbers."""
    reason = why_not(model.image_shape)
    return {
        "dataset": settings.dataset,
        "family": settings.family,
        "tile": getattr(settings.network, "tile", None),
        "left_out": {"ssim": reason} if reason else {},
    }


def write_labels(path: Path, labels: Path) -> None:
    """Keep what the prepared data set says of each test image beside its latent."""
    columns = ("index", "label", "source")
    rows = (row for row in read_csv(labels) if row["split"] == "test")
    write_csv(path, columns, ([row[column] for column in columns] for row in rows))


def write_scores(path: Path, scores: Scores) -> None:
    """Write a row for each image."""
    rows = zip(*scores.values(), strict=True)
    write_csv(path, ["index", *scores], ([index, *map(rounded, row)] for index, row in enumerate(rows)))


if __name__ == "__main__":
    command.run(main)
