"""Gather all that a group's report shows of its models -> data/groups/<group>/.

facts.json        of each model: see `hourglass.metrics.results.Facts`
datasets.json     of each data set: what `prepare` says of it, and which test images are shown
curves.csv        dataset,codec,kind,setting,bytes,psnr_db,ssim: of models, their twins and image codecs
bd_rates.csv      dataset,model,against,bd_rate_percent
histories.csv     model,epoch,train_loss,val_loss
images/           the same test images and what each model makes of them, a strip each, in a folder for each data set
projections/      latents in two dimensions, with pictures of their images in thumbnails/
samples/, variations/   of generative models
preview/          of each data set
SHA256SUMS        of all files

DVC has no stage that depends on the files of a list of models: the stages that run this, one a group with exactly the
files of its models, are generated from params.yaml by `check`.
"""

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from hourglass.config.document import Params
from hourglass.config.entries import Model
from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from hourglass.console.lock import only_process
from hourglass.data.documents import read_json
from hourglass.data.prepared import open_split
from hourglass.data.sums import check_sums
from hourglass.data.tables import read_table, write_table
from hourglass.files import whole_folder, write_json
from hourglass.groups.dataset import card, write_generated, write_pictures, write_points
from hourglass.groups.model import Evaluated, commits, facts_of, read_evaluated
from hourglass.groups.rates import BD_COLUMNS, bd_rates, of_codecs, read_curve, without_repeats
from hourglass.groups.seal import write_seal
from hourglass.metrics.results import BASELINE, Meta
from stages.paths import CODECS, EVALUATED, GROUPS, HISTORY, LOCKS, METRICS, PARAMS, PLOTS, PREPARED, remedy


def main(group: str, names: list[str]) -> None:
    """Put together what the stages left of the models, by data set."""
    models = [read_evaluated(name, EVALUATED / name, remedy(f"evaluate@{name}")) for name in sorted(names)]
    datasets: dict[str, list[Evaluated]] = {}
    for model in models:
        datasets.setdefault(model.about.dataset, []).append(model)
    params = Params.load(PARAMS)
    facts, cards, curves, rates = {}, {}, [], []
    with whole_folder(GROUPS / group) as folder:
        for dataset, of_dataset in sorted(datasets.items()):
            meta = read_json(PREPARED / dataset / "meta.json", Meta, remedy(f"prepare@{dataset}"))
            codecs = read_codecs(dataset)
            curves.append(codecs)
            for model in of_dataset:
                made = {
                    "recipe": params.keywords(Model, "models", model.name)["training"],
                    "commit": commits(METRICS / "test" / f"{model.name}.json", model.again),
                }
                curve = model.curve()
                facts[model.name] = facts_of(model, meta, curve, codecs, made, pictures(model.name))
                curves.append(curve)
                rates += bd_rates(model.name, curve, codecs)
            best = max(of_dataset, key=lambda model: (facts[model.name].val["psnr_db"].mean, model.name))
            cards[dataset] = card(meta, best)
            draw(folder, dataset, of_dataset, cards[dataset]["chosen"])
        write_json(folder / "facts.json", {name: asdict(of_model) for name, of_model in sorted(facts.items())})
        write_json(folder / "datasets.json", cards)
        baselines = [model.about for model in models if model.about.family == BASELINE]
        write_table(folder / "curves.csv", without_repeats(curves, baselines))
        write_table(folder / "bd_rates.csv", pd.DataFrame(rates, columns=BD_COLUMNS))
        write_table(folder / "histories.csv", pd.concat([history(name) for name in sorted(names)]))
        write_seal(folder)


def read_codecs(dataset: str) -> pd.DataFrame:
    """Read the curves of image codecs on a data set."""
    again = remedy(f"codecs@{dataset}")
    check_sums(CODECS / dataset, again)
    return of_codecs(dataset, read_curve(CODECS / dataset / "curves.csv", ["quality"], again))


def draw(folder: Path, dataset: str, models: list[Evaluated], chosen: dict[str, list[int]]) -> None:
    """Write the pictures of one data set."""
    test = open_split(PREPARED / dataset / "test", remedy(f"prepare@{dataset}"))
    write_pictures(folder, dataset, [index for kind in chosen.values() for index in kind], test, models)
    write_points(folder, dataset, test, models)
    for model in models:
        write_generated(folder, model)
    (folder / "preview").mkdir(exist_ok=True)
    shutil.copyfile(PREPARED / dataset / "preview.png", folder / "preview" / f"{dataset}.png")


def history(name: str) -> pd.DataFrame:
    """Read the losses of every epoch; PCA has none."""
    table = read_table(HISTORY / f"{name}.csv", ["epoch", "train_loss", "val_loss"], remedy(f"train@{name}"))
    return table[["epoch", "train_loss", "val_loss"]].assign(model=name)


def pictures(name: str) -> list[str]:
    """List the names of a model's pictures."""
    found = sorted(path.stem for path in (PLOTS / name).glob("*.png"))
    if not found:
        raise UserError(f"expected pictures in {PLOTS / name}, found none: {remedy(f'plot@{name}')}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.gather", description=main.__doc__)
    parser.add_argument("group", help="a key of `groups` in params.yaml")
    parser.add_argument("models", nargs="+", help="its models")
    arguments = parser.parse_args()
    with guarded(), only_process(LOCKS, f"gather {arguments.group}"):
        main(arguments.group, arguments.models)
