"""Measure stages at the same time: overhead, and where DVC's own work becomes the limit.

Run from the project's folder: python -m tests.benchmarks.parallel [ENTRIES ...]
"""

import contextlib
import heapq
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from dvc.utils.serialize import dumps_yaml

from tests.conftest import ROOT

ENTRIES = (10, 100, 1000)  # of one dvc.lock
FILES = 30  # folders with a dvc.lock each, of as many entries as the second of those
DEPENDENCIES = 25  # of a stage, about as many as `evaluate` has
SLEEP = 4  # seconds
STAGES = 8
MODELS = 1000
STEPS = (600.0, 60.0, 30.0)  # seconds that a model trains, is evaluated and drawn
SLOTS = (8, 64, 512)
JOBS = (1, 2, 4, 8)


def make_project(folder: Path) -> None:
    """Make a project without stages."""
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def make_stages(folder: Path, count: int, command: str) -> None:
    """Make a `dvc.yaml` of `count` stages in a folder, whose lock file has an entry for each, and none of them right."""
    folder.mkdir(exist_ok=True)
    deps = [f"code{index:02}.py" for index in range(DEPENDENCIES)]
    for dep in deps:
        (folder / dep).write_text(dep, encoding="utf-8")
    values = {f"m{index:04}": {"width": index, "learning_rate": 0.01} for index in range(count)}
    (folder / "params.yaml").write_text(dumps_yaml({"models": values}), encoding="utf-8")
    stage = {
        "cmd": f"{command}; echo ${{key}} > ${{key}}.out",
        "deps": deps,
        "params": ["models.${key}"],
        "outs": ["${key}.out"],
    }
    pipeline = {"stages": {"s": {"foreach": "${models}", "do": stage}}}
    (folder / "dvc.yaml").write_text(dumps_yaml(pipeline), encoding="utf-8")
    hashes = [{"path": dep, "hash": "md5", "md5": "0" * 32, "size": 9} for dep in deps]
    entries = {
        f"s@{key}": {
            "cmd": f"{command}; echo {key} > {key}.out",
            "deps": hashes,
            "params": {"params.yaml": {f"models.{key}": value}},
            "outs": [{"path": f"{key}.out", "hash": "md5", "md5": "0" * 32, "size": 6}],
        }
        for key, value in values.items()
    }
    # One after another: what stands twice would become an anchor.
    lines = [dumps_yaml({"x": {name: entry}}).partition("\n")[2] for name, entry in entries.items()]
    (folder / "dvc.lock").write_text("schema: '2.0'\nstages:\n" + "".join(lines), encoding="utf-8")


def cost(count: int, files: int = 1) -> float:
    """Return the seconds of CPU that DVC takes for one stage where each of so many lock files has so many entries."""
    from dvc.repo import Repo

    with tempfile.TemporaryDirectory() as top, contextlib.chdir(top):
        make_project(Path(top))
        for index in range(files):
            make_stages(Path(top) / f"part{index}", count, "true")
        logging.getLogger("dvc").setLevel(logging.WARNING)
        with Repo() as repo:
            repo.reproduce("part0/dvc.yaml:s@m0000", single_item=True)  # what is read once only
            before = time.process_time()
            repo.reproduce("part0/dvc.yaml:s@m0001", single_item=True)
            return time.process_time() - before


def makespan(slots: int, seconds: float) -> float:
    """Return the hours that all models take, if each stage holds DVC's lock for so many seconds, half before it runs.

    A slot that is free takes the next stage that is ready, of the earliest model.
    """
    ready = [(0.0, model, 0) for model in range(MODELS)]  # when, which, which of its stages
    free = [0.0] * slots
    locked = 0.0  # until when DVC's lock is held
    waiting: list[tuple[float, int, int]] = []  # stages that have run, and want the lock
    end = 0.0
    heapq.heapify(ready)
    while ready or waiting:
        start = max(ready[0][0], free[0]) if ready and free else float("inf")
        if waiting and waiting[0][0] <= start:
            done, model, step = heapq.heappop(waiting)
            locked = end = max(done, locked) + seconds / 2
            heapq.heappush(free, end)
            if step + 1 < len(STEPS):
                heapq.heappush(ready, (end, model, step + 1))
        else:
            _, model, step = heapq.heappop(ready)
            heapq.heappop(free)
            locked = max(start, locked) + seconds / 2
            heapq.heappush(waiting, (locked + STEPS[step], model, step))
    return end / 3600


def timed(folder: Path, *command: str) -> float:
    """Run a command in a folder; return its seconds on the clock."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def sleepers() -> None:
    """Print how long stages take that sleep, one after another and at the same time."""
    print(f"| {STAGES} stages that sleep {SLEEP} s | s | nothing to do, s |\n|---|---:|---:|", flush=True)
    parallel = ("python", "-m", "stages.parallel", "--jobs")
    commands = {"dvc repro": ("dvc", "repro")} | {f"--jobs {jobs}": (*parallel, str(jobs)) for jobs in JOBS}
    for name, command in commands.items():
        with tempfile.TemporaryDirectory() as top:
            make_project(Path(top))
            make_stages(Path(top), STAGES, f"sleep {SLEEP}")
            print(f"| `{name}` | {timed(Path(top), *command):.1f} | {timed(Path(top), *command):.1f} |", flush=True)


def row(files: str, entries: str, seconds: float) -> str:
    """Return a line of the second table, of a stage for which DVC takes so many seconds."""
    simulated = " | ".join(f"{makespan(slots, seconds):.1f}" for slots in SLOTS)
    return f"| {files} | {entries} | {seconds:.2f} | {simulated} |"


def main(counts: Sequence[int]) -> None:
    """Print both tables."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    sleepers()
    hours = ", ".join(f"{slots} slots" for slots in SLOTS)
    print(f"\n{MODELS} models of {', '.join(f'{step:g}' for step in STEPS)} s, simulated: hours with {hours}\n")
    print(f"| lock files | entries in each | DVC's CPU s a stage | {' | '.join(map(str, SLOTS))} |")
    print("|---:" * (3 + len(SLOTS)) + "|", flush=True)
    print(row("without DVC", "", 0.0), flush=True)
    for count in counts:
        print(row("1", str(count), cost(count)), flush=True)
    print(row(str(FILES), str(ENTRIES[1]), cost(ENTRIES[1], FILES)), flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or ENTRIES)
