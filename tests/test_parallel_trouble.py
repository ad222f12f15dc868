"""Several stages at once, in trouble: stages that fail, signals, kills, and others at work in the same project."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from dvc.repo import Repo

from stages.scheduler.lock import WORKER
from stages.scheduler.worker import send_to_all

from .small import Small, begin, log, plan_of, small_project, stage  # noqa: F401  # the fixture

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value")  # DVC's, within this process


def test_a_stage_that_fails_lets_the_independent_ones_finish(small: Small) -> None:
    begin(
        small,
        {
            "bad": stage("echo error: no luck >&2; exit 3", "bad.out"),
            "after": stage("cat bad.out > after.out", "after.out", "bad.out"),
            "last": stage("cat after.out > last.out", "last.out", "after.out"),
            "good": stage("sleep 1; echo good > good.out", "good.out"),
            "better": stage("cat good.out > better.out", "better.out", "good.out"),
        },
    )
    done = small.parallel("--jobs", "2")
    assert done.returncode == 1
    assert sorted(log(small)) == ["bad", "better", "good"]
    assert small.locked() == ["good", "better"]
    error, skipped = done.stderr.splitlines()
    assert error.startswith("error: bad: error: no luck: failed to run: ")
    assert error.endswith(", exited with 3")
    assert skipped == "not run, since they wait for what failed: after, last"
    assert "bad: error: no luck\n" in done.stdout
    assert small.rwlock() == {}


# A stage that saves when it is told to stop, as a training does, and one that has ended by then.
SAVES = {
    "ended": stage("echo ended > ended.out", "ended.out"),
    "saves": stage(
        "trap 'touch data/saved; exit 130' INT; trap 'touch data/saved; exit 143' TERM; "
        "cat ended.out; touch data/runs; sleep 60 & wait $!",
        "saves.out",
        "ended.out",
    ),
    "next": stage("cat saves.out > next.out", "next.out", "saves.out"),
}


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_stages_and_keeps_what_has_ended(small: Small, sent: signal.Signals, status: int) -> None:
    begin(small, SAVES)
    with small.started() as scheduler:
        small.wait_for("data/runs")
        processes = scheduler.children(recursive=True)
        scheduler.send_signal(sent)
        output, _ = scheduler.communicate(timeout=60)
    assert scheduler.returncode == status
    assert "stopping saves; Ctrl-C again kills" in output
    assert "\nsaves: stopped (" in output
    assert "run the same command again" in output.splitlines()[-1]
    assert (small.folder / "data/saved").exists()
    assert small.locked() == ["ended"]
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    assert small.rwlock() == {}


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_shell_whose_command_is_stopped_starts_no_other(tmp_path: Path, sent: signal.Signals) -> None:
    for _ in range(100):  # of these, a few would, if they were told one after another
        with psutil.Popen(["/bin/sh", "-c", "sleep 60; touch another; :"], cwd=tmp_path) as shell:
            while not shell.children():
                time.sleep(0.001)
            send_to_all(shell, sent)
            assert shell.wait(timeout=60) == -sent
    assert not (tmp_path / "another").exists()


def test_what_is_told_to_stop_is_not_hung_up(tmp_path: Path) -> None:
    command = "timeout 60 sh save.sh; touch another"  # timeout makes a process group of its own
    (tmp_path / "save.sh").write_text("trap 'touch saved; exit 1' TERM\nsleep 60 & wait $!\n")
    for _ in range(40):  # of these, a quarter would be, if they were resumed from the top
        with psutil.Popen(["/bin/sh", "-c", command], cwd=tmp_path) as shell:
            while not any(process.name() == "sleep" for process in shell.children(recursive=True)):
                time.sleep(0.001)
            processes = shell.children(recursive=True)
            send_to_all(shell, signal.SIGTERM)
            shell.wait(timeout=60)
        assert still_alive(processes) == []
        (tmp_path / "saved").unlink()  # it is there, of this time
    assert not (tmp_path / "another").exists()


FORKS = (
    "import os, time\nheld = bytearray(20_000_000)\nwhile True:\n    os.fork() or time.sleep(60)\n    time.sleep(0.002)"
)


def test_a_process_that_is_just_being_started_is_found() -> None:
    for _ in range(20):  # of these, a third would have left one, if children were looked for before a process stops
        with psutil.Popen([sys.executable, "-c", FORKS], start_new_session=True) as parent:
            while len(parent.children()) < 5:
                time.sleep(0.001)
            send_to_all(parent, signal.SIGKILL)
        alive = still_alive([process for process in psutil.process_iter() if session_of(process) == parent.pid])
        for process in alive:
            process.kill()
        assert alive == []


def still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return which of the processes do not end within 5 seconds; a zombie has ended, and waits for whoever reaps it."""
    end = time.monotonic() + 5
    while processes and time.monotonic() < end:
        processes = [process for process in processes if is_alive(process)]
        time.sleep(0.001)
    return processes


def is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def session_of(process: psutil.Process) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(process.pid)
    return 0


