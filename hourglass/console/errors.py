"""The exceptions whose message is meant for the person at the keyboard, and how such messages end."""

import difflib
from collections.abc import Iterable

MOST_COMPARED = 1000  # names, in a hundredth of a second
MOST_NAMED = 100  # in one line


class UserError(Exception):
    """An error whose message says in one line what was expected, what came and what to do.

    Stages print it without a traceback.
    """


class StoppedError(Exception):
    """Say in one line what a run that was told to stop has saved; `signal` is the number of what told it.

    The message is empty where another process says it.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


def nearest(wrong: object, known: Iterable[object]) -> str | None:
    """Return the known name that is spelt most alike, None if none is, or there are too many to compare."""
    names = {str(name).lower(): str(name) for name in known}  # capitals alone are no distance
    if len(names) > MOST_COMPARED:
        return None
    found = difflib.get_close_matches(str(wrong).lower(), names, n=1, cutoff=0.55)
    return names[found[0]] if found else None


def suggest(wrong: object, known: Iterable[object]) -> str:
    """Return the end of a message about a wrong name: the nearest known one, or all of them."""
    names = [str(name) for name in known]
    near = nearest(wrong, names)
    if near:
        return f"; did you mean '{near}'?"
    more = f" and {len(names) - MOST_NAMED:,} more" if names[MOST_NAMED:] else ""
    return f"; known: {', '.join(names[:MOST_NAMED]) or 'none'}{more}"
