"""Hand each stage to a worker as soon as what it waits for is done."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from stages.scheduler.display import Display
from stages.scheduler.plan import Plan
from stages.scheduler.pool import Pool

LIVE = 0.2  # seconds between two states of the live lines


@dataclass
class Outcome:
    """What became of a plan.

    Attributes:
        changed: Stages that ran, or came from the cache.
        failed: What each stage that failed said last, and what DVC says.
        skipped: Stages that wait for those.
    """

    changed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def run_plan(plan: Plan, pool: Pool, received: Callable[[], int]) -> Outcome:
    """Run all stages of a plan that do not wait for one that fails.

    Args:
        plan: What to run.
        pool: Who runs it.
        received: Returns the signal that stops the run, 0 before it comes: stages that run are stopped with it, and no
            other starts.
    """
    outcome, display = Outcome(), Display(len(plan.waits_for))
    order = TopologicalSorter(plan.waits_for)
    order.prepare()
    ready: list[str] = []
    done: set[str] = set()
    last: dict[str, str] = {}  # what each stage printed last
    stopped = 0
    try:
        while True:
            ready += order.get_ready()
            stopped = stopped or _stop(pool, received())
            _start(ready, plan.order, pool, bool(stopped))
            if not pool.busy:
                break
            lines, results = pool.wait(LIVE)
            for name, line in lines:
                last[name] = line
                display.print(name, line)
            for result in results:
                display.ended(result, bool(stopped))
                if result.how == "failed":
                    outcome.failed[result.name] = ": ".join(filter(None, (last.get(result.name), result.error)))
                    continue
                if result.how != "unchanged":
                    outcome.changed.append(result.name)
                done.add(result.name)
                order.done(result.name)
            display.update(pool.busy)
    finally:
        display.close()
    outcome.skipped = [name for name in plan.order if name in plan.waits_for.keys() - done - outcome.failed.keys()]
    return outcome


def _stop(pool: Pool, signum: int) -> int:
    if signum:
        names = ", ".join(worker.name for worker in pool.busy)
        print(f"stopping {names or 'before any stage runs'}; Ctrl-C again kills what runs", file=sys.stderr)
        pool.stop(signum)
    return signum


def _start(ready: list[str], order: Sequence[str], pool: Pool, stopped: bool) -> None:
    """Start as many of the stages that are ready as there is room for, in the order of `dvc repro`."""
    for name in sorted(ready, key=order.index) if not stopped else ():
        if pool.can_start(name):
            ready.remove(name)
            pool.start(name)
