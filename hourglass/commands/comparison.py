"""What an image looks like after a model, its files, PCA and JPEG: scores of each image, and a table of their means."""

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from hourglass.codec.codec import Codec, load
from hourglass.coding.file import MAX_VALUES, Size
from hourglass.coding.quantizer import MAX_BITS, MIN_BITS, Latents
from hourglass.commands.inputs import Batch
from hourglass.commands.jpeg import jpeg_within
from hourglass.console.errors import UserError
from hourglass.data.prepared import Bytes
from hourglass.inference.store import CONFIG

METRICS = ("psnr_db", "ssim")
LABEL = 44  # characters of a label at most: a table has 120 columns
SHARED = ("dataset", "image_shape", "preparation")  # what models must have in common to be compared


@dataclass
class Way:
    """One way to store images: what becomes of each.

    Attributes:
        label: In the table.
        key: Before the names of columns of a file.
        sizes: Bytes of each image.
        scores: Of each image, by metric.
        more: Further columns of a file.
    """

    label: str
    key: str
    sizes: list[int] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    more: dict[str, list[int]] = field(default_factory=dict)

    def add(self, codec: Codec, originals: Bytes, images: Bytes, sizes: Sequence[int]) -> None:
        """Score images (N, H, W[, C]) that came back, against the originals."""
        self.sizes += sizes
        for metric, values in codec.scores_of(_channels_first(originals), _channels_first(images)).items():
            if metric in METRICS:
                self.scores.setdefault(metric, []).extend(values.tolist())

    def columns(self) -> dict[str, Sequence[float]]:
        """Return what a file says of each image."""
        scores = {f"{self.key}_{metric}": values for metric, values in self.scores.items()}
        return {f"{self.key}_bytes": self.sizes, **{f"{self.key}_{name}": v for name, v in self.more.items()}, **scores}


class Comparison:
    """A model beside other ways to store the same images.

    Args:
        codec: The model; without a quantizer it has no files, and there is no JPEG of their bytes.
        pca: A model of the family `pca`, of as many numbers.
    """

    def __init__(self, codec: Codec, pca: Codec | None) -> None:
        self.codec, self.pca = codec, pca
        self.names: list[str] = []
        self.latents: list[Latents] = []
        self.original_sizes: list[Size | None] = []
        self.smallest = 0  # images whose smallest JPEG is larger than the model's file
        self.model = Way(_label(codec.name, "float32"), "model")
        self.files = Way(_label(codec.name, ".hg files"), "file") if codec.has_files else None
        self.jpeg = Way("JPEG of at most as many bytes", "jpeg") if self.files else None
        self.linear = Way(_label(f"PCA, {pca.name}", "float32"), "pca") if pca else None
        files = ".hg of as many bytes" if self.files else ".hg files"
        self.linear_files = Way(_label(f"PCA, {pca.name}", files), "pca_file") if pca and pca.has_files else None

    @property
    def ways(self) -> list[Way]:
        """All ways that there are."""
        ways = (self.model, self.files, self.jpeg, self.linear, self.linear_files)
        return [way for way in ways if way is not None]

    def add(self, batch: Batch) -> None:
        """Score a batch of images."""
        originals = np.stack(batch.pixels)
        self.names += batch.names
        self.original_sizes += batch.sizes
        self.latents.append(_through(self.codec, batch, originals, self.model, self.files, []))
        limits = self.files.sizes[-len(originals) :] if self.files else []
        if self.pca and self.linear:
            _through(self.pca, batch, originals, self.linear, self.linear_files, limits)
        if self.files and self.jpeg:
            jpegs = [jpeg_within(*pair) for pair in zip(originals, limits, strict=True)]
            self.jpeg.add(
                self.codec, originals, np.stack([jpeg.pixels for jpeg in jpegs]), [jpeg.size for jpeg in jpegs]
            )
            self.jpeg.more.setdefault("quality", []).extend(jpeg.quality for jpeg in jpegs)
            self.smallest += sum(not jpeg.fits for jpeg in jpegs)

    def table(self) -> str:
        """Return the means and the 5th percentiles as a table of text."""
        titles = {"psnr_db": ("PSNR (dB)", ".2f"), "ssim": ("SSIM", ".4f")}
        shown = [metric for metric in titles if metric in self.model.scores]
        heads = [f"{titles[metric][0]}{end}" for metric in shown for end in (" mean", " 5th pct")]
        rows = [["", "bytes an image", *heads]]
        if self.jpeg and self.smallest == len(self.names):
            self.jpeg.label = "JPEG, its smallest files"
        for way in self.ways:
            scores = [
                format(value, titles[metric][1])
                for metric in shown
                for value in (np.mean(way.scores[metric]), np.percentile(way.scores[metric], 5))
            ]
            rows.append([way.label, f"{np.mean(way.sizes):,.1f}", *scores])
        return aligned(rows)

    def bytes_in_one_file(self) -> float | None:
        """Return the bytes of an image in one file of all of them; None if there is no such file."""
        if not self.files or len(self.names) * self.codec.latent_dim > MAX_VALUES:
            return None
        data = self.codec.to_file(np.concatenate(self.latents), self.names, self.original_sizes)
        return len(data) / len(self.names)

    def each(self) -> pd.DataFrame:
        """Return a row an image."""
        columns = {name: values for way in self.ways for name, values in way.columns().items()}
        return pd.DataFrame({"name": self.names, **columns})


