"""Run a command on a node of a cluster: `python -m stages.tools.cluster.agent FOLDER SUBMISSION COMMAND...`.

HyperQueue starts it. A worker that is lost leaves its processes behind, and the job may soon be on another node: those
processes get SIGTERM, and a training saves what it has. One instance at a time runs the command: the next one waits for
a lock that the command holds too, until its last process has ended. A training then goes on from its checkpoint.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from stages.tools.cluster.job import Job

POLL = 0.2  # seconds
NOT_FOUND = 127  # the exit status of shells for a command that cannot be started


class Agent:
    """Runs one instance of a job.

    Args:
        job: What is asked of it.
        instance: HyperQueue's number of this try, which grows with every worker that is lost.
    """

    def __init__(self, job: Job, instance: str) -> None:
        self.job = job
        self.instance = instance
        self.received = 0
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._receive)

    def _receive(self, signum: int, _frame: FrameType | None) -> None:
        self.received = signum

    def run(self, command: list[str]) -> int:
        """Run the command unless it is no longer wanted, and return its exit status, 128 + n if signal n ended it."""
        if signum := self.received or self.job.signal():  # before it takes the work from an instance that is wanted
            return 128 + signum
        self.job.own(self.instance)
        with (self.job.folder / "running").open("a") as lock:
            if signum := self._wait_for(lock.fileno()):
                return 128 + signum
            return self._command(command, lock.fileno())

    def wanted(self) -> int:
        """Return the signal that the command should get, 0 for none."""
        if self.job.owner() != (self.job.submission, self.instance):
            return signal.SIGTERM
        return self.received or self.job.signal()

    def _wait_for(self, lock: int) -> int:
        """Take the lock and return 0, or return the signal by which the wait ended."""
        said = False
        while not (signum := self.wanted()):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not said:
                    self._say("waits until the processes of the try before it have ended")
                said = True
                time.sleep(POLL)
            else:
                return 0
        return signum

    def _command(self, command: list[str], lock: int) -> int:
        self._say(f"try {int(self.instance) + 1} runs on {socket.gethostname()}")
        with self.job.file(".out").open("ab") as output, self.job.file(".err").open("ab") as errors:
            try:
                process = subprocess.Popen(command, stdout=output, stderr=errors, pass_fds=[lock])  # noqa: S603, the user's own
            except OSError as error:
                self._say(f"error: {command[0]}: {error.strerror}")
                self.job.end(NOT_FOUND)
                return NOT_FOUND
        sent = False
        while (status := process.poll()) is None:
            if not sent and (signum := self.wanted()):
                # SIGINT is how HyperQueue ends a job: it goes to the whole process group, the command among them, and
                # a second one would not let a training save.
                if self.received != signal.SIGINT:
                    process.send_signal(signum)
                sent = True
            time.sleep(POLL)
        status = status if status >= 0 else 128 - status
        if self.received != signal.SIGTERM:  # else the job goes on elsewhere, and this is not how it ends
            self.job.end(status)
        return status

    def _say(self, line: str) -> None:
        with self.job.file(".err").open("a", encoding="utf-8") as errors:
            errors.write(f"{line}\n")


if __name__ == "__main__":
    folder, submission, *arguments = sys.argv[1:]
    sys.exit(Agent(Job(Path(folder), submission), os.environ["HQ_INSTANCE_ID"]).run(arguments))
