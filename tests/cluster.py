"""A HyperQueue cluster of real processes for the tests: `python -m tests.cluster server|worker FOLDER`.

PyPI's package has a server and workers in one process, and no program hq. So that a worker can be killed alone, one
process starts a server, and the others each make its workers join that one, by the file with its address.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest

from .conftest import ROOT

pytest.importorskip("hyperqueue", reason="hyperqueue is not installed: uv pip install hyperqueue")


def serve(folder: Path) -> None:
    """Run a server without workers."""
    from hyperqueue.cluster import LocalCluster

    with LocalCluster(str(folder)):
        print("ready", flush=True)
        sys.stdin.read()


def work(folder: Path) -> None:
    """Run a worker with one CPU for the server of `folder`."""
    from hyperqueue.cluster import LocalCluster, WorkerConfig

    own = folder.with_name(f"worker-{os.getpid()}")
    with LocalCluster(str(own)) as cluster:
        shutil.copy(folder / "hq-current/access.json", own / "hq-current/access.json")
        cluster.start_worker(WorkerConfig(cores=1))
        print("ready", flush=True)
        sys.stdin.read()


class Cluster:
    """A server, and workers that can be started and killed.

    Args:
        folder: An empty folder.
        hosts: Network namespaces to run in, the server in the first one; none for that of the tests.
        address: Of the first host.
    """

    def __init__(self, folder: Path, hosts: Sequence[str] = (), address: str = "localhost") -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.server = self._start("server", hosts[0] if hosts else "")
        access = folder / "hq-current/access.json"
        values = json.loads(access.read_text(encoding="utf-8"))
        for part in ("client", "worker"):
            values[part]["host"] = address
        access.write_text(json.dumps(values), encoding="utf-8")

    def worker(self, host: str = "") -> subprocess.Popen[bytes]:
        """Start a worker with one CPU."""
        return self._start("worker", host)

    def close(self) -> None:
        """Kill what still runs, workers first: that is what ends their jobs."""
        for process in reversed(self.processes):
            with process:  # which closes its pipes
                process.kill()

    def _start(self, role: str, host: str) -> subprocess.Popen[bytes]:
        prefix = ("ip", "netns", "exec", host) if host else ()
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.cluster", role, str(self.folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.processes.append(process)
        assert process.stdout is not None
        wait_for_line(process.stdout, b"ready")
        return process


def wait_for_line(stream: IO[bytes], text: bytes) -> None:
    """Read until a line has `text`."""
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"the process ended without {text!r}")


def wait_for_file(folder: Path, pattern: str, seconds: float = 300) -> Path:
    """Wait until there is a file that matches, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := next(iter(folder.glob(pattern)), None):
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {folder} after {seconds} s")


if __name__ == "__main__":
    {"server": serve, "worker": work}[sys.argv[1]](Path(sys.argv[2]))
