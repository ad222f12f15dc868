"""Trainings as jobs of a HyperQueue cluster: what the host of DVC sees, and what survives a lost worker."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hourglass.files import sha256

from .cluster import Cluster, wait_for_file, wait_for_line
from .conftest import Project, copy_of, two_hosts

LONG = {"epochs": 20, "batch_size": 64, "learning_rate": 0.005}  # seconds, of digits-dense
WEIGHTS = "data/trained/digits-dense/model.safetensors"
# Says when it starts and ends, takes a second to end, and waits for that in its first run alone.
SLOW = """import os, signal, time
def end(signum, frame):
    time.sleep(1)
    print("ends", flush=True)
    raise SystemExit(128 + signum)
signal.signal(signal.SIGTERM, end)
print("starts", flush=True)
if not os.path.exists("started"):
    open("started", "w").close()
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a server and one worker with one CPU."""
    made = Cluster(tmp_path_factory.mktemp("server"))
    made.worker()
    yield made
    made.close()


def start(
    project: Project, server: Path, *command: str, host: str = "", stage: str = "train@it"
) -> "subprocess.Popen[bytes]":
    """Start a command in a project as DVC does, with the cluster of `server`."""
    environment = os.environ | {
        "HQ_SERVER_DIR": str(server),
        "DVC_STAGE": stage,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    prefix = ("ip", "netns", "exec", host) if host else ()
    return subprocess.Popen(
        [*prefix, *command], cwd=project.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def submit(project: Project, server: Path, *command: str) -> "subprocess.Popen[bytes]":
    """Start a command as a job."""
    return start(project, server, sys.executable, "-m", "stages.submit", *command)


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str, str]:
    """Return the exit status, the output and the errors of a process."""
    output, errors = process.communicate(timeout=300)
    return process.returncode, output.decode(), errors.decode()


def worker_of(workers: list["subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    """Return the worker that runs the job."""
    return next(worker for worker in workers if psutil.Process(worker.pid).children())


def test_output_comes_as_it_is_printed_and_the_exit_status_is_passed_on(fresh: Project, cluster: Cluster) -> None:
    script = 'echo "$DVC_STAGE $OMP_NUM_THREADS $PWD"; test -e go || sleep 1; echo why >&2; exit 7'
    process = submit(fresh, cluster.folder, "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline().decode() == f"train@it 1 {fresh.folder}\n"
    assert process.poll() is None
    status, _, errors = ended(process)
    assert status == 7
    assert errors.splitlines()[-1] == "why"


def test_ctrl_c_lets_a_training_save_and_frees_the_cluster(fresh: Project, cluster: Cluster) -> None:
    ready = "import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: (time.sleep(1.5), print('saved'), sys.exit(130)))\n"
    process = submit(fresh, cluster.folder, "python", "-uc", f"{ready}print('ready')\ntime.sleep(60)")
    assert process.stdout is not None
    wait_for_line(process.stdout, b"ready")
    waiting = submit_other(fresh, cluster, "echo", "next")
    process.send_signal(signal.SIGINT)
    assert ended(process)[:2] == (130, "saved\n")
    assert ended(waiting)[:2] == (0, "next\n")  # the only CPU is free, so the job is gone


def submit_other(project: Project, cluster: Cluster, *command: str) -> "subprocess.Popen[bytes]":
    """Start another stage as a job."""
    return start(project, cluster.folder, sys.executable, "-m", "stages.submit", *command, stage="train@other")


def test_ctrl_c_before_a_worker_took_the_job(fresh: Project, cluster: Cluster) -> None:
    process = submit(fresh, cluster.folder, "--cpus", "2", "touch", "ran")  # more than the worker has
    wait_for_file(fresh.folder, "data/cluster/*/request.json")
    assert process.stderr is not None
    wait_for_line(process.stderr, b"waits for a worker that has what it asks for, and is free")
    process.send_signal(signal.SIGTERM)
    status, _, errors = ended(process)
    assert status == 143
    assert errors.count("\n") == 1
    assert "has not started: it ends as soon as a worker takes it, or at once by hq job cancel" in errors


def test_a_lost_host_of_dvc_loses_no_work(fresh: Project, cluster: Cluster) -> None:
    first = submit(fresh, cluster.folder, "python", "-c", SLOW)
    assert first.stdout is not None
    wait_for_line(first.stdout, b"starts")
    with first:
        first.kill()
    status, output, errors = ended(submit(fresh, cluster.folder, "python", "-c", SLOW))
    assert (status, output) == (0, "starts\n"), errors  # the first one was told to end, which freed the CPU


def test_the_next_try_waits_for_the_processes_of_the_lost_worker(fresh: Project, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "server")
    try:
        workers = [cluster.worker(), cluster.worker()]
        process = submit(fresh, cluster.folder, "python", "-c", SLOW)
        assert process.stdout is not None
        wait_for_line(process.stdout, b"starts")
        worker_of(workers).kill()
        status, output, errors = ended(process)
        assert (status, output) == (0, "ends\nstarts\n"), errors
        assert "waits until the processes of the try before it have ended" in errors
        # With no worker left, and then no server.
        cluster.server.kill()
        cluster.server.wait()
        status, _, errors = ended(submit(fresh, cluster.folder, "true"))
        assert status == 1
        assert errors.count("\n") == 1
        assert "expected a HyperQueue server, got: Access token found but HQ server" in errors
    finally:
        cluster.close()


def test_a_training_whose_worker_is_killed_ends_with_the_same_bits(cloned: Project, tmp_path: Path) -> None:
    serial = copy_of(cloned, tmp_path / "serial")
    serial.repro("prepare@digits")
    serial.change("models.digits-dense.training", LONG)
    project = copy_of(serial, tmp_path / "project")
    serial.ok("env", "OMP_NUM_THREADS=1", "python", "-m", "stages.train", "digits-dense")
    project.change("train.checkpoint_seconds", 0.1)
    project.change("train.launch", "python -m stages.submit python")
    with two_hosts() as (hosts, _):
        cluster = Cluster(tmp_path / "server", hosts, "10.77.0.1" if hosts else "localhost")
        try:
            workers = [cluster.worker(host) for host in hosts or ("", "")]
            command = ("dvc", "repro", "--single-item", "train@digits-dense")
            process = start(project, cluster.folder, *command, host=hosts[0] if hosts else "")
            wait_for_file(project.folder, "data/checkpoints/digits-dense/*/*.pt")
            worker_of(workers).kill()
            status, output, errors = ended(process)
        finally:
            cluster.close()
    assert status == 0, output + errors
    assert "try 2 runs on" in errors
    assert "continues from epoch" in output + errors
    assert sha256(project.folder / WEIGHTS) == sha256(serial.folder / WEIGHTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected a command, got none"),
        (("--cpus", "0", "true"), "expected at least one CPU"),
        (("--cpus", "many", "true"), "invalid int value: 'many'"),
    ],
    ids=["no command", "no CPU", "no number"],
)
def test_wrong_arguments(fresh: Project, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    status, _, errors = ended(submit(fresh, tmp_path, *arguments))
    assert status == 2
    assert message in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("threads", "cpus"),
    [("", "default OMP_NUM_THREADS"), ("4,2", "default OMP_NUM_THREADS"), ("x", "invalid int value: 'x'")],
)
def test_any_number_of_threads_is_no_traceback(fresh: Project, threads: str, cpus: str) -> None:
    help_ = ("--help",) if threads != "x" else ("true",)
    done = fresh.run("env", f"OMP_NUM_THREADS={threads}", sys.executable, "-m", "stages.submit", *help_)
    assert cpus in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stderr
    assert "Raises" not in done.stdout


def test_no_server(fresh: Project, tmp_path: Path) -> None:
    status, _, errors = ended(submit(fresh, tmp_path, "true"))
    assert status == 1
    assert errors.count("\n") == 1
    assert f"{tmp_path}: expected a HyperQueue server, got:" in errors
