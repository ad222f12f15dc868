"""A process that reproduces one stage after another: python -m stages.scheduler.worker COMMANDS EVENTS OPTIONS.

    commands, one JSON a line -> {"run": name, "gpu": "0" or null}, {"stop": number of a signal}
    events, one JSON a line   <- {"how": "runs"}, then {"how": "ran", "cached", "unchanged" or "failed", "error": ...}

Both are pipes, given as file descriptors. When the scheduler ends, however it ends, the pipe of commands closes: the
worker then stops its stage as SIGTERM would, and ends too. It lets DVC finish what it writes in every case, so that no
lock file is cut off.
"""

import json
import logging
import os
import queue
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import psutil

from hourglass.console.errors import UserError

GPU = "CUDA_VISIBLE_DEVICES"
POLL = 0.1  # seconds
RETRY = 0.02  # seconds between two tries to get DVC's lock; DVC itself waits for 0.5
GIT_WAIT = 10.0  # seconds
STOPS = 1.0  # seconds that a process has to be suspended; one that waits for a disk needs longer
GRACE = 30.0  # seconds from SIGTERM to SIGKILL for a stage whose scheduler is gone
SUSPENDED = {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
UNSEEN = (psutil.Error, OSError)  # of a process that is gone, or another user's, or when too many files are open
KINDS = {"Running stage": "ran", "Stage '%s' is cached": "cached"}  # how messages of DVC begin


class Commands(threading.Thread):
    """Reads commands, and stops the running stage when told to.

    Attributes:
        jobs: Stages to run, None at the end.
        signal: What the stages are stopped with, 0 before that. A stage that starts later is stopped as it starts.
    """

    def __init__(self, pipe: int) -> None:
        super().__init__(daemon=True)
        self.jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.signal = 0
        self._pipe = pipe
        self._told: set[tuple[psutil.Process, int]] = set()

    def stop(self, signum: int) -> None:
        """Stop the running stage with a signal, and start no other."""
        self.signal = signum
        self.jobs.put(None)

    def run(self) -> None:
        """Read commands until the scheduler closes the pipe; then give the stage `GRACE` to end."""
        rest = b""
        while True:
            if select.select([self._pipe], [], [], POLL)[0]:
                read = os.read(self._pipe, 1 << 16)
                if not read:
                    break
                *lines, rest = (rest + read).split(b"\n")
                for command in map(json.loads, lines):
                    if "stop" in command:
                        self.stop(command["stop"])
                    else:
                        self.jobs.put(command)
            self._tell()
        self.stop(self.signal or signal.SIGTERM)
        end = time.monotonic() + GRACE
        while True:
            if time.monotonic() > end:
                self.signal = signal.SIGKILL
            self._tell()
            time.sleep(POLL)

    def _tell(self) -> None:
        """Send the signal to each command that DVC has started and to what that has started, once."""
        for command in psutil.Process().children() if self.signal else ():
            if (command, self.signal) not in self._told:
                self._told.add((command, self.signal))
                send_to_all(command, self.signal)


def send_to_all(process: psutil.Process, signum: int) -> None:
    """Send a signal to a process and to what it has started, as if to all at the same moment.

    They are suspended meanwhile, from the top, each before its children are looked for: a shell that saw its command
    end before it has the signal itself would start the next one, and a fork may be under way. They are resumed from the
    bottom: what is suspended when the last parent of its process group ends gets a SIGHUP from the kernel.
    """
    found = [process]
    for one in found:  # which grows
        with suppress(*UNSEEN):
            one.suspend()
            _wait_until_suspended(one)
        with suppress(*UNSEEN):  # also of one that may not be suspended
            found += one.children()
    for send in (lambda one: one.send_signal(signum), psutil.Process.resume):
        for one in reversed(found):
            with suppress(*UNSEEN):
                send(one)


def _wait_until_suspended(process: psutil.Process) -> None:
    end = time.monotonic() + STOPS
    while process.status() not in SUSPENDED and time.monotonic() < end:
        time.sleep(0.001)


class Events(logging.Handler):
    """Tells the scheduler how a stage comes along, out of what DVC logs."""

    def __init__(self, pipe: int) -> None:
        super().__init__(logging.INFO)
        self.how = "unchanged"
        self._pipe = pipe

    def send(self, **event: str) -> None:
        """Send one event; a scheduler that is gone needs none."""
        with suppress(BrokenPipeError):
            os.write(self._pipe, f"{json.dumps(event)}\n".encode())

    def emit(self, record: logging.LogRecord) -> None:
        """Remember how DVC comes by the outputs; print what it warns of."""
        for start, how in KINDS.items():
            if str(record.msg).startswith(start):
                self.how = how
                self.send(how="runs")
        if record.levelno >= logging.WARNING:
            print(record.getMessage(), file=sys.stderr, flush=True)


def main(commands: Commands, events: Events, options: dict[str, Any]) -> None:
    """Reproduce stages until there are no more; `options` are those of `dvc repro`."""
    from dvc.repo import Repo

    log = logging.getLogger("dvc")
    log.handlers[:] = [events]  # in place of those that print
    log.setLevel(logging.INFO)
    log.propagate = False
    visible = os.environ.get(GPU)
    with Repo(_wait_for_lock=True) as repo:
        wait_promptly(repo)
        repo.stage_cache.pull = lambda _remote: []  # the scheduler has done so, once for all stages
        while (job := commands.jobs.get()) is not None and not commands.signal:
            gpu = job["gpu"] or visible
            if gpu is not None:
                os.environ[GPU] = gpu
            events.how = "unchanged"
            error = reproduce(repo, job["run"], options)
            events.send(how="failed" if error else events.how, error=error)


def wait_promptly(repo: Any) -> None:  # noqa: ANN401  # DVC is not typed
    """Let DVC's lock be tried often and without a word; as it is, others' stages end while it sleeps."""
    from dvc.lock import Lock, LockError

    class PromptLock(Lock):  # type: ignore[misc]
        def lock(self) -> None:
            while True:
                try:
                    return self._do_lock()
                except LockError:
                    time.sleep(RETRY)

    if type(repo.lock) is Lock:  # and not the one for file systems that cannot lock
        repo.lock = PromptLock(repo.lock.lockfile)


def reproduce(repo: Any, name: str, options: dict[str, Any]) -> str:  # noqa: ANN401
    """Let DVC reproduce one stage; return what went wrong, "" if nothing did."""
    from dulwich.file import FileLocked
    from dvc.repo.reproduce import _reproduce_stage

    def with_upstream(stage: Any, upstream: object, **kwargs: Any) -> Any:  # noqa: ANN401
        # Of a single stage, DVC does not look whether a missing dependency is another one by now.
        upstream = list(repo.index.graph.successors(stage)) if options["allow_missing"] else upstream
        return _reproduce_stage(stage, upstream=upstream, **kwargs)

    try:
        try:
            repo.reproduce(name, single_item=True, repro_fn=with_upstream, **options)
        except FileLocked:  # all is done, but for `git add dvc.lock`
            stage_for_git(repo)
    except Exception as error:  # whatever it is, the scheduler says it, and others go on
        return " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    return ""


def stage_for_git(repo: Any) -> None:  # noqa: ANN401
    """Let git add what DVC has written, as soon as another process, such as `git commit`, lets it."""
    from dulwich.file import FileLocked
    from dvc.repo import lock_repo

    end = time.monotonic() + GIT_WAIT
    while True:
        try:
            with lock_repo(repo), repo.scm_context():
                return
        except FileLocked as error:
            if time.monotonic() > end:
                name = os.fsdecode(error.lockfilename)
                raise UserError(f"it is done, but git could not add dvc.lock: {name} is there") from None
        time.sleep(POLL)


if __name__ == "__main__":
    reader = Commands(int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM):  # a handler, since a stage would inherit that a signal is ignored
        signal.signal(number, lambda signum, _frame: reader.stop(signum))
    reader.start()
    main(reader, Events(int(sys.argv[2])), json.loads(sys.argv[3]))
