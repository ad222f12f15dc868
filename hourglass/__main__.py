"""The command `hourglass`, which is `python -m hourglass` too."""

from hourglass.console.signals import end_at_once


def main() -> None:
    """Run the command that is given on the command line."""
    end_at_once()
    import argparse  # these imports take a while, in which a signal ends this in one line

    from hourglass.commands import manifest
    from hourglass.console.command import guarded

    parser = argparse.ArgumentParser(
        prog="hourglass", description="Tools beside the pipeline, which `dvc repro` runs.", allow_abbrev=False
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (manifest,):
        command.add_parser(commands)
    arguments = parser.parse_args()
    with guarded():
        arguments.run(arguments)


if __name__ == "__main__":
    main()
