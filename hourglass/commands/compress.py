"""hourglass compress MODEL IMAGES -o FOLDER: images to small files."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hourglass.commands.options import (
    add_bits,
    add_command,
    add_device,
    add_images,
    add_on_bad,
    add_output,
    load_codec,
    plural,
)

if TYPE_CHECKING:
    from hourglass.codec.codec import Codec
    from hourglass.commands.inputs import Files

DESCRIPTION = """\
Turn images into compressed files, which the same model alone turns back: one .hg file an image, in the same folders, or
a single one of all images, which is smaller. The bytes of an image are the same whatever it is compressed beside.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `compress` to the commands."""
    example = (
        "hourglass compress data/models/fashion-residual photos -o compressed\n"
        "  hourglass compress data/models/fashion-residual photos --one-file -o photos.hg"
    )
    parser = add_command(commands, "compress", run, "turn images into small files", DESCRIPTION, example)
    add_images(parser)
    add_output(parser, "FOLDER", "the folder to write .hg files into; with --one-file, the file to write")
    parser.add_argument("--one-file", action="store_true", help="write one file of all images, with their names")
    add_bits(parser)
    add_device(parser)
    add_on_bad(parser)


def run(arguments: argparse.Namespace) -> None:
    """Compress all images."""
    from hourglass.coding.file import SUFFIX
    from hourglass.commands.inputs import find_files
    from hourglass.commands.outputs import check_file
    from hourglass.data.names import SUFFIXES

    if arguments.one_file:
        check_file(arguments.output, (SUFFIX,), arguments.force)
    files = find_files(arguments.images, SUFFIXES, arguments.on_bad_image == "skip")
    codec = load_codec(arguments)
    _ = codec.quantizer, codec.file_bits  # refused here, before the work
    count, size = (_one_file if arguments.one_file else _a_file_each)(codec, files, arguments)
    channels, height, width = codec.image_shape
    print(
        f"{arguments.output}: {plural(count, 'image')}, {size:,} bytes, {size / count:,.1f} an image: "
        f"1/{count * channels * height * width / size:.1f} of the bytes of the pixels"
    )


def _a_file_each(codec: "Codec", files: "Files", arguments: argparse.Namespace) -> tuple[int, int]:
    """Write a file an image; return how many, and their bytes."""
    import numpy as np

    from hourglass.coding.file import SUFFIX
    from hourglass.commands.inputs import read_images
    from hourglass.commands.outputs import into_folder, renamed, write_file

    outputs = dict(zip(files, renamed(list(files), SUFFIX), strict=True))
    count = total = 0
    with into_folder(arguments.output, outputs.values(), arguments.force) as folder:
        for batch in read_images(codec, files, arguments.on_bad_image == "skip", "compress"):
            latents = codec.encode_each(codec.prepare(np.stack(batch.pixels)))
            for name, latent, size in zip(batch.names, latents, batch.sizes, strict=True):
                data = codec.to_file(latent[None], sizes=[size])
                write_file(folder / outputs[name], data)
                count, total = count + 1, total + len(data)
    return count, total


def _one_file(codec: "Codec", files: "Files", arguments: argparse.Namespace) -> tuple[int, int]:
    """Write one file of all images; return how many they are, and its bytes."""
    import numpy as np

    from hourglass.coding.file import MAX_VALUES
    from hourglass.commands.inputs import read_images
    from hourglass.console.errors import UserError
    from hourglass.files import whole_file

    if len(files) * codec.latent_dim > MAX_VALUES:
        raise UserError(
            f"expected at most {MAX_VALUES // codec.latent_dim:,} images in one file, got {len(files):,}: "
            "leave out --one-file, or make several"
        )
    names, sizes, parts = [], [], []
    for batch in read_images(codec, files, arguments.on_bad_image == "skip", "compress"):
        names += batch.names
        sizes += batch.sizes
        parts.append(codec.encode_each(codec.prepare(np.stack(batch.pixels))))
    data = codec.to_file(np.concatenate(parts), names, sizes)
    output: Path = arguments.output
    with whole_file(output) as partial:
        partial.write_bytes(data)
    return len(names), len(data)
