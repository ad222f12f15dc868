"""hourglass encode MODEL IMAGES -o FILE: images to numbers."""

import argparse

from hourglass.commands.options import (
    add_command,
    add_device,
    add_images,
    add_on_bad,
    add_output,
    load_codec,
    plural,
)

DESCRIPTION = """\
Turn images into numbers: one row an image, with its name, in the order of the images.

An .npz file has the arrays `names` and `latents`; a .parquet or .csv file a column `name` and one for each number.
Both .npz (array `model`) and .parquet (metadata) say which model they are of, and `decode` refuses another.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `encode` to the commands."""
    example = "hourglass encode data/models/fashion-residual photos -o latents.npz"
    parser = add_command(commands, "encode", run, "turn images into numbers", DESCRIPTION, example)
    add_images(parser)
    add_output(parser, "FILE", "the file to write, of the format that its suffix says: .npz, .parquet or .csv")
    add_device(parser)
    add_on_bad(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the latents of all images."""
    from hourglass.commands.inputs import encode_images, find_files
    from hourglass.commands.latents import FORMATS, check_format, write_latents
    from hourglass.commands.outputs import check_file
    from hourglass.data.names import SUFFIXES

    check_file(arguments.output, FORMATS, arguments.force)
    check_format(arguments.output)
    files = find_files(arguments.images, SUFFIXES, arguments.on_bad_image == "skip")
    codec = load_codec(arguments)
    names, latents = encode_images(codec, files, arguments.on_bad_image == "skip")
    write_latents(arguments.output, names, latents, codec.get_feature_names_out(), codec.weights_id)
    print(f"{arguments.output}: {plural(len(names), 'image')} of {plural(codec.latent_dim, 'number')}")
