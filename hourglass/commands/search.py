"""hourglass search MODEL QUERY FOLDER: the images that are most like one."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hourglass.commands.options import add_command, add_device, add_images, add_on_bad, load_codec

if TYPE_CHECKING:
    from hourglass.codec.codec import Codec
    from hourglass.coding.quantizer import Latents

QUERY = ""  # its name among those of the files, which are not empty
DESCRIPTION = """\
Find the images that are most like QUERY: those whose numbers are nearest, by Euclidean distance. QUERY itself is left
out where it is among them.
"""


def positive(text: str) -> int:
    """Return a number above 0; raise what argparse prints if the text is none."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, got {text}")
    return int(text)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `search` to the commands."""
    example = "hourglass search data/models/fashion-residual shoe.png photos -k 5 --picture like-shoe.png"
    parser = add_command(commands, "search", run, "find the images that are most like one", DESCRIPTION, example)
    parser.add_argument("query", type=Path, metavar="QUERY", help="the image to find others for")
    add_images(parser)
    parser.add_argument("-k", type=positive, default=10, metavar="K", help="how many to find (default: 10)")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw the query and what was found")
    parser.add_argument("--force", action="store_true", help="replace the picture if it exists")
    add_device(parser)
    add_on_bad(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print the nearest images."""
    from hourglass.commands.comparison import aligned
    from hourglass.commands.inputs import encode_images, find_files
    from hourglass.commands.outputs import check_file
    from hourglass.console.errors import UserError
    from hourglass.data.names import SUFFIXES

    if arguments.picture:
        check_file(arguments.picture, (".png",), arguments.force)
    if arguments.query.is_dir():
        raise UserError(f"{arguments.query}: expected an image as the query, got a folder")
    find_files([arguments.query], SUFFIXES)  # which refuses what is none
    files = find_files(arguments.images, SUFFIXES, arguments.on_bad_image == "skip")
    files = {name: path for name, path in files.items() if not _is_same(path, arguments.query)}
    if not files:
        raise UserError("expected images beside the query, got none")
    codec = load_codec(arguments)
    codec.prepare(os.fspath(arguments.query)).prepared(0)  # refused if it is bad, even where others are skipped
    (_, *names), latents = encode_images(codec, {QUERY: arguments.query, **files}, arguments.on_bad_image == "skip")
    if not names:
        raise UserError("expected images beside the query, got none that can be read")
    found = nearest_latents(latents[0], latents[1:], arguments.k)
    if arguments.picture:
        _draw(codec, arguments, [(names[index], files[names[index]], distance) for index, distance in found])
    rows = [[names[index], f"{distance:.4g}"] for index, distance in found]
    print(aligned([["image", "distance"], *rows]))


def _is_same(path: Path, other: Path) -> bool:
    """Return whether two paths are of one file; one that leads nowhere is a bad image, and no other's file."""
    return path.exists() and os.path.samefile(path, other)


def nearest_latents(wanted: "Latents", latents: "Latents", count: int) -> list[tuple[int, float]]:
    """Return the rows of `latents` (N, D) that are nearest to `wanted` (D,), with their distances, nearest first."""
    from sklearn.neighbors import NearestNeighbors

    neighbors = NearestNeighbors(n_neighbors=min(count, len(latents))).fit(latents)
    (distances,), (rows,) = neighbors.kneighbors(wanted[None])
    return list(zip(rows.tolist(), distances.tolist(), strict=True))


def _draw(codec: "Codec", arguments: argparse.Namespace, found: list[tuple[str, Path, float]]) -> None:
    from hourglass.commands.picture import sheet
    from hourglass.files import whole_file

    paths = [arguments.query, *(path for _, path, _ in found)]
    images = codec.prepare([os.fspath(path) for path in paths])
    labels = [f"query: {arguments.query.name}", *(f"{distance:.4g}  {name}" for name, _, distance in found)]
    pictures = [images.prepared(index) for index in range(len(images))]
    with whole_file(arguments.picture) as partial:
        sheet(pictures, labels).save(partial, "PNG")
