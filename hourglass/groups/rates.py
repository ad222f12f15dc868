"""Rate and distortion of everything that can code the images of a data set."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hourglass.console.errors import UserError
from hourglass.data.tables import read_table
from hourglass.files import rounded
from hourglass.groups.names import twin_title
from hourglass.metrics.bd_rate import bd_rate
from hourglass.metrics.results import About

COLUMNS = ["dataset", "codec", "kind", "setting", "bytes", "psnr_db", "ssim"]
BD_COLUMNS = ["dataset", "model", "against", "bd_rate_percent"]
IMAGE_CODEC = "image codec"  # in the column `kind`
LOSSLESS = "PNG|lossless"


def read_curve(path: Path, columns: Collection[str], again: str) -> pd.DataFrame:
    """Read a table of rate and distortion.

    Raises:
        UserError: It is none, or has files without bytes.
    """
    table = read_table(path, [*columns, "codec", "bytes", "psnr_db"], again)
    if not (table["bytes"] > 0).all():
        raise UserError(f"{path}: expected bytes above 0, got {table['bytes'].min():g}: {again}")
    return table


def of_model(name: str, about: About, curve: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a model and of its twin, of what `evaluate` writes into curve.csv."""
    titles = {"model": name, "pca": twin_title(about.latent_dim, about.tile)}
    return curve.assign(
        dataset=about.dataset,
        kind=curve["codec"],
        codec=curve["codec"].map(titles),
        setting=curve["bits"].map(setting),
    ).reindex(columns=COLUMNS)


def without_repeats(curves: Sequence[pd.DataFrame], baselines: Sequence[About]) -> pd.DataFrame:
    """Return the rows of all curves; of a twin once, and not where it is among the models itself."""
    rows = pd.concat(curves).drop_duplicates(["dataset", "codec", "setting"])
    there = {(about.dataset, twin_title(about.latent_dim, about.tile)) for about in baselines}
    repeated = [pair in there for pair in zip(rows["dataset"], rows["codec"], strict=True)]
    return rows[~np.array(repeated)]


def setting(bits: int) -> str:
    """Return what the column `setting` says of files with so many bits a number."""
    return f"{bits} bits"


def psnr_at(curve: pd.DataFrame, size: float) -> float | None:
    """Return the PSNR in dB of a curve at `size` bytes, along a logarithmic axis; None if all of its files are larger.

    More bytes than its largest file has bring nothing.
    """
    points = curve.sort_values("bytes")
    if size < points["bytes"].min():
        return None
    return rounded(float(np.interp(np.log(size), np.log(points["bytes"]), points["psnr_db"])), 4)


def codecs_at(codecs: pd.DataFrame, size: float) -> dict[str, float]:
    """Return the PSNR in dB of each image codec at `size` bytes, where it has files as small.

    The images of a sheet are all in one file, as those of a model are; of a codec with both the better one counts.
    """
    reached: dict[str, float] = {}
    for form, curve in codecs.groupby("codec"):
        codec, value = str(form).removesuffix(" sheet"), psnr_at(curve, size)
        if value is not None:
            reached[codec] = max(value, reached.get(codec, value))
    return reached


def of_codecs(dataset: str, curves: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of image codecs, of what `codecs` writes into curves.csv."""
    lossless = curves["codec"].str.contains(LOSSLESS)
    return curves.assign(
        dataset=dataset,
        kind=lossless.map({True: "lossless", False: IMAGE_CODEC}),
        setting=curves["quality"].map("quality {}".format).mask(lossless, "lossless"),
    ).reindex(columns=COLUMNS)


def bd_rates(name: str, curves: pd.DataFrame, codecs: pd.DataFrame) -> list[dict[str, object]]:
    """Return the Bjøntegaard-delta rate of a model's files in percent, where curves overlap: below 0, it takes less.

    Args:
        name: Of the model.
        curves: Of the model and its twin.
        codecs: Of image codecs on the same data set.
    """
    own = curves[curves["kind"] == "model"]
    others = {"PCA": curves[curves["kind"] == "pca"]}
    others |= {str(codec): curve for codec, curve in codecs[codecs["kind"] == IMAGE_CODEC].groupby("codec")}
    rates = {
        against: bd_rate(own["bytes"], own["psnr_db"], other["bytes"], other["psnr_db"])
        for against, other in others.items()
        if len(other)
    }
    return [
        {
            "dataset": own["dataset"].iloc[0],
            "model": name,
            "against": against,
            "bd_rate_percent": rounded(rate, 4),
        }
        for against, rate in rates.items()
        if rate is not None
    ]
