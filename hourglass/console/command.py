"""The command line of all stages: a name as the argument, errors as one line and a non-zero exit status."""

import argparse
import errno
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, Never

from hourglass.console.errors import StoppedError, UserError
from hourglass.console.lock import only_process
from hourglass.console.memory import OUT_OF_MEMORY, allowed_memory, limit_memory
from hourglass.console.signals import SIGNALS, TerminatedError, Unwinding, end, ignore_signals


def run(main: Callable[[str], None], locks: Path | None = None) -> None:
    """Call `main` with the name that is given on the command line, or with that of the DVC stage that is.

    `locks` is the folder of the lock files, by which no two processes do the same at a time.
    """
    stage = Path(main.__code__.co_filename).stem
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}", description=main.__doc__)
    parser.add_argument("name", help=f"a key of params.yaml; {stage}@<key>, DVC's name of the stage, will do too")
    name = parser.parse_args().name.rpartition(f"{stage}@")[2]  # from another folder, DVC says ../dvc.yaml:train@...
    with guarded(), only_process(locks, f"{stage} {name}") if locks else nullcontext():
        main(name)


@contextmanager
def guarded() -> Iterator[None]:
    """Turn errors into one line and an exit status: 1 for bad input, 130 for SIGINT, 143 for SIGTERM."""
    unwinding = Unwinding()
    try:
        try:
            limit_memory()
            yield
        except Exception as error:
            if unwinding.received and not isinstance(error, StoppedError):
                # A library took it for an error of its own, as Pillow does while it opens a file.
                raise KeyboardInterrupt if unwinding.received == signal.SIGINT else TerminatedError from None
            raise
        finally:
            unwinding.ended = True  # all is done or undone
    except UserError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except StoppedError as stopped:
        if str(stopped):
            print(stopped, file=sys.stderr)
        sys.exit(128 + stopped.signal)
    except OSError as error:
        _exit_for_file(error)
    except (MemoryError, RuntimeError, SystemError) as error:
        _exit_for_memory(error)
    except (KeyboardInterrupt, TerminatedError) as error:
        sys.stdout.flush()
        end(SIGNALS[type(error)])
    finally:
        ignore_signals()


def _exit_for_file(error: OSError) -> Never:
    where = f" ({error.filename})" if error.filename else ""
    if not where and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" (writing in {Path.cwd()}, or in the folder of temporary files)"
    sys.exit(f"error: {error.strerror or error}{where}")


def _exit_for_memory(error: MemoryError | RuntimeError | SystemError) -> Never:
    if not isinstance(error, MemoryError) and not any(words in str(error) for words in OUT_OF_MEMORY):
        raise error
    sys.exit(
        f"error: expected to need at most {allowed_memory()} of memory, got: out of memory: make the images, the batch "
        "or the network smaller"
    )


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
