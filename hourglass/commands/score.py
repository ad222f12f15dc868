"""hourglass score MODEL IMAGES: how good a model is on images of yours, beside PCA and JPEG."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hourglass.commands.options import (
    add_bits,
    add_command,
    add_device,
    add_images,
    add_on_bad,
    load_codec,
    plural,
)

if TYPE_CHECKING:
    from hourglass.codec.codec import Codec
    from hourglass.commands.comparison import Comparison

DESCRIPTION = """\
Compare images with what comes back of them: from the model's numbers and from its files; from JPEG files of at most as
many bytes; and from PCA of as many numbers, and its files of at most as many bytes. Images are compared at the size
that the model gives them.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `score` to the commands."""
    example = "hourglass score data/models/fashion-residual photos --csv scores.csv"
    parser = add_command(commands, "score", run, "compare images with what comes back of them", DESCRIPTION, example)
    add_images(parser)
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a row an image to this file")
    parser.add_argument(
        "--pca", metavar="MODEL", help="the PCA to compare with; by default one that is in a folder beside MODEL"
    )
    parser.add_argument("--force", action="store_true", help="replace the file of --csv if it exists")
    add_bits(parser)
    add_device(parser)
    add_on_bad(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print a table of scores."""
    from hourglass.commands.comparison import Comparison
    from hourglass.commands.inputs import find_files, read_images
    from hourglass.commands.outputs import check_file
    from hourglass.data.names import SUFFIXES
    from hourglass.files import whole_file

    if arguments.csv:
        check_file(arguments.csv, (".csv",), arguments.force)
    files = find_files(arguments.images, SUFFIXES, arguments.on_bad_image == "skip")
    codec = load_codec(arguments)
    comparison = Comparison(codec, _pca(codec, arguments.pca))
    for batch in read_images(codec, files, arguments.on_bad_image == "skip", "score"):
        comparison.add(batch)
    if arguments.csv:
        with whole_file(arguments.csv) as partial:
            comparison.each().to_csv(partial, index=False, lineterminator="\n")
    print(f"{plural(len(comparison.names), 'image')}, {plural(codec.latent_dim, 'number')} each\n")
    print(comparison.table())
    for line in _remarks(comparison):
        print(f"\n{line}")


def _pca(codec: "Codec", given: str | None) -> "Codec | None":
    from hourglass.codec.codec import load
    from hourglass.commands.comparison import check_pca, find_pca

    if given is None:
        return None if codec.config["family"] == "pca" else find_pca(codec)
    pca = load(given, codec.bits, codec.device)
    check_pca(pca, codec)
    return pca


def _remarks(comparison: "Comparison") -> list[str]:
    """Return what the table does not say."""
    codec, lines = comparison.codec, []
    if comparison.files is None:
        lines.append(
            f"{codec.name} is only trained: it has no files, nor has JPEG their bytes, before it is evaluated."
        )
    if one_file := comparison.bytes_in_one_file():
        lines.append(f"One .hg file of all, by compress --one-file: {one_file:,.1f} bytes an image.")
    if comparison.smallest:
        lines.append(
            f"JPEG: even the smallest file is larger than the model's for {comparison.smallest:,} of "
            f"{plural(len(comparison.names), 'image')}, which are in its row at quality 1."
        )
    if comparison.linear is None and codec.config["family"] != "pca":
        lines.append(f"PCA: none of {plural(codec.latent_dim, 'number')} beside the model's folder; name one by --pca.")
    return lines