def _through(
    codec: Codec, batch: Batch, originals: Bytes, plain: Way, stored: Way | None, limits: Sequence[int]
) -> Latents:
    """Add what images (N, H, W[, C]) become by a model, and by its files; return their latents (N, D).

    If there are `limits`, its files have the most bits with which they are of at most so many bytes.
    """
    latents = codec.transform(originals)
    plain.add(codec, originals, codec.inverse_transform(latents), [latents[0].nbytes] * len(latents))
    if stored:
        files = [
            _within(codec, latent[None], size, limit)
            for latent, size, limit in zip(latents, batch.sizes, limits or itertools.repeat(None), strict=False)
        ]
        read = np.concatenate([codec.from_file(file).latents for file in files])
        stored.add(codec, originals, codec.inverse_transform(read), list(map(len, files)))
    return latents


def _within(codec: Codec, latent: Latents, size: Size | None, limit: int | None) -> bytes:
    """Return the file of the most bits that has at most `limit` bytes; where none has, that of the fewest bits."""
    if limit is None:  # the model has no files to compare with
        return codec.to_file(latent, sizes=[size])
    few, many = MIN_BITS, MAX_BITS
    while few < many:
        middle = (few + many + 1) // 2
        fits = len(codec.to_file(latent, sizes=[size], bits=middle)) <= limit
        few, many = (middle, many) if fits else (few, middle - 1)
    return codec.to_file(latent, sizes=[size], bits=few)


def check_pca(pca: Codec, codec: Codec) -> None:
    """Raise UserError unless a model is PCA of images and of numbers like those of another."""
    for name in ("family", *SHARED):
        expected = "pca" if name == "family" else codec.config.get(name)
        if pca.config.get(name) != expected:
            raise UserError(
                f"--pca {pca.model}: expected a model of {name} {expected}, got one of {pca.config.get(name)}"
            )
    if pca.latent_dim != codec.latent_dim:
        raise UserError(f"--pca {pca.model}: expected {codec.latent_dim:,} numbers an image, got {pca.latent_dim:,}")


def find_pca(codec: Codec) -> Codec | None:
    """Return PCA of the same numbers, if it is among the folders beside the model's."""
    for folder in _beside(codec.model):
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            if config["family"] == "pca" and config["dataset"] == codec.config.get("dataset"):
                pca = load(folder, codec.bits, codec.device)
                check_pca(pca, codec)
                return pca
        except (UserError, OSError, ValueError, KeyError, TypeError):  # no model, or another one
            continue
    return None


def _beside(model: str | os.PathLike[str]) -> Iterator[Path]:
    path = Path(os.path.abspath(Path(model).expanduser()))
    folders = []
    with suppress(OSError):  # a folder that others alone may look into: a model may lie among anything
        folders = sorted(path.parent.iterdir()) if path.is_dir() else []
    yield from (folder for folder in folders if folder != path and os.path.isfile(folder / CONFIG))


def _label(name: str, what: str) -> str:
    longest = LABEL - len(f", {what}")
    return f"{name if len(name) <= longest else name[: longest - 1] + '…'}, {what}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _channels_first(images: Bytes) -> Bytes:
    return images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
