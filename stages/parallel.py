"""Reproduce several stages at once: what `dvc repro` does one after another.

DVC's lock, rwlock and run cache stay in charge, and dvc.lock becomes the same to the byte. When a stage fails, those
that do not wait for it run all the same; the exit status is 1. Ctrl-C and SIGTERM stop the stages: a training saves a
checkpoint, what has ended is kept, and the same command goes on from there.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable

from hourglass.console.command import deferred_signals, guarded
from hourglass.console.errors import StoppedError
from hourglass.console.signals import WORDS
from stages.paths import GROUP_STAGES, LOCKS
from stages.scheduler.lock import only_scheduler
from stages.scheduler.plan import make_plan, pull_run_cache, sort_lock_files
from stages.scheduler.pool import Pool
from stages.scheduler.run import Outcome, run_plan

THREADS = """threads of every stage, OMP_NUM_THREADS. Default: as without this command, mostly one for every core, since
their number decides the last bits of a training. So several jobs have more threads than there are cores; cores / jobs
is faster, and gives other bits, which `dvc repro` gives with the same OMP_NUM_THREADS"""
GPUS = """such as 0,1: each stage train@ or evaluate@ gets one of these for itself, by CUDA_VISIBLE_DEVICES, and others
wait for one; 0+1,2+3 for trainings of two each, with torchrun. Default: CUDA_VISIBLE_DEVICES, if it is set; else all
stages see all GPUs, of which each takes the first"""


def main(arguments: argparse.Namespace) -> int:
    """Run what has to run, again if the stage `check` found other groups; return the exit status.

    Raises:
        StoppedError: A signal stopped it.
    """
    with only_scheduler(LOCKS / "parallel") as lock, deferred_signals() as received:
        if arguments.pull:
            pull_run_cache()
        groups = _read_groups()
        outcome = attempt(arguments, lock, received)
        if outcome.failed and not received() and _read_groups() != groups:
            print(f"{GROUP_STAGES} has changed: the stages are read again", file=sys.stderr)
            outcome = attempt(arguments, lock, received)
        if signum := received():
            raise StoppedError(f"{WORDS[signal.Signals(signum)]}: run the same command again, to go on", signum)
    for name, error in outcome.failed.items():
        print(f"error: {name}: {error}", file=sys.stderr)
    if outcome.skipped:
        print(f"not run, since they wait for what failed: {', '.join(outcome.skipped)}", file=sys.stderr)
    if not (outcome.failed or outcome.changed):
        print("all is up to date")
    return 1 if outcome.failed else 0


def attempt(arguments: argparse.Namespace, lock: int, received: Callable[[], int]) -> Outcome:
    """Plan, and run the plan; `lock` is kept open by all workers."""
    options = {name: getattr(arguments, name) for name in ("force", "pull", "allow_missing")}
    plan = make_plan(arguments.targets, options)
    if not plan.waits_for:
        return Outcome()
    # Threads that wait would spin, and keep other stages' threads from computing; no bit depends on it.
    environment = {"OMP_WAIT_POLICY": "passive"} | os.environ
    if arguments.threads:
        environment["OMP_NUM_THREADS"] = str(arguments.threads)
    pool = Pool(arguments.jobs, options, arguments.gpus, environment, lock)
    try:
        return run_plan(plan, pool, received)
    finally:
        pool.close()
        sort_lock_files(plan)


def _read_groups() -> bytes:
    return GROUP_STAGES.read_bytes() if GROUP_STAGES.exists() else b""


def positive(text: str) -> int:
    """Return a number of one or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text!r}")
    return int(text)


def slots(text: str) -> list[str]:
    """Return the values of CUDA_VISIBLE_DEVICES that stages get: "0+1,2+3" is "0,1" and "2,3"."""
    found = [slot.strip().replace("+", ",") for slot in text.split(",")]
    if not all(found) or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected GPUs, each once, such as 0,1, got {text!r}")
    return found


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.parallel", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", help="what `dvc repro` takes: train@<model>, report, groups/dvc.yaml:<group>"
    )
    parser.add_argument(
        "--jobs", "-j", type=positive, default=2, metavar="N", help="stages at the same time; default 2"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help=THREADS)
    parser.add_argument("--gpus", type=slots, metavar="LIST", help=GPUS)
    for name, what in (
        ("--force", "run all stages, changed or not"),
        ("--pull", "fetch what is missing from the remote"),
        ("--allow-missing", "leave out stages of which only data is missing"),
    ):
        parser.add_argument(name, action="store_true", help=f"as in `dvc repro`: {what}")
    arguments = parser.parse_args()
    if arguments.gpus is None:
        # Empty, or with -1, it hides GPUs: then there is none to share out.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        arguments.gpus = visible.split(",") if visible and "-1" not in visible.split(",") else []
    return arguments


if __name__ == "__main__":
    with guarded():
        sys.exit(main(parse()))
