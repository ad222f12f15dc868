"""The command `hourglass`, which is `python -m hourglass` too."""

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from hourglass import __version__
from hourglass.console.signals import end_at_once

if TYPE_CHECKING:
    import argparse

DESCRIPTION = "Use a trained model: images to numbers and to small files, and back."
EPILOG = """\
MODEL is the folder of a trained model, a zip file of it, or URL@revision:folder of a git repository with DVC.

examples:
  hourglass info data/models/fashion-residual
  hourglass compress data/models/fashion-residual photos -o compressed
  hourglass COMMAND --help
"""


def main() -> None:
    """Run the command that is given on the command line."""
    end_at_once()
    if sys.stderr is None:  # closed by whoever started this: there is nobody to tell anything
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end
    if isinstance(sys.stdout, TextIOWrapper):  # a name that it has no letters for must not end a command that is done
        sys.stdout.reconfigure(errors="backslashreplace")
    import warnings  # these imports take a while, in which a signal ends this in one line
    from importlib import import_module

    from hourglass.console.command import guarded

    arguments = make_parser().parse_args()
    warnings.simplefilter("ignore")  # commands print, in a line, what of it matters to whoever reads this
    if "model" in arguments:
        import_module("hourglass.codec.codec")  # torch: within `guarded`, a signal would raise in the middle of it
    with guarded():
        arguments.run(arguments)


def make_parser() -> "argparse.ArgumentParser":
    """Return the parser of the command line, whose arguments have the function `run`."""
    import argparse

    from hourglass.commands import compress, decode, decompress, encode, export, info, manifest, score, search

    parser = argparse.ArgumentParser(
        prog="hourglass",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"hourglass {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (info, encode, decode, compress, decompress, score, search, export, manifest):
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    main()
