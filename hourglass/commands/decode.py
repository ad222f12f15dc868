"""hourglass decode MODEL LATENTS -o FOLDER: numbers to images."""

import argparse
from pathlib import Path

from hourglass.commands.options import add_command, add_device, add_output, load_codec, plural

DESCRIPTION = """\
Turn numbers, as `hourglass encode` writes them, back into images: PNG files of the names that the images had, in the
folders that they were in.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `decode` to the commands."""
    example = "hourglass decode data/models/fashion-residual latents.npz -o decoded"
    parser = add_command(commands, "decode", run, "turn numbers into images", DESCRIPTION, example)
    parser.add_argument("latents", type=Path, metavar="LATENTS", help="a file .npz, .parquet or .csv of latents")
    add_output(parser, "FOLDER", "the folder to write images into")
    add_device(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the image of each latent."""
    from hourglass.commands.latents import read_latents
    from hourglass.commands.outputs import check_names, into_folder, png, renamed, write_file
    from hourglass.console.progress import progress
    from hourglass.inference.batches import batch_size

    codec = load_codec(arguments)
    names, latents = read_latents(arguments.latents, codec.latent_dim, codec.weights_id)
    check_names(names, arguments.latents)
    outputs = renamed(names, ".png")
    step = batch_size(codec.image_shape)
    with (
        into_folder(arguments.output, outputs, arguments.force) as folder,
        progress(len(names), "decode", "image") as bar,
    ):
        for start in range(0, len(names), step):
            images = codec.inverse_transform(latents[start : start + step])
            for name, image in zip(outputs[start : start + step], images, strict=True):
                write_file(folder / name, png(image))
                bar.update()
    print(f"{arguments.output}: {plural(len(names), 'image')}")
