"""The command line that all stages share: one name in; one line and a non-zero exit status when something is wrong."""

import argparse
import signal
import sys
from collections.abc import Callable
from types import FrameType

from stages.errors import UserError


def run(main: Callable[[str], None]) -> None:
    """Call `main` with the name on the command line; exit with 1 on bad input, 130 on SIGINT, 143 on SIGTERM."""
    parser = argparse.ArgumentParser(prog=f"python -m {main.__module__}", description=main.__doc__)
    parser.add_argument("name", help="a key of params.yaml")
    name = parser.parse_args().name
    # SIGTERM is what schedulers send: unwind as for Ctrl-C, so that half-written outputs are removed.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        main(name)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        sys.exit(f"error: {error.strerror or error}{where}; no output was written")
    except KeyboardInterrupt:
        print("interrupted: no output was written", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _terminate(signum: int, _frame: FrameType | None) -> None:
    print("terminated: no output was written", file=sys.stderr)
    sys.exit(128 + signum)
