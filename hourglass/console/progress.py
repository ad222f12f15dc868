"""The progress bar of every stage, and lines that change in place."""

import sys
import threading
from typing import Never

from tqdm import tqdm

# No thread that watches over slow bars: where memory runs out, Python waits for ever for one that could not start.
tqdm.monitor_interval = 0
# Bars of one process need no lock between processes, which Python 3.14 reports as leaked if a signal ends the process.
tqdm.set_lock(threading.RLock())


def progress(total: int, what: str, unit: str, done: int = 0, hidden: bool = False) -> "tqdm[Never]":
    """Return a progress bar with the speed and the time left; in a log file it is a line every 30 seconds.

    Args:
        total: Number of steps.
        what: Label of the bar.
        unit: Name of a step.
        done: Steps that an earlier, interrupted run has done.
        hidden: Whether to show nothing.
    """
    quiet = not sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        disable=hidden,
        desc=what,
        unit=unit,
        unit_scale=True,
        dynamic_ncols=True,
        delay=1,
        mininterval=30 if quiet else 0.1,
        leave=not quiet,
        file=sys.stderr,
    )


def live_line(position: int) -> "tqdm[Never]":
    """Return a line of the terminal that can be written over, `position` lines below the cursor."""
    return tqdm(bar_format="{desc}", position=position, leave=False, dynamic_ncols=True, file=sys.stderr)
