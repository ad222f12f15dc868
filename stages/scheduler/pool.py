"""The workers as the scheduler sees them: each a session of its own, so that Ctrl-C of a terminal reaches none."""

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

GPU_STAGES = ("train", "evaluate")  # before the @ of a stage that computes on a GPU where there is one
AT_ONCE = 1 << 16  # bytes
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colors, and moves of the cursor
KILL_AFTER = 5.0  # seconds that a worker has to end after its stage was killed


@dataclass
class Result:
    """How a stage ended: "ran", "cached", "unchanged" or "failed", and what went wrong."""

    name: str
    how: str
    error: str
    seconds: float


@dataclass
class Worker:
    """One process, and what it does.

    Attributes:
        commands, events: Pipes.
        output: What it and its stages print: a file, since a pipe that nobody reads any more would stop a training
            before it has saved.
        name: The stage that it has, "" if none.
        gpu: What that stage has for itself.
        started: When that was, in seconds.
        runs: Whether the stage did change, as far as is known.
        shown: Its last words.
    """

    process: subprocess.Popen[bytes]
    commands: int
    events: int
    output: IO[bytes]
    name: str = ""
    gpu: str | None = None
    started: float = 0.0
    runs: bool = False
    shown: str = ""
    _read: int = 0
    _rest: dict[str, bytes] = field(
        default_factory=lambda: {"events": b"", "output": b""}
    )  # without an end of line yet

    def tell(self, command: Mapping[str, Any]) -> None:
        """Send a command; a worker that has ended shows that by its events."""
        with suppress(BrokenPipeError):
            os.write(self.commands, f"{json.dumps(command)}\n".encode())

    def read_events(self) -> tuple[list[dict[str, str]], bool]:
        """Read what there is; return it, and whether more may come."""
        read, alive = b"", True
        with suppress(BlockingIOError):
            while block := os.read(self.events, AT_ONCE):
                read += block
            alive = False
        return [json.loads(line) for line in self._lines("events", read)], alive

    def read_output(self) -> list[str]:
        """Return new lines; of a progress bar, its last state."""
        read = b""
        while block := os.pread(self.output.fileno(), AT_ONCE, self._read):
            self._read += len(block)
            read += block
        lines = [last_state(line) for line in self._lines("output", read)]
        self.shown = last_state(self._rest["output"]) or (lines or [self.shown])[-1]
        return lines

    def _lines(self, source: str, read: bytes) -> list[bytes]:
        *lines, self._rest[source] = (self._rest[source] + read).split(b"\n")
        return lines


def last_state(line: bytes) -> str:
    """Return what a terminal would show of a line that was written over again and again."""
    text = CONTROL.sub("", line.decode(errors="replace")).rstrip("\r ")
    return text.rpartition("\r")[2]


class Pool:
    """Up to `jobs` workers, each started when it is first needed.

    Args:
        jobs: Stages at the same time.
        options: Those of `dvc repro` for every stage.
        gpus: Values of CUDA_VISIBLE_DEVICES: a stage that computes on a GPU gets one of them for itself. Without any,
            all stages see what this process sees.
        environment: Of the stages.
        lock: A file descriptor that the workers keep open.
    """

    def __init__(
        self, jobs: int, options: Mapping[str, bool], gpus: Sequence[str], environment: Mapping[str, str], lock: int
    ) -> None:
        self.workers: list[Worker] = []
        self._jobs, self._options, self._gpus = jobs, options, gpus
        self._environment, self._lock = environment, lock
        self._selector = selectors.DefaultSelector()

    @property
    def busy(self) -> list[Worker]:
        """Return the workers that have a stage."""
        return [worker for worker in self.workers if worker.name]

    def can_start(self, name: str) -> bool:
        """Return whether a worker, and a GPU if the stage computes on one, is free."""
        return len(self.busy) < self._jobs and (not self._needs_gpu(name) or bool(self._free_gpus()))

    def start(self, name: str) -> None:
        """Hand a stage to a free worker."""
        free = [worker for worker in self.workers if not worker.name]
        worker = free[0] if free else self._new()
        worker.gpu = self._free_gpus()[0] if self._needs_gpu(name) else None
        worker.name, worker.runs, worker.started = name, False, time.monotonic()
        worker.tell({"run": name, "gpu": worker.gpu})

    def _needs_gpu(self, name: str) -> bool:
        return bool(self._gpus) and name.rpartition(":")[2].partition("@")[0] in GPU_STAGES

    def _free_gpus(self) -> list[str]:
        taken = {worker.gpu for worker in self.busy}
        return [gpu for gpu in self._gpus if gpu not in taken]

    def _new(self) -> Worker:
        theirs, commands = os.pipe()
        events, theirs_too = os.pipe()
        output = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the worker
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "stages.scheduler.worker", str(theirs), str(theirs_too), json.dumps(self._options)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(self._environment),
            pass_fds=(theirs, theirs_too, self._lock),
            start_new_session=True,
        )
        for descriptor in (theirs, theirs_too):
            os.close(descriptor)
        worker = Worker(process, commands, events, output)
        os.set_blocking(events, False)
        self._selector.register(events, selectors.EVENT_READ, worker)
        self.workers.append(worker)
        return worker

    def wait(self, seconds: float) -> tuple[list[tuple[str, str]], list[Result]]:
        """Wait for something to happen; return lines of output with the stage of each, and what has ended."""
        lines: list[tuple[str, str]] = []
        results: list[Result] = []
        self._selector.select(seconds)
        for worker in list(self.workers):
            events, alive = worker.read_events()
            lines += [(worker.name, line) for line in worker.read_output()]  # later: a stage writes before it ends
            for event in events:
                worker.runs = True
                if event["how"] != "runs":
                    results.append(self._end(worker, event["how"], event["error"]))
            if not alive:
                if worker.name:
                    results.append(self._end(worker, "failed", self._last_words(worker)))
                self._forget(worker)
        return lines, results

    def _end(self, worker: Worker, how: str, error: str) -> Result:
        result = Result(worker.name, how, error, time.monotonic() - worker.started)
        worker.name, worker.gpu, worker.shown = "", None, ""
        return result

    def _last_words(self, worker: Worker) -> str:
        status = worker.process.wait()
        return (
            f"its process ended with status {status}" if status >= 0 else f"its process was killed by signal {-status}"
        )

    def _forget(self, worker: Worker) -> None:
        self._selector.unregister(worker.events)
        os.close(worker.events)
        os.close(worker.commands)
        worker.output.close()
        self._kill(worker)
        self.workers.remove(worker)

    def _kill(self, worker: Worker) -> None:
        """Kill what a worker started, and the worker: a process group, but for what has made its own."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()

    def stop(self, signum: int) -> None:
        """Stop all stages with a signal; how they end comes as ever."""
        for worker in self.workers:
            worker.tell({"stop": signum})

    def close(self) -> None:
        """End all workers; kill stages that still run."""
        self.stop(signal.SIGKILL if self.busy else signal.SIGTERM)
        end = time.monotonic() + KILL_AFTER
        for worker in list(self.workers):
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, end - time.monotonic()))
            self._forget(worker)
