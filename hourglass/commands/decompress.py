"""hourglass decompress MODEL FILES -o FOLDER: compressed files to images."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hourglass.commands.options import add_command, add_device, add_on_bad, add_output, load_codec, plural

if TYPE_CHECKING:
    from hourglass.codec.codec import Codec
    from hourglass.coding.file import Compressed, Size
    from hourglass.coding.quantizer import Latents
    from hourglass.commands.inputs import Skipped

DESCRIPTION = """\
Turn .hg files, of one image or of many, back into images: PNG files of the names that the images had, in the folders
that they were in. The model must be the one that compressed them.
"""


@dataclass(frozen=True)
class Stored:
    """An image that was compressed.

    Attributes:
        name: Of the image.
        latent: (D,).
        size: Its height and width before it was made as large as the model's; None where that is not known.
    """

    name: str
    latent: "Latents"
    size: "Size | None"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `decompress` to the commands."""
    example = "hourglass decompress data/models/fashion-residual compressed -o photos-again"
    parser = add_command(commands, "decompress", run, "turn small files back into images", DESCRIPTION, example)
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILES", help=".hg files, or folders, which are searched to any depth"
    )
    add_output(parser, "FOLDER", "the folder to write images into")
    parser.add_argument(
        "--original-size",
        action="store_true",
        help="scale each image to the size that it had before it was compressed; what was cropped does not come back",
    )
    add_device(parser)
    add_on_bad(parser)


def run(arguments: argparse.Namespace) -> None:
    """Decompress all files."""
    from hourglass.commands.inputs import note
    from hourglass.commands.outputs import check_names, into_folder, png, renamed, write_file
    from hourglass.commands.sizes import enlarge
    from hourglass.console.progress import progress

    codec = load_codec(arguments)
    images = _read_all(codec, arguments)
    names = [image.name for image in images]
    check_names(names, arguments.files[0])
    outputs = renamed(names, ".png")
    resize = codec.config["preparation"]["resize"]
    with (
        into_folder(arguments.output, outputs, arguments.force) as folder,
        progress(len(names), "decompress", "image") as bar,
    ):
        for image, output in zip(images, outputs, strict=True):
            (pixels,) = codec.decode_each(image.latent[None])
            if arguments.original_size and image.size:
                pixels = enlarge(pixels, image.size, resize)
            write_file(folder / output, png(pixels))
            bar.update()
    if arguments.original_size and resize == "crop" and (cut := sum(image.size is not None for image in images)):
        note(f"{plural(cut, 'image')} without the margins: what was cropped is in no file, and does not come back")
    print(f"{arguments.output}: {plural(len(names), 'image')}")


def _read_all(codec: "Codec", arguments: argparse.Namespace) -> list[Stored]:
    """Return what all files hold, so that nothing is written if one of them is damaged."""
    from hourglass.coding.file import SUFFIX
    from hourglass.commands.inputs import Skipped, find_files
    from hourglass.console.progress import progress

    files = find_files(arguments.files, (SUFFIX,), arguments.on_bad_image == "skip")
    skipped = Skipped(arguments.on_bad_image == "skip")
    images: list[Stored] = []
    with progress(len(files), "read", "file") as bar:
        for name, path in files.items():
            if compressed := _read(codec, path, skipped):
                images += _split(compressed, name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else name)
            bar.update()
    skipped.tell(len(files), "file")
    return images


def _read(codec: "Codec", path: Path, skipped: "Skipped") -> "Compressed | None":
    from hourglass.codec.images import read_file
    from hourglass.commands.outputs import check_names
    from hourglass.commands.sizes import check_sizes
    from hourglass.console.errors import UserError

    try:
        compressed = codec.from_file(read_file(path, str(path), "a file of compressed images"), str(path))
        check_names(compressed.names, path)
        check_sizes(compressed.sizes, path)
    except UserError as error:
        skipped.add(error)
        return None
    return compressed


def _split(compressed: "Compressed", stem: str) -> Iterator[Stored]:
    """Yield the images of a file; those of many without names are numbered in a folder that is named after it."""
    count = len(compressed.latents)
    for index, latent in enumerate(compressed.latents):
        numbered = f"{stem}/{index:0{len(str(count - 1))}}"
        name = compressed.names[index] if compressed.names else stem if count == 1 else numbered
        yield Stored(name, latent, compressed.sizes[index] if compressed.sizes else None)
