"""Run a command as a job of a HyperQueue cluster: `launch: python -m stages.submit --cpus 4 python` in params.yaml.

What it prints is shown as it comes, its exit status is passed on, Ctrl-C and SIGTERM reach it, and where its worker is
lost it runs again on another one. docs/cluster.md says how to start a cluster; HQ_SERVER_DIR names the server's folder.
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hourglass.console.command import deferred_signals, guarded
from hourglass.console.errors import StoppedError, UserError
from hourglass.console.lock import only_process
from stages.paths import LOCKS
from stages.tools.cluster.job import Job, new_job
from stages.tools.cluster.server import Output, Submitted

JOBS = Path("data/cluster")  # / <stage>, what its job and this side tell each other; no output of a stage
POLL = 0.2  # seconds
LONGEST = 100  # characters of what a lock, a folder and a job are named after: a command by hand may be longer
SILENCE = 3.0  # seconds without a worker after which to say so
# What a stage, or what it starts, reads of its environment; of all else a node has its own.
PASSED = ("DVC_", "GLOO_", "HOURGLASS_", "LC_", "MKL_", "NCCL_", "OMP_", "OPENBLAS_", "PYTHON", "TORCH")
PASSED_NAMES = ("LANG", "LD_LIBRARY_PATH", "PATH", "VIRTUAL_ENV")


def main(command: list[str], cpus: int, gpus: int) -> int:
    """Run the command on the cluster and return its exit status.

    Raises:
        StoppedError: If a signal ended it.
        UserError: If there is no server, or it lost the job.
    """
    if importlib.util.find_spec("hyperqueue") is None:
        raise UserError("expected the package hyperqueue, got none: uv pip install hyperqueue")
    work = os.environ.get("DVC_STAGE", " ".join(command)).rpartition(":")[2]  # from a subfolder: ../dvc.yaml:train@...
    work = work[:LONGEST]
    server = Path(os.environ.get("HQ_SERVER_DIR", Path.home() / ".hq-server")).absolute()
    resources = {"cpus": cpus} | ({"gpus/nvidia": gpus} if gpus else {})
    with only_process(LOCKS, f"submit {work}"), deferred_signals() as received:
        job = new_job(JOBS, work)
        try:
            submitted = Submitted(server, job, work, command, environment(), resources)
            try:
                return wait(submitted, job, received)
            finally:
                submitted.close()
        finally:
            job.clear(others=False)


def environment() -> dict[str, str]:
    """Return the variables of this process that the command gets on its node."""
    return {name: value for name, value in os.environ.items() if name.startswith(PASSED) or name in PASSED_NAMES}


def wait(submitted: Submitted, job: Job, received: Callable[[], int]) -> int:
    """Show what the command prints until the job has ended, and return the exit status; pass on the first signal."""
    output, signum = Output(job), 0
    silent_until: float | None = time.monotonic() + SILENCE
    while (failure := submitted.ended(POLL)) is None:
        output.show()
        if silent_until and time.monotonic() > silent_until:
            silent_until = None
            if job.owner()[0] != job.submission:
                print(f"job {submitted.id} waits for a worker that has what it asks for, and is free", file=sys.stderr)
        if not signum and (signum := received()):
            job.request(signum)
            if job.owner()[0] != job.submission:
                raise StoppedError(
                    f"job {submitted.id} has not started: it ends as soon as a worker takes it, or at once by "
                    f"hq job cancel {submitted.id}",
                    signum,
                )
    output.show()
    if signum:
        raise StoppedError("", signum)  # the command has said how it ended
    status = job.status()
    if status is None or (failure and not status):
        raise UserError(f"expected job {submitted.id} to run to its end, got: {failure}{agent_log(job)}")
    return status


def agent_log(job: Job) -> str:
    """Return what the agent had to say, as the end of a message."""
    log = job.file(".agent")
    text = log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else ""
    return f" {text.splitlines()[-1]}" if text else ""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.submit", description=__doc__)
    threads = (os.environ.get("OMP_NUM_THREADS") or "1").partition(",")[0]  # "4,2" is OpenMP's for 4 on the first level
    parser.add_argument("--cpus", type=int, default=threads, help="CPUs it needs; default OMP_NUM_THREADS, or 1")
    parser.add_argument("--gpus", type=int, default=0, help="NVIDIA GPUs it needs; others it does not see")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, with its arguments")
    given = parser.parse_args()
    if not given.command:
        parser.error("expected a command, got none: python -m stages.submit --cpus 4 python -m stages.train digits-vae")
    if given.cpus < 1 or given.gpus < 0:
        parser.error(f"expected at least one CPU and no less than no GPU, got {given.cpus} and {given.gpus}")
    return given


if __name__ == "__main__":
    with guarded():
        chosen = arguments()
        sys.exit(main(chosen.command, chosen.cpus, chosen.gpus))
