"""A job on a HyperQueue server, as the host of DVC sees it: its events, and what it prints."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from hourglass.console.errors import UserError
from stages.tools.cluster.job import Job

PATIENCE = 60.0  # seconds within which a server must have taken a job


class Submitted:
    """A job that a server has taken.

    Args:
        server: The server's folder.
        job: Its files.
        name: What `hq job list` calls it.
        command: What to run.
        environment: Variables that the command gets, beside those of its node.
        resources: How much of what it needs, by HyperQueue's names.

    Raises:
        UserError: If there is no server, or it does not answer.
    """

    def __init__(
        self,
        server: Path,
        job: Job,
        name: str,
        command: list[str],
        environment: Mapping[str, str],
        resources: Mapping[str, int],
    ) -> None:
        self.server = server
        agent = [sys.executable, "-m", "stages.tools.cluster.agent", str(job.folder), job.submission, *command]
        description = {
            "server": str(server),
            "name": name,
            "command": agent,
            "environment": dict(environment),
            "folder": str(Path.cwd()),
            "log": str(job.file(".agent")),
            "resources": dict(resources),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stages.tools.cluster.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it: it goes on waiting while the training saves
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin as stdin:
            stdin.write(json.dumps(description).encode())
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        try:
            self.id = int(self._event(PATIENCE)["job"])
        except queue.Empty:
            self.close()
            raise self.lost(f"no answer within {PATIENCE:.0f} s") from None

    def ended(self, timeout: float) -> str | None:
        """Wait for the end of the job; return why it failed, "" if it did not, None if it has not ended yet.

        Args:
            timeout: How long to wait, in seconds.

        Raises:
            UserError: If the server is gone.
        """
        try:
            return self._event(timeout)["done"] or ""
        except queue.Empty:
            return None

    def close(self) -> None:
        """Wait for it no longer."""
        self._process.kill()
        self._process.wait()

    def _read(self, lines: BinaryIO) -> None:
        for line in lines:
            self._events.put(json.loads(line))
        self._events.put({"error": "its client has ended"})

    def _event(self, timeout: float) -> dict[str, Any]:
        event = self._events.get(timeout=timeout)
        if "error" in event:
            raise self.lost(event["error"])
        return event

    def lost(self, reason: str) -> UserError:
        """Return the error of a server that is not there."""
        advice = "start one, `hq server start`, then run the same command again"
        return UserError(f"{self.server}: expected a HyperQueue server, got: {reason}: {advice}")


class Output:
    """What a command prints on its node, shown here as it comes."""

    def __init__(self, job: Job) -> None:
        self._streams = [(job.file(".out"), sys.stdout.buffer), (job.file(".err"), sys.stderr.buffer)]
        self._shown = [0] * len(self._streams)  # bytes

    def show(self) -> None:
        """Show what is new."""
        for number, (path, stream) in enumerate(self._streams):
            try:
                with path.open("rb") as file:  # opened anew, for a network file system to look again
                    file.seek(self._shown[number])
                    new = file.read()
            except OSError:  # nothing was printed yet
                continue
            self._shown[number] += len(new)
            stream.write(new)
            stream.flush()
