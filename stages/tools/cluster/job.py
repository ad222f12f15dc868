"""The folder of a job, by which the host of DVC and the node that computes know of each other.

    request.json         by the host: which submission of this work counts, and the signal that it wants sent
    owner                by the agent: which submission, and which instance of it, runs the command
    running              locked by the agent and its command, until the last of them has ended
    <submission>.out     what the command prints; .err: its errors; .agent: what the agent itself says
    <submission>.status  by the agent: the exit status of the command

All are on a disk that the nodes share, and only read and replaced whole: a network file system shows each change to
whoever opens the file afterwards.
"""

import json
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from hourglass.files import whole_file, write_json


@dataclass(frozen=True)
class Job:
    """One submission of a command.

    Attributes:
        folder: Of all submissions of the same work.
        submission: The name of this one.
    """

    folder: Path
    submission: str

    def file(self, suffix: str) -> Path:
        """Return a file of this submission: .out, .err, .agent or .status."""
        return self.folder / f"{self.submission}{suffix}"

    def request(self, signum: int = 0) -> None:
        """Make this the submission that counts, and let its command be sent `signum`, if that is one."""
        write_json(self.folder / "request.json", {"submission": self.submission, "signal": signum})

    def signal(self) -> int:
        """Return the signal that is wanted: SIGTERM where another submission counts, 0 for none."""
        try:
            request = json.loads((self.folder / "request.json").read_text(encoding="utf-8"))
        except OSError:  # a network file system lost it for a moment, or the folder was removed
            return 0
        return int(request["signal"]) if request["submission"] == self.submission else signal.SIGTERM

    def own(self, instance: str) -> None:
        """Let this instance be the one that runs the command."""
        with whole_file(self.folder / "owner") as path:
            path.write_text(f"{self.submission} {instance}", encoding="utf-8")

    def owner(self) -> tuple[str, str]:
        """Return the submission and the instance that runs the command, or did last; empty before there is one."""
        try:
            submission, _, instance = (self.folder / "owner").read_text(encoding="utf-8").partition(" ")
        except OSError:
            return "", ""
        return submission, instance

    def end(self, status: int) -> None:
        """Write the exit status."""
        with whole_file(self.file(".status")) as path:
            path.write_text(str(status), encoding="utf-8")

    def status(self) -> int | None:
        """Return the exit status; None before there is one."""
        try:
            return int(self.file(".status").read_text(encoding="utf-8"))
        except OSError:
            return None

    def clear(self, others: bool) -> None:
        """Remove the files of all other submissions, or of this one."""
        for path in self.folder.glob("*.*"):
            is_own = path.name.startswith(f"{self.submission}.")
            if path.suffix in (".out", ".err", ".agent", ".status") and is_own != others:
                path.unlink(missing_ok=True)


def new_job(jobs: Path, work: str) -> Job:
    """Return a new submission of `work`, the name of a stage, and make it the one that counts."""
    folder = jobs.absolute() / re.sub(r"[^\w.-]", "-", work)
    folder.mkdir(parents=True, exist_ok=True)
    job = Job(folder, os.urandom(4).hex())
    job.clear(others=True)
    job.request()
    return job
