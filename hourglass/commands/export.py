"""hourglass export MODEL: a model for programs without Python."""

import argparse
from pathlib import Path

from hourglass.commands.options import add_command, add_output, load_codec

DESCRIPTION = """\
Write the encoder and the decoder as ONNX files, which run without Python and torch, and preprocessing.json, which says
how images are prepared for them. Both are compared with the model, and refused if they compute something else.
Needs the extra: pip install 'hourglass[onnx]'.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `export` to the commands."""
    example = "hourglass export data/models/fashion-residual -o fashion-onnx --images photos"
    parser = add_command(commands, "export", run, "write a model as ONNX files", DESCRIPTION, example)
    what = "the folder to write encoder.onnx, decoder.onnx and preprocessing.json into; by default <name of MODEL>-onnx"
    add_output(parser, "FOLDER", what, required=False)
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        default=[],
        metavar="IMAGES",
        help="images or folders to compare both on; by default numbers drawn from the distribution of the model's",
    )


def run(arguments: argparse.Namespace) -> None:
    """Export the model, and print how much it differs."""
    from hourglass.codec.onnx import PREPROCESSING, export
    from hourglass.codec.onnx_check import DECODER, ENCODER, require_packages
    from hourglass.commands.inputs import find_files
    from hourglass.commands.outputs import into_folder
    from hourglass.data.names import SUFFIXES

    require_packages()
    images = [*find_files(arguments.images, SUFFIXES).values()]
    codec = load_codec(arguments)
    names = (ENCODER, DECODER, PREPROCESSING)
    output = arguments.output or Path(f"{codec.name}-onnx")
    with into_folder(output, names, arguments.force) as folder:
        differences = export(codec, folder, images)
    print(f"{output}: {', '.join(names)}; onnxruntime and torch differ {differences}")
