"""The command `hourglass`, which is `python -m hourglass` too."""

import argparse

from hourglass.commands import manifest
from hourglass.console.command import guarded

COMMANDS = (manifest,)


def main() -> None:
    """Run the command that is given on the command line."""
    parser = argparse.ArgumentParser(
        prog="hourglass", description="Tools beside the pipeline, which `dvc repro` runs.", allow_abbrev=False
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args()
    with guarded():
        arguments.run(arguments)


if __name__ == "__main__":
    main()
