"""The one exception whose message is meant for the person at the keyboard."""


class UserError(Exception):
    """Say in one line what was expected, what came and what to do; stages print it without a traceback."""
