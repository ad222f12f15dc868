"""Run a reader on mutations of a good file, in a child process that a signal, a hang or a bomb may end.

good file -> mutate(seed, case) -> reader -> result | clear line | other
"""

import faulthandler
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hourglass.console.errors import UserError
from tests.fuzz.mutate import mutate

MAX_SECONDS = 10  # of the processor, so that a busy machine fails nobody
MAX_WAIT = 60  # seconds by the clock, for who waits for what never comes
MAX_BYTES = 1 << 30  # of memory, above what the process had before it read


@dataclass(frozen=True)
class Target:
    """A reader, and a good file for it.

    Args:
        name: Its name on the command line.
        good: Return the content of a good file.
        read: Read the file at a path; return anything. Whatever it writes goes beside that file.
        file: Name of the file, with its suffix.
        same: Whether two results are equal, for a format whose checksums show any damage: another result than that
            of the good file is then a failure. None for a format without.
        wrap: Applied to the mutated bytes, to damage what lies inside of a compressed file; None for the bytes as they are.
        mutations: Called with the good content and a generator; the mutated content. Bytes are changed by default.
        share: Of the cases that are asked for, one in so many is run: for a reader that takes long.
    """

    name: str
    good: Callable[[], bytes]
    read: Callable[[Path], object]
    file: str
    same: Callable[[Any, Any], bool] | None = None
    wrap: Callable[[bytes], bytes] | None = None
    mutations: Callable[[bytes, random.Random], bytes] = mutate
    share: int = 1


@dataclass
class Outcomes:
    """How the cases ended: counts of "result" and "clear line", and each other by its case, with what was seen."""

    counts: Counter[str] = field(default_factory=Counter)
    others: list[str] = field(default_factory=list)


def run(target: Target, cases: int, seed: int = 0) -> Outcomes:
    """Run `cases` mutations; a child that dies is replaced by one that goes on after the case that ended it."""
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory() as folder:
        good = target.good()
        expected = _read(target, Path(folder), good)
        case = 0
        cases = -(-cases // target.share)
        while case < cases:
            case = _run_child(target, Path(folder), good, expected, range(case, cases), seed, outcomes)
    return outcomes


def content(target: Target, good: bytes, seed: int, case: int) -> bytes:
    """Return the mutated file of a case."""
    mutated = target.mutations(good, random.Random(f"{target.name} {seed} {case}"))  # noqa: S311  # no secret
    return target.wrap(mutated) if target.wrap else mutated


def _run_child(
    target: Target, folder: Path, good: bytes, expected: object, cases: range, seed: int, outcomes: Outcomes
) -> int:
    """Run cases in a forked process until it dies or they end; return the next case."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(target, folder, good, expected, cases, seed, writer)
    os.close(writer)
    case = cases.start
    with os.fdopen(reader, encoding="utf-8") as lines:
        for line in lines:
            kind, _, what = line.rstrip("\n").partition(" ")
            _count(outcomes, kind, case, what)
            case += 1
    _, status = os.waitpid(child, 0)
    if case < cases.stop:
        ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
        timers = (signal.SIGALRM, signal.SIGPROF)
        over = " (over time)" if os.WIFSIGNALED(status) and os.WTERMSIG(status) in timers else ""
        _count(outcomes, "other", case, ended + over)
        case += 1
    return case


def _child(
    target: Target, folder: Path, good: bytes, expected: object, cases: Sequence[int], seed: int, writer: int
) -> None:
    """Read every case and write a line about each; never return."""
    faulthandler.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the reader prints
    os.dup2(1, 2)
    for signum in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(signum, signal.SIG_DFL)  # a reader stuck in C cannot be asked to stop, only killed
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # the parent's threads did not come along, and libgomp would wait for them
    _limit_memory()
    for case in cases:
        damaged = content(target, good, seed, case)
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
        signal.alarm(MAX_WAIT)
        line = _outcome(target, folder, damaged, expected)
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(writer, (" ".join(line.split())[:500] + "\n").encode())
    os._exit(0)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MAX_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _outcome(target: Target, folder: Path, damaged: bytes, expected: object) -> str:
    try:
        result = _read(target, folder, damaged)
    except UserError as error:
        return f"line {error}"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"other {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    if target.same is not None and not target.same(result, expected):
        return "other a wrong result in silence"
    return "result"


def _read(target: Target, folder: Path, content: bytes) -> object:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        path = Path(own) / target.file
        path.write_bytes(content)
        return target.read(path)


def _count(outcomes: Outcomes, kind: str, case: int, what: str) -> None:
    outcomes.counts[{"line": "clear line", "result": "result"}.get(kind, "other")] += 1
    if kind not in ("line", "result"):
        outcomes.others.append(f"case {case}: {what}")


def report(target: Target, cases: int, seed: int) -> Outcomes:
    """Run a target and print how its cases ended."""
    started = time.monotonic()
    outcomes = run(target, cases, seed)
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(outcomes.counts.items()))
    print(f"{target.name}: {outcomes.counts.total()} cases in {time.monotonic() - started:.1f} s: {counts}", flush=True)
    for other in outcomes.others:
        print(f"  {other}", flush=True)
    return outcomes
