"""What `gather` leaves of a group, made here of scikit-learn's digits and of PCA: small, and every number is real."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from hourglass.metrics.interval import mean_interval
from hourglass.metrics.paired import mean_difference
from hourglass.metrics.quality import METRICS

Bytes = NDArray[np.uint8]
Values = NDArray[np.float64]
GROUP: dict[str, Any] = {
    "title": "Digits <& crops>",
    "published": {"digits-vae": {"ssim": 0.25, "source": "a <i>paper</i>"}},
    "notes": {"crops-dense": "ours; a test", "digits-dense": "ours; a test"},
}
SENTENCES = [
    "digits, 8 numbers: PCA, `digits-pca`, is the best on the validation images. PCA is better than `digits-vae`.",
    "crops, 4 numbers: `crops-dense`.",
]
NUMBERS = {"digits": 8, "crops": 4}
POINTS = 60


def make_gathered(folder: Path) -> None:
    """Write a group of four models on two data sets: PCA of all training images, and of 30 of them as if it were another."""
    digits, labels = load_digits(return_X_y=True)
    images = np.round(digits * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    names = [str(label) for label in labels]
    sets = {
        "digits": (images[:400], images[400:600], names[:400], names[400:600]),
        "crops": (images[600:900, :, 1:7, 1:7], images[900:920, :, 1:7, 1:7], [""] * 300, [""] * 20),
    }
    facts: dict[str, Any] = {}
    datasets: dict[str, Any] = {}
    curves: list[tuple[object, ...]] = []
    projections: dict[str, pd.DataFrame] = {}
    for dataset, (train, test, train_labels, test_labels) in sets.items():
        found = models(dataset, train, test)
        psnr = {name: score("psnr_db", test, decoded) for name, (_, _, decoded) in found.items()}
        order = np.argsort(psnr[f"{dataset}-pca"])[::-1].tolist()
        middle = len(order) // 2
        chosen = {"best": order[:5], "median": order[middle - 2 : middle + 3], "worst": order[-5:]}
        indices = [index for why in ("best", "median", "worst") for index in chosen[why]]
        datasets[dataset] = data_set(dataset, train, test, chosen, test_labels)
        write_strip(folder / "images" / dataset / "original.png", test[indices])
        write_strip(folder / "thumbnails" / f"{dataset}.png", test[:POINTS])
        write_strip(folder / "preview" / f"{dataset}.png", train[:12])
        curves += jpeg_curve(dataset, test)
        for name, (pca, latents, decoded) in found.items():
            twin = None if name.endswith("-pca") else (psnr[name], psnr[f"{dataset}-pca"])
            facts[name] = model(name, dataset, test, decoded, twin)
            facts[name]["worth"] = worth(pca, train, latents, train_labels, test_labels)
            write_strip(folder / "images" / dataset / f"{name}.png", decoded[indices])
            curves += [(dataset, name, "model", "step 1", 12.5, psnr[name].mean(), 0.9)]
            projections[name] = projection(latents, test_labels)
    vary(folder, models("digits", *sets["digits"][:2])["digits-vae"][0])
    for name, points in projections.items():
        (folder / "projections").mkdir(exist_ok=True)
        points.to_csv(folder / "projections" / f"{name}.csv", index=False)
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / "datasets.json").write_text(json.dumps(datasets), encoding="utf-8")
    columns = ["dataset", "codec", "kind", "setting", "bytes", "psnr_db", "ssim"]
    pd.DataFrame(curves, columns=columns).to_csv(folder / "curves.csv", index=False)
    rates = pd.DataFrame(
        [("digits", "digits-vae", "pca", 12.4)], columns=["dataset", "model", "against", "bd_rate_percent"]
    )
    rates.to_csv(folder / "bd_rates.csv", index=False)
    epochs = [(name, epoch, 1 / epoch, 1.1 / epoch) for name in facts for epoch in range(1, 6)]
    pd.DataFrame(epochs, columns=["model", "epoch", "train_loss", "val_loss"]).to_csv(
        folder / "histories.csv", index=False
    )


def models(dataset: str, train: Bytes, test: Bytes) -> dict[str, tuple[PCA, Values, Bytes]]:
    """Return the models of a data set: each with the latents of the test images and what they are decoded to."""
    found = {}
    other = "digits-vae" if dataset == "digits" else "crops-dense"
    for name, images in {f"{dataset}-pca": train, other: train[:30]}.items():
        pca = PCA(NUMBERS[dataset], svd_solver="full").fit(images.reshape(len(images), -1))
        latents = pca.transform(test.reshape(len(test), -1))
        found[name] = (pca, latents, to_images(pca.inverse_transform(latents), test.shape[1:]))
    return found


def to_images(values: Values, shape: tuple[int, ...]) -> Bytes:
    return np.clip(np.round(values), 0, 255).astype(np.uint8).reshape(-1, *shape)


def score(metric: str, images: Bytes, decoded: Bytes) -> Values:
    scaled = [np.divide(array, 255, dtype=np.float32) for array in (images, decoded)]
    return METRICS[metric].function(scaled[0], scaled[1]).astype(np.float64)


def spread(values: Values) -> dict[str, float]:
    low, high = mean_interval(values)
    return {
        "mean": values.mean(),
        "std": values.std(),
        "low": low,
        "high": high,
        "worst_5_percent": float(np.quantile(values, 0.05)),
    }


def model(name: str, dataset: str, test: Bytes, decoded: Bytes, twin: tuple[Values, Values] | None) -> dict[str, Any]:
    """Return the facts of one model."""
    fits = METRICS["ssim"].why_not(test.shape[1:])
    metrics = ("mse", "psnr_db") if fits else ("mse", "psnr_db", "ssim")
    versus = None
    if twin:
        mean, low, high = mean_difference(*twin)
        versus = {"mean": mean, "low": low, "high": high, "psnr_db": twin[1].mean()}
    family = name.rpartition("-")[2]
    likelihood = (
        {"elbo_nats": -12.5, "k": 64, "likelihood": "<b>gaussian</b>", "frechet": {"samples": 1.25}}
        if family == "vae"
        else None
    )
    scores = {metric: spread(score(metric, test, decoded)) for metric in metrics}
    return {
        "dataset": dataset, "family": family, "latent_dim": NUMBERS[dataset], "bits": 6, "bytes_per_image": 12.5,
        "compression_ratio": test[0].size / 12.5, "tile": None, "images": len(test), "parameters": 640,
        "test": scores, "val": {"psnr_db": scores["psnr_db"]["mean"]},
        "classes": {"10": {"psnr_db": 1.0}, "2": {"psnr_db": 2.0}} if dataset == "digits" else {},
        "seeds": {"count": 3, "mean": {"psnr_db": 20.0}, "std": {"psnr_db": 0.1}} if family == "vae" else None,
        "coded": {"bytes": 12.5, "psnr_db": 20.0}, "versus_pca": versus, "same_bytes": {"JPEG": 99.0} if family == "dense" else {},
        "left_out": {"ssim": fits} if fits else {}, "likelihood": likelihood,
        "training": {"epochs": 5, "device": "CPU", "versions": {"numpy": np.__version__}},
        "config": {"network": {"latent_dim": NUMBERS[dataset], "likelihood": "gaussian"}, "seeds": [0]},
    }  # fmt: skip


def data_set(
    dataset: str, train: Bytes, test: Bytes, chosen: dict[str, list[int]], labels: list[str]
) -> dict[str, Any]:
    """Return the facts of one data set."""
    return {
        "title": f"Digits, {dataset}", "license": "CC BY 4.0", "citation": "Alpaydin & Kaynak <1998>",
        "counts": {"train": len(train), "val": 0, "test": len(test)}, "split": "official", "split_note": "as they lie",
        "groups": None, "classes": sorted(set(labels) - {""}), "shape": list(test.shape[1:]), "copies": 0,
        "preparation": {"color": "gray", "size": list(test.shape[2:])}, "chosen": chosen,
        "labels": {str(index): labels[index] for of in chosen.values() for index in of},
        "sources": {str(index): f"digits[{index}]" for of in chosen.values() for index in of},
    }  # fmt: skip


def worth(pca: PCA, train: Bytes, latents: Values, labels: list[str], test_labels: list[str]) -> dict[str, Any] | None:
    """Return the accuracy of the nearest neighbor in the latents and in the pixels."""
    if not labels[0]:
        return None
    neighbors = KNeighborsClassifier(1).fit(pca.transform(train.reshape(len(train), -1)), labels)
    return {"latents": {"knn_accuracy": neighbors.score(latents, test_labels)}, "pixels": {"knn_accuracy": 0.96875}}


def projection(latents: Values, labels: list[str]) -> pd.DataFrame:
    count = min(POINTS, len(latents))
    columns = {"index": range(count), "pca_1": latents[:count, 0], "pca_2": latents[:count, 1]}
    return pd.DataFrame(
        {**columns, "tsne_1": latents[:count, 2], "tsne_2": latents[:count, 3], "label": labels[:count]}
    )


def jpeg_curve(dataset: str, test: Bytes) -> list[tuple[object, ...]]:
    """Return bytes and PSNR of JPEG files of the test images at two qualities."""
    points: list[tuple[object, ...]] = []
    for quality in (10, 80):
        files = []
        for image in test[:20]:
            buffer = BytesIO()
            Image.fromarray(image[0]).save(buffer, "JPEG", quality=quality)
            files.append(buffer)
        decoded = np.stack([np.asarray(Image.open(file)) for file in files])[:, None]
        psnr = score("psnr_db", test[:20], decoded).mean()
        size = np.mean([len(file.getvalue()) for file in files])
        points.append((dataset, "JPEG", "image codec", f"quality {quality}", size, psnr, None))
    return points


def write_strip(path: Path, images: Bytes) -> None:
    """Write images (N, 1, H, W) side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(list(images[:, 0]), axis=1)).save(path)


def vary(folder: Path, pca: PCA) -> None:
    """Write what the first three numbers do, a row each, and four new images."""
    values = [-100.0, -50.0, 0.0, 50.0, 100.0]
    latents = np.zeros((3, len(values), NUMBERS["digits"]))
    for row in range(3):
        latents[row, :, row] = values
    decoded = to_images(pca.inverse_transform(latents.reshape(-1, NUMBERS["digits"])), (8, 8)).reshape(
        3, len(values), 8, 8
    )
    (folder / "variations").mkdir()
    grid = np.concatenate([np.concatenate(list(row), axis=1) for row in decoded])
    Image.fromarray(grid).save(folder / "variations" / "digits-vae.png")
    about = {"dimensions": [0, 1, 2], "values": values, "kl_nats": [3.0, 2.0, 1.0]}
    (folder / "variations" / "digits-vae.json").write_text(json.dumps(about), encoding="utf-8")
    write_strip(folder / "samples" / "digits-vae.png", decoded[:, 0:1].reshape(-1, 1, 8, 8))
