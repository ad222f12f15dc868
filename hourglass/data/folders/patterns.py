"""Match a user's regular expression, for a limited time: some try more ways than there is time for."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hourglass.console.errors import UserError

# For all paths together: an honest expression takes about a millionth of a second for each.
SECONDS, SECONDS_A_PATH = 10, 0.001


@contextmanager
def limited(key: str, pattern: str, count: int) -> Iterator[None]:
    """Raise UserError if a block, in which `pattern` is matched with `count` paths, takes too long.

    Python's expressions look for signals while they match. Threads cannot have any: there it takes as long as it takes.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    seconds = SECONDS + SECONDS_A_PATH * count

    def stop(_signum: int, _frame: FrameType | None) -> None:
        raise UserError(
            f"`{key}` expected a regular expression that is done with {count:,} paths in {seconds:.0f} s, got {pattern}"
            ": it tries too many ways; repeat nothing that repeats itself, such as (a+)+"
        )

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
