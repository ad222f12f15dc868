"""The tests' own params.yaml: every family and format that comes with the dependencies, trained for a few epochs."""

import json
from typing import Any

from dvc.utils.serialize import dumps_yaml

HEADER = "# yaml-language-server: $schema=params.schema.json\n"
QUICKSTART = (  # the models of group `quickstart` in the order of its report: by data set, PCA first
    *("digits-pca", "digits-conv", "digits-dense", "digits-vae"),
    "photos-tiles",
)
PHOTOS = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "brick.png": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    "camera.png": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "cell.png": "8d23a7fb81f7cc877cd09f330357fc7f595651306e84e17252f6e0a1b3f61515",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "coins.png": "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    "grass.png": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    "moon.png": "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577",
    "page.png": "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    "text.png": "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1",
}


def params() -> dict[str, Any]:
    """Return all of params.yaml, the caller's to change."""
    return unshared({"downloads": DOWNLOADS, "datasets": DATASETS, "models": MODELS, "groups": GROUPS, "train": TRAIN})


def to_yaml(values: dict[str, Any]) -> str:
    """Return params.yaml as DVC writes it."""
    text: str = HEADER + dumps_yaml(unshared(values))
    return text


def unshared(values: dict[str, Any]) -> dict[str, Any]:
    """Return a copy in which nothing stands twice: YAML would make an anchor of it."""
    copy: dict[str, Any] = json.loads(json.dumps(values))
    return copy


def bundled(file: str, package: str, sha256: str) -> dict[str, Any]:
    """Return the entry of a file that lies in an installed package."""
    return {"file": file, "urls": [f"package:{package}/"], "sha256": [sha256]}


DOWNLOADS: dict[str, Any] = {
    "digits": [
        bundled(
            "digits.csv.gz", "sklearn/datasets/data", "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
        )
    ],
    "faces": [
        bundled("lfw_subset.npy", "skimage/data", "9560ec2f5edfac01973f63a8a99d00053fecd11e21877e18038fbe500f8e872c")
    ],
    "photos": [bundled(file, "skimage/data", sha256) for file, sha256 in PHOTOS.items()],
}
DATASETS: dict[str, Any] = {
    "digits": {
        "title": "Digits, 8x8",
        "license": "CC BY 4.0",
        "citation": "E. Alpaydin and C. Kaynak (1998), UCI Machine Learning Repository",
        "source": "data/raw/digits",
        "format": "csv",
        "options": {"white": 16, "label": "last"},
        "size": [8, 8],
    },
    "faces": {
        "title": "Faces, 25x25",
        "license": "that of skimage.data.lfw_subset",
        "citation": "G. B. Huang et al. (2007), Labeled Faces in the Wild",
        "source": "data/raw/faces",
        "format": "npy",
        "options": {"white": 1, "count": 100},
        "size": [25, 25],
        "split": "random",
    },
    "photos": {
        "title": "Photographs, 64x64",
        "license": "that of each photograph in skimage.data",
        "citation": "S. van der Walt et al. (2014), scikit-image",
        "source": "data/raw/photos",
        "format": "folder",
        "size": [64, 64],
    },
}
ONE_CYCLE = {"name": "one_cycle", "warmup": 0.3}
MODELS: dict[str, Any] = {
    "digits-pca": {
        "group": "quickstart",
        "dataset": "digits",
        "family": "pca",
        "network": {"latent_dim": 8},
        "training": {},
    },
    "digits-dense": {
        "group": "quickstart",
        "dataset": "digits",
        "family": "dense",
        "network": {"hidden": [256, 64], "latent_dim": 8},
        "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.005, "schedule": ONE_CYCLE},
    },
    "digits-conv": {
        "group": "quickstart",
        "dataset": "digits",
        "family": "conv",
        "network": {
            "encoder": [{"filters": 8}, {"filters": 16, "pool": 2}],
            "latent_dim": 8,
            "decoder": [{"filters": 8, "upsample": 2}],
        },
        "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.01, "schedule": ONE_CYCLE},
    },
    "digits-vae": {
        "group": "quickstart",
        "dataset": "digits",
        "family": "vae",
        "network": {
            "latent_dim": 8,
            "encoder": [{"filters": 8, "pool": 2}, {"filters": 16, "pool": 2}],
            "decoder": [{"filters": 16, "transposed": True, "stride": 2}],
        },
        "training": {"epochs": 5, "batch_size": 64, "learning_rate": 0.003, "patience": 3},
    },
    "photos-tiles": {
        "group": "quickstart",
        "dataset": "photos",
        "family": "tiles",
        "network": {"tile": [8, 8], "hidden": [64], "tile_latent_dim": 8},
        "training": {"epochs": 5, "batch_size": 64, "learning_rate": 0.01, "schedule": ONE_CYCLE},
    },
    "faces-pca": {
        "group": "faces",
        "dataset": "faces",
        "family": "pca",
        "network": {"latent_dim": 16},
        "training": {},
    },
    "faces-dense": {
        "group": "faces",
        "dataset": "faces",
        "family": "dense",
        "network": {"hidden": [64], "latent_dim": 16},
        "training": {
            "epochs": 3,
            "batch_size": 16,
            "learning_rate": 0.001,
            "patience": 2,
            "seeds": [0, 1, 2],
        },
    },
}
GROUPS: dict[str, Any] = {
    "quickstart": {"title": "Images that come with the dependencies"},
    "faces": {"title": "A hundred faces"},
}
TRAIN: dict[str, Any] = {
    "launch": "python",
    "deterministic": True,
    "precision": "auto",
    "channels_last": True,
    "data": "auto",
    "checkpoint_seconds": 60,
}
