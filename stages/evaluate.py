"""Score one model -> metrics/{val,test}/<model>.json and data/evaluated/<model>/, and pack it -> data/models/<model>/.

What lies in data/evaluated/<model>/ is of the test split, unless its name says otherwise:

reconstructions.npy   uint8 (N, C, H, W), like the split
latents.npy           float32 (N, D)
labels.csv            index,label,source, a row an image
scores.csv            index and a column for each metric, a row an image; val_scores.csv of the validation split
summary.json          of each metric on test and val: mean, std, interval, worst_5_percent; and means by class
pca_*                 the same of the model's twin, PCA of as many numbers: reconstructions, latents, scores
curve.csv             codec,bits,bytes,psnr_db,ssim: files of the model and its twin, from few bits a number to many
worth.json            of its latents: accuracy of classifiers, neighborhoods, and why something was left out
projection.csv        index,pca_1,pca_2,tsne_1,tsne_2: latents in two dimensions
likelihood.json       of a variational autoencoder, see hourglass/inference/likelihood.py
config.json           how the network was made, trained and computed
seeds.csv             seed and the mean of each metric, a row a seed; if the model was trained with several
about.json            what it is, how large it and its files are, and what was left out and why
files.json            of test and val: bytes of an image in a file of all, PSNR and SSIM of what comes out of it
SHA256SUMS            of all arrays and tables

and from a generative family the files that hourglass/inference/generate.py lists; in data/models/<model>/, those that
hourglass/codec/package.py lists.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch

from hourglass.codec.card import Source, model_card
from hourglass.codec.package import pack
from hourglass.config.document import Params
from hourglass.config.entries import Model
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.content import split_id
from hourglass.data.documents import read_json
from hourglass.data.prepared import Images, open_split
from hourglass.data.sums import write_sums
from hourglass.data.tables import read_table, require_rows, write_table
from hourglass.evaluation.evaluate import evaluate
from hourglass.evaluation.subject import Subject
from hourglass.files import whole_folder, write_json
from hourglass.inference.device import choose_device, enough_memory, keep_freed_memory
from hourglass.inference.rating import encode_and_score
from hourglass.inference.store import load_model, remove_finished, weights_file
from hourglass.metrics.scores import mean, tracked
from hourglass.networks.base.autoencoder import Autoencoder
from stages.paths import CHECKPOINTS, EVALUATED, LOCKS, METRICS, MODELS, PARAMS, PREPARED, TRAINED, remedy

KEPT = ("network", "training", "computed", "seeds", "versions")  # of config.json, what a report says of a training


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
    table = read_labels(prepared / "labels.csv", splits, again)
    subject = Subject(name, entry["family"], entry["dataset"], network, **splits, labels=table, device=device)
    with (
        enough_memory(device, "the images that go through the network at once", "make the network smaller"),
        whole_folder(EVALUATED / name) as folder,
    ):
        result = evaluate(folder, subject)
        means = tracked(mean(result.test))
        write_table(folder / "labels.csv", table.loc[table["split"] == "test", ["index", "label", "source"]])
        if len(seeds := config.get("seeds", [0])) > 1:  # there were none in the configs of earlier commits
            write_seeds(folder / "seeds.csv", name, mean(result.test), seeds, splits["test"], device)
        write_json(folder / "config.json", {key: config[key] for key in KEPT if key in config})
        write_sums(folder)
    with whole_folder(MODELS / name) as folder:
        coding = result.coding
        card = model_card(name, config, network.latent_dim, source, result.test, result.files, coding.bits)
        pack(folder, name, network, config, coding, card)
    for split, scores in (("val", result.val), ("test", result.test)):
        values = tracked(mean(scores)) | {"split_id": split_id(splits[split])}
        write_json(METRICS / split / f"{name}.json", values)
    remove_finished(CHECKPOINTS / name)  # DVC has stored the model
    print(f"{name}: " + ", ".join(f"{metric} {value:.4g}" for metric, value in means.items()))


def check_shapes(prepared: Path, network: Autoencoder, splits: Mapping[str, Images], name: str) -> None:
    """Raise UserError unless all splits have images, of the shape that the network is for."""
    for split, images in splits.items():
        if images.shape[1:] != network.image_shape or not len(images):
            expected = f"{prepared / split}: expected images of {network.image_shape}, as {name} was trained on"
            raise UserError(f"{expected}, got {len(images)} of {images.shape[1:]}: {remedy(f'train@{name}')}")


def read_labels(path: Path, splits: Mapping[str, Images], again: str) -> pd.DataFrame:
    """Read the label and the source of every image, in the order of the images."""
    table = read_table(path, ["split", "index", "label", "source"], again)
    for split, images in splits.items():
        require_rows(path, table.loc[table["split"] == split, "index"], range(len(images)), again)
    return table


def write_seeds(
    path: Path, name: str, first: dict[str, float], seeds: list[int], images: Images, device: torch.device
) -> None:
    """Write the mean scores of the same model for every seed; `first` are those of the first seed."""
    again = remedy(f"train@{name}")
    networks = (load_model(TRAINED / name, device, weights_file(seed), again)[0] for seed in seeds[1:])
    further = [mean(encode_and_score(network, images, device)[1]) for network in networks]
    write_table(path, pd.DataFrame([first, *further], index=pd.Index(seeds, name="seed")).reset_index())


if __name__ == "__main__":
    command.run(main, LOCKS)
