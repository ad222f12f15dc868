"""What the stages left of one model."""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.documents import read_json
from hourglass.data.prepared import open_array
from hourglass.data.sums import check_sums
from hourglass.data.tables import read_table
from hourglass.files import rounded
from hourglass.groups.rates import codecs_at, of_model, read_curve, setting
from hourglass.metrics.paired import MIN_IMAGES, mean_difference
from hourglass.metrics.results import About, Coded, Facts, Meta, Spread, Summary, Value, Versus

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Evaluated:
    """An evaluated model.

    Attributes:
        name: Its name.
        folder: Where `evaluate` left it.
        files: The names of all tables and arrays in it.
        about: What it is.
        again: How it is made; ends error messages.
    """

    name: str
    folder: Path
    files: list[str]
    about: About
    again: str

    def table(self, name: str, *columns: str) -> pd.DataFrame:
        """Read one of its tables."""
        return read_table(self.folder / f"{name}.csv", columns, self.again)

    def has(self, file: str) -> bool:
        """Whether there is a table or an array of this name."""
        return file in self.files

    def psnr(self, prefix: str = "") -> NDArray[np.float64]:
        """Return the PSNR of each test image in dB, (N,), of the model, or of its twin with the prefix "pca_"."""
        return self.table(f"{prefix}scores", "index", "psnr_db")["psnr_db"].to_numpy(np.float64)

    def curve(self) -> pd.DataFrame:
        """Return its rate and distortion, and that of its twin."""
        table = read_curve(self.folder / "curve.csv", ["bits"], self.again)
        return of_model(self.name, self.about, table)

    def reconstructions(self, shape: tuple[int, ...], prefix: str = "") -> Bytes:
        """Return what became of the test images (N, C, H, W), memory-mapped."""
        return open_array(self.folder / f"{prefix}reconstructions.npy", np.uint8, shape, self.again)


def read_evaluated(name: str, folder: Path, again: str) -> Evaluated:
    """Read what an evaluated model is, after a look at every byte of its tables and arrays."""
    if not folder.is_dir():
        raise UserError(f"expected {folder}, found none: {again}")
    files = check_sums(folder, again)
    return Evaluated(name, folder, files, read_json(folder / "about.json", About, again), again)


def facts_of(
    model: Evaluated,
    meta: Meta,
    curves: pd.DataFrame,
    codecs: pd.DataFrame,
    made: dict[str, Value],
    pictures: list[str],
) -> Facts:
    """Put together what is known of one model.

    Args:
        model: The model.
        meta: Of its data set.
        curves: Those of the model and its twin.
        codecs: The curves of image codecs on its data set.
        made: How it was made, beside what its evaluation says of that.
        pictures: The names of its pictures.
    """
    again, folder = model.again, model.folder
    summary = read_json(folder / "summary.json", Summary, again)
    psnr = model.psnr()
    points = curves[(curves["kind"] == "model") & (curves["setting"] == setting(model.about.bits))]
    if len(points) != 1:
        got = f"expected a row of the model's {model.about.bits} bits, got {len(points)}"
        raise UserError(f"{folder / 'curve.csv'}: {got}: {again}")
    size, coded = (float(points[column].iloc[0]) for column in ("bytes", "psnr_db"))
    about = {field.name: getattr(model.about, field.name) for field in fields(About)}
    twin, alone = model.has("pca_scores.csv"), len(psnr) < MIN_IMAGES
    if twin and alone:
        about["left_out"] = {**about["left_out"], "pca": "one test image has no interval"}
    return Facts(
        **about,
        split=meta.split_note,
        images=len(psnr),
        test=summary.test,
        val=summary.val,
        classes=summary.classes,
        versus_pca=against_twin(model, psnr) if twin and not alone else None,
        coded=Coded(size, coded),
        same_bytes=codecs_at(codecs, size),
        seeds=spread_of_seeds(model) if model.has("seeds.csv") else None,
        worth=read_json(folder / "worth.json", dict[str, Value], again),
        likelihood=_optional(folder / "likelihood.json", again),
        config=read_json(folder / "config.json", dict[str, Value], again) | made,
        pictures=pictures,
    )


def against_twin(model: Evaluated, psnr: NDArray[np.float64]) -> Versus:
    """Compare a model with its twin by the `psnr` of each test image."""
    twin = model.psnr("pca_")
    try:
        differences = mean_difference(psnr, twin)
    except ValueError as error:
        raise UserError(f"{model.folder / 'pca_scores.csv'}: {error}: {model.again}") from None
    return Versus(*(rounded(value, 4) for value in (float(twin.mean()), *differences)))


def spread_of_seeds(model: Evaluated) -> Spread:
    """Return the mean and the sample standard deviation of each score over seeds, and their number."""
    table = model.table("seeds", "seed").set_index("seed")
    if len(table) < 2:
        path = model.folder / "seeds.csv"
        raise UserError(f"{path}: expected the scores of two seeds or more, got those of one: {model.again}")
    mean, std = (
        {str(metric): rounded(value, 4) for metric, value in statistic.items()}
        for statistic in (table.mean(), table.std())
    )
    return Spread(len(table), mean, std)


def commits(scores: Path, again: str) -> str:
    """Return the command that lists the commits that recorded a file of scores in dvc.lock, the first one first.

    A report cannot name its commit: it is in it.
    """
    if not scores.is_file():
        raise UserError(f"expected {scores}, found none: {again}")
    recorded = hashlib.md5(scores.read_bytes(), usedforsecurity=False).hexdigest()  # what DVC calls it there
    return f"git log --oneline --reverse -S {recorded} dvc.lock"


def _optional(path: Path, again: str) -> dict[str, Value] | None:
    return read_json(path, dict[str, Value], again) if path.exists() else None
