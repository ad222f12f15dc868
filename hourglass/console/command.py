"""The command line of all stages: a name as the argument, errors as one line and a non-zero exit status."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hourglass.console.errors import StoppedError, UserError


def run(main: Callable[[str], None]) -> None:
    """Call `main` with the name that is given on the command line."""
    stage = Path(main.__code__.co_filename).stem
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}", description=main.__doc__)
    parser.add_argument("name", help="a key of params.yaml")
    name = parser.parse_args().name
    with guarded():
        main(name)


@contextmanager
def guarded() -> Iterator[None]:
    """Turn errors into one line and an exit status: 1 for bad input, 130 for SIGINT, 143 for SIGTERM."""
    # SIGTERM is what schedulers send: unwind as for Ctrl-C, so that half-written outputs are removed.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except StoppedError as stopped:
        if str(stopped):
            print(stopped, file=sys.stderr)
        sys.exit(128 + stopped.signal)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        sys.exit(f"error: {error.strerror or error}{where}; no output was written")
    except KeyboardInterrupt:
        print("interrupted: no output was written", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    finally:
        _ignore_signals()  # all is done or undone: in Python's own shutdown, a signal would only cause a traceback


@contextmanager
def deferred_signals() -> Iterator[Callable[[], int]]:
    """Defer SIGINT and SIGTERM; yield a function that returns the first one received, or 0.

    A second SIGINT is not deferred; a second SIGTERM is, because schedulers and torchrun both send one.
    """
    received = 0
    before: dict[signal.Signals, Any] = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}

    def record(signum: int, _frame: FrameType | None) -> None:
        nonlocal received
        received = received or signum
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    for signum in before:
        signal.signal(signum, record)
    try:
        yield lambda: received
    except StoppedError:
        before = dict.fromkeys(before, signal.SIG_IGN)  # a further signal must not cut off what is said about this one
        raise
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if received:  # after the block asked for the last time
        signal.raise_signal(received)


def _ignore_signals() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)


def _terminate(signum: int, _frame: FrameType | None) -> None:
    print("terminated: no output was written", file=sys.stderr)
    sys.exit(128 + signum)
