"""Files of latents: .npz, .parquet and .csv, with the name of each image."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hourglass.codec.source import check_ratio
from hourglass.coding.quantizer import Latents
from hourglass.console.errors import UserError
from hourglass.files import whole_file

FORMATS = (".npz", ".parquet", ".csv")
NAME = "name"  # of the column of names
MODEL = "model"  # of the array, and of the attribute of a table, that says whose latents they are


def check_format(path: Path) -> None:
    """Raise UserError unless a file is of a format that can be read and written here."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(
            f"{path}: expected a name that ends in {' or '.join(FORMATS)}, got {path.suffix or 'no suffix'}"
        )
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401 - whether it is there
        except ImportError:
            raise UserError(
                f"{path}: expected pyarrow, which reads and writes it, found none: pip install pyarrow, or use .npz"
            ) from None


def write_latents(path: Path, names: Sequence[str], latents: Latents, columns: Sequence[str], model: str) -> None:
    """Write latents (N, D) in the format that the suffix says.

    .npz has the arrays `names`, `latents` and `model`; the others are tables of `name`, and of a column for each
    number. `model` is the id of its weights, which .parquet has in pandas' `attrs` and .csv not at all.
    """
    with whole_file(path) as partial:
        if path.suffix.lower() == ".npz":
            with partial.open("wb") as file:
                np.savez(file, names=np.array(names, dtype=np.str_), latents=latents, model=np.array(model))
            return
        table = pd.DataFrame(latents, columns=list(columns))
        table.insert(0, NAME, pd.Series(names, dtype=object))
        if path.suffix.lower() == ".csv":
            table.to_csv(partial, index=False, lineterminator="\n")
        else:
            table.attrs[MODEL] = model
            table.to_parquet(partial, index=False)


def read_latents(path: Path, latent_dim: int, model: str) -> tuple[list[str], Latents]:
    """Return the names and the latents (N, D) of a file that `write_latents` could have written.

    Raises:
        UserError: If it is none, not of latents of `latent_dim` finite numbers, or says that it is of another model.
    """
    check_format(path)
    if not path.is_file():
        raise UserError(f"expected a file of latents, found no {path}")
    try:
        names, latents, source = _read_arrays(path) if path.suffix.lower() == ".npz" else _read_table(path)
    except UserError:
        raise
    except Exception as error:  # numpy's, zipfile's, pandas' and pyarrow's many kinds
        raise UserError(f"{path}: expected latents that `hourglass encode` wrote, got: {error}") from None
    if source not in ("", model):
        raise UserError(f"{path}: expected latents of the model {model}, got those of {source}: name that model")
    if latents.ndim != 2 or latents.shape[1] != latent_dim:
        raise UserError(
            f"{path}: expected latents of {latent_dim} numbers an image, got {_shape(latents)}: another model's?"
        )
    if len(names) != len(latents) or not names:
        raise UserError(f"{path}: expected a name for each image, got {len(names)} names of {len(latents)} images")
    if not (finite := np.isfinite(latents).all(axis=1)).all():
        raise UserError(
            f"{path}: expected finite numbers, got NaN or infinity, first for {names[int(finite.argmin())]}"
        )
    return names, latents


def _shape(latents: Latents) -> str:
    return f"{latents.shape[1]}" if latents.ndim == 2 else f"an array of {latents.shape}"


def _read_arrays(path: Path) -> tuple[list[str], Latents, str]:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: expected an .npz file that `hourglass encode` wrote, got a damaged or another one")
    with zipfile.ZipFile(path) as archive:
        check_ratio(archive.infolist(), path)
    with np.load(path, allow_pickle=False) as arrays:
        if not {"names", "latents"} <= set(arrays):
            raise UserError(f"{path}: expected the arrays names and latents, got {', '.join(arrays) or 'none'}")
        names, latents = arrays["names"], arrays["latents"]
        source = str(arrays[MODEL]) if MODEL in arrays else ""  # arrays that somebody made by hand
    if names.ndim != 1 or names.dtype.kind != "U":
        raise UserError(f"{path}: expected names as text, got an array {names.shape} of {names.dtype}")
    return names.tolist(), latents.astype(np.float32), source


def _read_table(path: Path) -> tuple[list[str], Latents, str]:
    if path.suffix.lower() == ".csv":
        table = pd.read_csv(path, dtype={NAME: str}, na_filter=False)
    else:
        table = pd.read_parquet(path)
    if NAME not in table.columns:
        raise UserError(f"{path}: expected a column {NAME!r}, got {', '.join(map(str, table.columns[:3]))}, ...")
    names = [str(name) for name in table.pop(NAME)]
    latents = np.array(table, dtype=np.float32)  # a copy, where pandas shares what must not be written to
    return names, latents, str(table.attrs.get(MODEL, ""))
