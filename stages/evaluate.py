"""Score one model -> metrics/{val,test}/<model>.json and data/evaluated/<model>/, and pack it -> data/models/<model>/.

What lies in data/evaluated/<model>/ is of the test split:

reconstructions.npy   uint8 (N, C, H, W), like the split
latents.npy           float32 (N, D)
labels.csv            index,label,source, a row an image
scores.csv            index and a column for each metric, a row an image
seeds.csv             seed and the mean of each metric, a row a seed; if the model was trained with several
about.json            dataset, family, size of the latent and of its file, tile, and why a metric was left out
files.json            of test and val: bytes of an image in a file of all, PSNR and SSIM of what comes out of it
SHA256SUMS            of all arrays and tables

and from a generative family the files that hourglass/inference/generate.py lists; in data/models/<model>/, those that
hourglass/codec/package.py lists.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hourglass.codec.card import Source, model_card
from hourglass.codec.package import pack
from hourglass.coding.fit import encode_images, fit_coding
from hourglass.coding.rating import file_scores
from hourglass.config.document import Params
from hourglass.config.entries import Model
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.content import split_id
from hourglass.data.documents import read_json
from hourglass.data.prepared import Images, open_split
from hourglass.data.sums import write_sums
from hourglass.data.tables import read_table, require_rows, write_table
from hourglass.files import whole_folder, write_json
from hourglass.inference.device import choose_device, enough_memory, keep_freed_memory
from hourglass.inference.generate import generate
from hourglass.inference.rating import mean_scores, rate
from hourglass.inference.store import load_model, remove_finished, weights_file
from hourglass.metrics.about import about
from hourglass.metrics.scores import mean, shortened
from hourglass.networks.base.autoencoder import Autoencoder, Generative
from stages.paths import CHECKPOINTS, EVALUATED, LOCKS, METRICS, MODELS, PARAMS, PREPARED, TRAINED, remedy


def main(name: str) -> None:
    """Score one trained model, keep its reconstructions and latents of the test split, and pack it as a codec."""
    entry = Params.load(PARAMS).keywords(Model, "models", name)
    prepared = PREPARED / entry["dataset"]
    keep_freed_memory()
    device = choose_device()
    network, config = load_model(TRAINED / name, device, remedy=remedy(f"train@{name}"))
    again = remedy(f"prepare@{prepared.name}")
    source = read_json(prepared / "meta.json", Source, again)
    splits = {split: open_split(prepared / split, again) for split in ("train", "val", "test")}
    check_shapes(prepared, network, splits, name)
    train, val, test = splits.values()
    shape, seeds = network.image_shape, config.get("seeds", [0])  # there were none in the configs of earlier commits
    with (
        enough_memory(device, "the images that go through the network at once", "make the network smaller"),
        whole_folder(EVALUATED / name) as folder,
    ):
        scores = rate(folder, name, network, test, device)
        means, latents = mean(scores), np.load(folder / "latents.npy")
        coding = fit_coding(network, train, val, device)
        val_means, val_latents = mean_scores(network, val, device), encode_images(network, val, device)
        files = file_scores(network, coding, latents, test, device)
        val_files = file_scores(network, coding, val_latents, val, device)
        write_json(folder / "files.json", {"test": shortened(files), "val": shortened(val_files)})
        write_table(folder / "scores.csv", pd.DataFrame(scores).rename_axis("index").reset_index())
        write_labels(folder / "labels.csv", prepared / "labels.csv", len(test), again)
        facts = entry["dataset"], entry["family"], shape, tuple(getattr(network, "tile", shape[1:]))
        write_json(folder / "about.json", about(*facts, network.latent_dim, coding.bits, files["bytes"]))
        if len(seeds) > 1:
            write_seeds(folder / "seeds.csv", name, means, seeds, test, device)
        if isinstance(network, Generative):
            generate(folder, network, test, torch.from_numpy(latents), device)
        write_sums(folder)
    with whole_folder(MODELS / name) as folder:
        card = model_card(name, config, network.latent_dim, source, scores, files, coding.bits)
        pack(folder, name, network, config, coding, card)
    write_json(METRICS / "val" / f"{name}.json", shortened(val_means) | {"split_id": split_id(val)})
    write_json(METRICS / "test" / f"{name}.json", shortened(means) | {"split_id": split_id(test)})
    remove_finished(CHECKPOINTS / name)  # DVC has stored the model
    print(f"{name}: " + ", ".join(f"{metric} {value:.4g}" for metric, value in means.items()))


def check_shapes(prepared: Path, network: Autoencoder, splits: Mapping[str, Images], name: str) -> None:
    """Raise UserError unless all splits have images, of the shape that the network is for."""
    for split, images in splits.items():
        if images.shape[1:] != network.image_shape or not len(images):
            expected = f"{prepared / split}: expected images of {network.image_shape}, as {name} was trained on"
            raise UserError(f"{expected}, got {len(images)} of {images.shape[1:]}: {remedy(f'train@{name}')}")


def write_labels(path: Path, labels: Path, images: int, again: str) -> None:
    """Keep the rows of the test split, which are in the order of its images."""
    table = read_table(labels, ["split", "index", "label", "source"], again)
    table = table.loc[table["split"] == "test", ["index", "label", "source"]]
    require_rows(labels, table["index"], range(images), again)
    write_table(path, table)


def write_seeds(
    path: Path, name: str, first: dict[str, float], seeds: list[int], images: Images, device: torch.device
) -> None:
    """Write the mean scores of the same model for every seed; `first` are those of the first seed."""
    again = remedy(f"train@{name}")
    networks = (load_model(TRAINED / name, device, weights_file(seed), again)[0] for seed in seeds[1:])
    further = [mean_scores(network, images, device) for network in networks]
    write_table(path, pd.DataFrame([first, *further], index=pd.Index(seeds, name="seed")).reset_index())


if __name__ == "__main__":
    command.run(main, LOCKS)
