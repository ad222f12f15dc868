"""What SIGINT (Ctrl-C) and SIGTERM do to a command: one line and an exit status of 128 + the signal's number.

starts, and imports -> end at once        `end_at_once`
works               -> unwind, then end   `Unwinding`: what was half written is removed; a second Ctrl-C ends at once
has ended           -> nothing
"""

import os
import signal
import sys
from types import FrameType, TracebackType

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def end_at_once() -> None:
    """Let signals end this process with one line: while it imports, there is nothing to undo yet.

    An exception would not do: raised within an import, it comes with the lines of all modules that import each other,
    or libraries take it for an error of theirs.
    """
    for signum in WORDS:
        signal.signal(signum, end)


def ignore_signals() -> None:
    """Let signals do nothing from now on: in Python's own shutdown, they would only cause a traceback."""
    for signum in WORDS:
        signal.signal(signum, signal.SIG_IGN)


class Unwinding:
    """Handles signals while work is done: the first one raises an exception, so that half-written files are removed.

    Attributes:
        received: The first signal, 0 before there is one.
        ended: Set this when the work has ended, well or not: then signals are ignored.
    """

    def __init__(self) -> None:
        self.received = 0
        self.ended = False
        sys.excepthook = _hook
        for signum in WORDS:
            signal.signal(signum, self._handle)

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.ended:
            return
        if not self.received:
            self.received = signum
            raise KeyboardInterrupt if signum == signal.SIGINT else TerminatedError
        if signum == signal.SIGINT:  # again; of SIGTERM, schedulers and torchrun both send one
            end(signum)


class TerminatedError(BaseException):
    """SIGTERM came; as KeyboardInterrupt, it is no Exception, so that nothing takes it for an error."""


SIGNALS: dict[type[BaseException], signal.Signals] = {
    KeyboardInterrupt: signal.SIGINT,
    TerminatedError: signal.SIGTERM,
}


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """End with one line for a signal that came when nothing was left to catch it, but the work had not ended."""
    if kind in SIGNALS:
        end(SIGNALS[kind])
    sys.__excepthook__(kind, error, trace)


def end(signum: int, _frame: FrameType | None = None) -> None:
    """End this process at once, with the line about a signal and its exit status."""
    # Past Python's buffers, which the signal may have interrupted, and its shutdown, which waits for all threads, and
    # kills itself with SIGINT instead if a KeyboardInterrupt ever went through code of exec().
    os.write(2, f"{WORDS[signal.Signals(signum)]}: run the same command again\n".encode())
    os._exit(128 + signum)
