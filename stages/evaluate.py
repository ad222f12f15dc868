"""Score one model on its test split -> metrics/<group>/<model>.json and data/evaluated/<group>/<model>/.

reconstructions.npy   uint8 (N, C, H, W), like the test split
latents.npy           float32 (N, D)
scores.csv            index,mse,mae,psnr_db[,ssim], a row an image
about.json            dataset, family, and why a metric was left out
"""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages import command, config
from stages.datasets.prepared import Bytes, array_file, open_split
from stages.files import rounded, whole_file, whole_folder, write_csv, write_json
from stages.metrics import quality
from stages.metrics import ssim as structural
from stages.metrics.size import size
from stages.models.autoencoder import Autoencoder, scale
from stages.models.store import load_model, weights_file
from stages.paths import EVALUATED, METRICS, MODELS, PREPARED
from stages.progress import progress
from stages.schema import Model
from stages.training.device import choose_device

Scores = dict[str, NDArray[np.float64]]  # a metric's name -> its value for each image
BATCH_VALUES = 1 << 24  # floats in a batch of images: 64 MiB, and a few times that inside a network


def main(name: str) -> None:
    """Score one trained model on its test split, and keep what it made of it."""
    settings = config.load().model(name)
    device = choose_device()
    model, description = load_model(MODELS / name, device)
    images = open_split(PREPARED / settings.dataset / "test.npy")
    metrics = METRICS / settings.group / f"{name}.json"
    with whole_folder(EVALUATED / settings.group / name) as folder, whole_file(metrics) as partial:
        scores = evaluate(model, images, folder, device, name)
        means = mean(scores)
        further = [rate(MODELS / name, seed, images, device, name) for seed in description.get("seeds", [0])[1:]]
        write_json(folder / "about.json", about(settings, model))
        write_scores(folder / "scores.csv", scores)
        write_json(partial, means | spread([means, *further]) | size(model.latent_dim, model.image_shape))
    print(f"{name}: " + ", ".join(f"{metric} {value:.4g}" for metric, value in means.items()))


def evaluate(model: Autoencoder, images: Bytes, folder: Path, device: torch.device, name: str) -> Scores:
    """Write the latents and reconstructions of all images, batch by batch, and return their scores."""
    batches = []
    with (
        array_file(folder / "latents.npy", "<f4", (len(images), model.latent_dim)) as latents,
        array_file(folder / "reconstructions.npy", "|u1", images.shape) as reconstructions,
    ):
        for originals, encoded, decoded in reconstruct_all(model, images, device, name):
            latents.write(encoded.cpu().numpy().astype("<f4").tobytes())
            reconstructions.write(decoded.mul(255).round().byte().cpu().numpy().tobytes())
            batches.append(score(originals.cpu().numpy(), decoded.cpu().numpy()))
    return join(batches)


def rate(folder: Path, seed: int, images: Bytes, device: torch.device, name: str) -> dict[str, float]:
    """Give the mean scores of the same model, trained with another seed."""
    model, _ = load_model(folder, device, weights_file(seed))
    batches = [
        score(originals.cpu().numpy(), decoded.cpu().numpy())
        for originals, _, decoded in reconstruct_all(model, images, device, f"{name}, seed {seed}")
    ]
    return mean(join(batches))


def reconstruct_all(
    model: Autoencoder, images: Bytes, device: torch.device, title: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Give originals, latents and reconstructions, batch by batch, with a progress bar."""
    with progress(len(images), title, "img") as bar:
        for rows in batch_slices(images):
            originals = scale(torch.from_numpy(np.array(images[rows])).to(device))
            yield originals, *reconstruct(model, originals)
            bar.update(rows.stop - rows.start)


def join(batches: Sequence[Scores]) -> Scores:
    """Put the scores of batches one after the other."""
    return {metric: np.concatenate([batch[metric] for batch in batches]) for metric in batches[0]}


def mean(scores: Scores) -> dict[str, float]:
    """Average every metric over the images."""
    return {metric: rounded(values.mean()) for metric, values in scores.items()}


def spread(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Give the mean and the sample standard deviation of each score over runs with several seeds; nothing for one."""
    if len(runs) == 1:
        return {}
    columns = {metric: [run[metric] for run in runs] for metric in runs[0]}
    means = {f"{metric}_mean": rounded(statistics.mean(values)) for metric, values in columns.items()}
    deviations = {f"{metric}_std": rounded(statistics.stdev(values)) for metric, values in columns.items()}
    return means | deviations | {"seeds": len(runs)}


@torch.no_grad()
def reconstruct(model: Autoencoder, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode and decode (N, C, H, W); what a family gives outside [0, 1] is no image, and is clipped for all alike."""
    latents = model.encode(images)
    return latents, model.decode(latents).clamp(0, 1)


def batch_slices(images: Bytes) -> Iterator[slice]:
    """Cut N images into batches of bounded memory."""
    step = max(1, BATCH_VALUES // int(np.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        yield slice(start, min(start + step, len(images)))


def score(images: quality.Images, reconstructions: quality.Images) -> Scores:
    """Rate each image (N, C, H, W) by every metric that its size allows."""
    mse = quality.mse(images, reconstructions)
    scores = {"mse": mse, "mae": quality.mae(images, reconstructions), "psnr_db": quality.psnr_db(mse)}
    if not structural.why_not(images.shape[1:]):
        scores["ssim"] = structural.ssim(images, reconstructions)
    return scores


def about(settings: Model, model: Autoencoder) -> dict[str, object]:
    """Say what a report needs to know beside the numbers."""
    reason = structural.why_not(model.image_shape)
    return {"dataset": settings.dataset, "family": settings.family, "left_out": {"ssim": reason} if reason else {}}


def write_scores(path: Path, scores: Scores) -> None:
    """Write a row for each image."""
    rows = zip(*scores.values(), strict=True)
    write_csv(path, ["index", *scores], ([index, *map(rounded, row)] for index, row in enumerate(rows)))


if __name__ == "__main__":
    command.run(main)
