"""The exceptions whose message is meant for the person at the keyboard."""


class UserError(Exception):
    """Say in one line what was expected, what came and what to do; stages print it without a traceback."""


class StoppedError(Exception):
    """Say in one line what a run that was told to stop has saved; `signal` is the number of what told it.

    Nothing is said where another process says it.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal
