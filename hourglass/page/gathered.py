"""Read the folder in which all lies that the page of a group shows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hourglass.groups.choice import KINDS
from hourglass.metrics.results import BASELINE

Facts = Mapping[str, Any]  # what is known of a model or a data set, as read from JSON


@dataclass(frozen=True)
class Gathered:
    """A group of models.

    Attributes:
        folder: Where the pictures are.
        facts: model -> what is known of it; ordered by data set, PCA first, then by size.
        datasets: data set -> what is known of it.
        curves: dataset, codec, kind, setting, bytes, psnr_db, ssim: rate and distortion.
        bd_rates: dataset, model, against, bd_rate_percent.
        histories: model, epoch, train_loss, val_loss.
    """

    folder: Path
    facts: Mapping[str, Facts]
    datasets: Mapping[str, Facts]
    curves: pd.DataFrame
    bd_rates: pd.DataFrame
    histories: pd.DataFrame

    def models(self, dataset: str) -> list[str]:
        """Return the names of the models of a data set."""
        return [name for name, facts in self.facts.items() if facts["dataset"] == dataset]

    def has_pca(self, facts: Facts) -> bool:
        """Return whether the PCA of as many numbers, by the same tiles, is a model of the group itself."""
        size = ("dataset", "latent_dim", "tile")
        return any(
            other["family"] == BASELINE and all(other[key] == facts[key] for key in size)
            for other in self.facts.values()
        )

    def projection(self, model: str) -> pd.DataFrame | None:
        """Return index, pca_1, pca_2, label and, where there are, tsne_1 and tsne_2 of some test images."""
        path = self.folder / "projections" / f"{model}.csv"
        return _table(path) if path.is_file() else None

    def picture(self, *parts: str) -> Path | None:
        """Return the path of a picture, None if there is none."""
        path = self.folder.joinpath(*parts)
        return path if path.is_file() else None

    def chosen(self, dataset: str) -> list[tuple[str, int]]:
        """Return why each of the images in a data set's strips was chosen, and its index in the test split."""
        chosen = self.datasets[dataset]["chosen"]
        return [(why, int(index)) for why in KINDS for index in chosen[why]]


def read_gathered(folder: Path, group: Mapping[str, Any]) -> Gathered:
    """Read the tables of a group; pictures are read where they are shown.

    Args:
        folder: Where they are.
        group: The entry of `groups` in params.yaml, with what was published for models and notes on them.
    """
    facts, datasets = _json(folder / "facts.json"), _json(folder / "datasets.json")
    for name, of_model in facts.items():
        of_model["published"] = group["published"].get(name, {})
        of_model["note"] = " ".join(group["notes"].get(name, "").split())  # on one line
    return Gathered(
        folder=folder,
        facts=dict(sorted(facts.items(), key=lambda item: _order(*item))),
        datasets={name: datasets[name] for name in sorted({of["dataset"] for of in facts.values()})},
        curves=_table(folder / "curves.csv"),
        bd_rates=_table(folder / "bd_rates.csv"),
        histories=_table(folder / "histories.csv"),
    )


def _order(name: str, facts: Facts) -> tuple[str, bool, int, str]:
    return facts["dataset"], facts["family"] != BASELINE, facts["latent_dim"], name


def _json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    return json.loads(path.read_text(encoding="utf-8"))


def _table(path: Path) -> pd.DataFrame:
    """Read a table whose names stay as they are: a class may be called NA, and a label 007."""
    names = ("dataset", "model", "codec", "kind", "setting", "against", "label")
    return pd.read_csv(path, dtype=dict.fromkeys(names, str), keep_default_na=False, na_values={"ssim": ["", "nan"]})
