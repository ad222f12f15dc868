"""What the person at the keyboard sees of several stages at once."""

import sys
import time
from typing import Never

from tqdm import tqdm

from hourglass.console.progress import live_line
from stages.scheduler.pool import Result, Worker

WORDS = {"ran": "done", "cached": "taken from the cache", "failed": "failed"}


class Display:
    """Lines of the stages, each with its stage before it; in a terminal, one live line for each that runs below them.

    Args:
        total: Number of stages that may run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._bars: list[tqdm[Never]] = []
        self._live = sys.stderr.isatty()

    def print(self, name: str, text: str) -> None:
        """Print one line of a stage."""
        tqdm.write(f"{name}: {text}", file=sys.stdout)
        sys.stdout.flush()

    def ended(self, result: Result, stopped: bool) -> None:
        """Say how a stage ended; one that did not change says nothing.

        Args:
            result: How it ended.
            stopped: Whether all stages were told to stop.
        """
        self._done += 1
        if result.how == "unchanged":
            return
        duration = tqdm.format_interval(result.seconds)
        word = "stopped" if stopped and result.how == "failed" else WORDS[result.how]
        self.print(result.name, f"{word} ({duration}, {self._done} of {self._total})")

    def update(self, workers: list[Worker]) -> None:
        """Draw the live lines anew."""
        if not self._live:
            return
        running = [worker for worker in workers if worker.runs]
        while len(self._bars) < len(running):
            self._bars.append(live_line(len(self._bars)))
        for index, bar in enumerate(self._bars):
            text = ""
            if index < len(running):
                worker = running[index]
                seconds = tqdm.format_interval(time.monotonic() - worker.started)
                text = f"{worker.name} {seconds} {worker.shown.removeprefix(f'{worker.name}: ')}"
            bar.set_description_str(text)

    def close(self) -> None:
        """Remove the live lines."""
        for bar in reversed(self._bars):
            bar.close()
