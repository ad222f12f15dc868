"""The options that commands share. Nothing here imports what takes long: `--help` comes at once."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hourglass.codec.codec import Codec


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], None],
    summary: str,
    description: str,
    example: str,
) -> argparse.ArgumentParser:
    """Add a command that takes a model first, and return its parser."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="the folder of a trained model, a zip file of it, or URL@rev:path"
    )
    parser.set_defaults(run=run)
    return parser


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add image files and folders."""
    parser.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="IMAGES",
        help="image files, or folders of them, which are searched to any depth",
    )


def add_output(parser: argparse.ArgumentParser, metavar: str, what: str, required: bool = True) -> None:
    """Add `-o`, and `--force`."""
    parser.add_argument("-o", "--output", type=Path, required=required, metavar=metavar, help=what)
    parser.add_argument("--force", action="store_true", help="replace files of the same names")


def add_bits(parser: argparse.ArgumentParser) -> None:
    """Add `--bits`."""
    parser.add_argument(
        "--bits",
        type=int,
        metavar="4..16",
        help="bits of each number before entropy coding; by default the model's own",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="cpu|cuda|auto",
        help="where to compute; by default a GPU where there is one",
    )


def add_on_bad(parser: argparse.ArgumentParser) -> None:
    """Add `--on-bad-image`."""
    parser.add_argument(
        "--on-bad-image",
        choices=("error", "skip"),
        default="error",
        help="what to do with a file that is damaged or none of this kind; by default stop, and write nothing",
    )


def load_codec(arguments: argparse.Namespace) -> "Codec":
    """Load the model that the command line names."""
    from hourglass.codec.codec import load

    return load(arguments.model, getattr(arguments, "bits", None), getattr(arguments, "device", "cpu"))


def plural(count: int, what: str) -> str:
    """Return "1 image", "1,234 images"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