def test_ctrl_c_again_kills(small: Small) -> None:
    begin(small, {"deaf": stage("trap '' INT TERM; touch data/runs; while :; do sleep 0.1; done", "deaf.out")})
    with small.started() as scheduler:
        small.wait_for("data/runs")
        processes = scheduler.children(recursive=True)
        scheduler.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert scheduler.poll() is None
        scheduler.send_signal(signal.SIGINT)
        scheduler.communicate(timeout=60)
    assert scheduler.returncode == 130
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    assert small.rwlock() == {}  # DVC has ended in order


def test_a_killed_scheduler_leaves_nothing_that_runs_or_blocks(small: Small) -> None:
    begin(small, SAVES)
    with small.started() as scheduler:
        small.wait_for("data/runs")
        processes = scheduler.children(recursive=True)
        scheduler.kill()
        scheduler.wait()
        # The next one waits until the stage has saved, and goes on.
        small.write(SAVES | {"saves": SAVES["saves"] | {"cmd": "test -e data/saved && cp ended.out saves.out"}})
        again = small.parallel()
    assert again.returncode == 0, again.stdout + again.stderr
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    assert small.locked() == ["ended", "saves", "next"]
    assert log(small).count("ended") == 1


def test_a_worker_that_is_killed_fails_its_stage_alone(small: Small) -> None:
    begin(
        small,
        {
            "killed": stage("touch data/runs; sleep 60", "killed.out"),
            "other": stage("sleep 2; echo other > other.out", "other.out"),
        },
    )
    with small.started("--jobs", "2") as scheduler:
        small.wait_for("data/runs")
        (worker,) = (
            child for child in scheduler.children() for shell in child.children() if "sleep 60" in shell.cmdline()[-1]
        )
        processes = worker.children(recursive=True)
        worker.kill()
        output, _ = scheduler.communicate(timeout=60)
    assert scheduler.returncode == 1
    assert "error: killed: its process was killed by signal 9\n" in output
    assert small.locked() == ["other"]
    assert psutil.wait_procs(processes, timeout=10)[1] == []

    # DVC still has it for busy; by now another process may have its number.
    path = small.folder / ".dvc/tmp/rwlock"
    text = path.read_text(encoding="utf-8")
    assert WORKER in text
    path.write_text(re.sub(r'"pid": \d+', f'"pid": {os.getpid()}', text), encoding="utf-8")
    assert "busy" in small.run("dvc", "repro", "killed").stderr
    plan_of(small)
    assert small.rwlock() == {}
    path.write_text(text[:20], encoding="utf-8")  # killed while it wrote
    plan_of(small)
    assert not path.exists() or small.rwlock() == {}


def put_a_conflict_there(project: Small) -> None:
    (project.folder / "dvc.lock").write_text("<<<<<<< HEAD\nschema: '2.0'\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (put_a_conflict_there, (), "'dvc.lock', YAML file structure is corrupted: if two sides of a merge are in it"),
        (
            lambda _: None,
            ("nowhere",),
            "error: expected a stage, a group of stages or a dvc.yaml as target, "
            "got: Stage 'nowhere' not found inside 'dvc.yaml' file\n",
        ),
    ],
    ids=["conflict", "target"],
)
def test_what_cannot_be_read_is_one_line(
    small: Small, spoil: Callable[[Small], None], arguments: tuple[str, ...], message: str
) -> None:
    begin(small, {"a": stage("echo a > a.out", "a.out")})
    spoil(small)
    done = small.parallel(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert log(small) == []


def test_a_second_scheduler_is_one_line_and_dvc_goes_on_beside_it(small: Small) -> None:
    begin(
        small,
        {
            "a": stage("touch data/runs; while [ ! -e data/go ]; do sleep 0.05; done; echo a > a.out", "a.out"),
            "b": stage("echo b > b.out", "b.out"),
        },
    )
    with small.started("a") as scheduler:
        small.wait_for("data/runs")
        done = small.parallel("b")
        assert small.repro("b") == {"b"}
        (small.folder / "data/go").touch()
        scheduler.communicate(timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: expected to be the only scheduler here, got another one (process {scheduler.pid}): wait for it, or stop it\n"
    )
    assert scheduler.returncode == 0
    assert sorted(small.locked()) == ["a", "b"]


def test_dvc_that_reads_waits_for_no_worker(small: Small) -> None:
    begin(small, {"a": stage("echo a > a.out", "a.out")})
    with Repo(str(small.folder)) as repo, repo.lock:
        done = small.parallel()
    assert done.returncode == 1
    assert "Unable to acquire lock" in done.stderr
    assert done.stderr.count("\n") == 1


def test_git_at_work_beside_it_costs_no_stage(small: Small) -> None:
    begin(small, {"a": stage("touch data/runs .git/index.lock; echo a > a.out", "a.out")})
    with small.started() as scheduler:
        small.wait_for("data/runs")
        while not small.locked():
            time.sleep(0.02)
        time.sleep(0.5)  # DVC tries to add the lock file
        (small.folder / ".git/index.lock").unlink()
        scheduler.communicate(timeout=60)
    assert scheduler.returncode == 0
    assert log(small) == ["a"]
    assert small.ok("git", "diff", "--cached", "--name-only") == "dvc.lock\n"
