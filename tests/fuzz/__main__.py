"""Run fuzz targets by hand: python -m tests.fuzz [NAME ...] [--cases N] [--seed S]; exit status 1 if one fails."""

import argparse
import sys

from tests.fuzz.harness import report
from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run the named targets, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--cases", type=int, default=200, help="mutations of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other mutations (default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(TARGETS):
        parser.error(f"expected names of {', '.join(TARGETS)}, got {', '.join(sorted(unknown))}")
    names = arguments.names or TARGETS
    failed = [name for name in names if report(TARGETS[name], arguments.cases, arguments.seed).others]
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
