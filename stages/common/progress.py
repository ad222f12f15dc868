"""The progress bar of every stage."""

import sys
from typing import Never

from tqdm import tqdm


def progress(total: int, what: str, unit: str, done: int = 0, hidden: bool = False) -> "tqdm[Never]":
    """Show `what`, the speed and the time left; in a log file, a line every 30 seconds in place of a moving bar.

    `done` of `total` were done before, by a run that this one goes on from.
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
