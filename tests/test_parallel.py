"""Several stages at once, in small real projects of shell commands: what `dvc repro` gives, and what trouble leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, load_yaml

from stages.scheduler.lock import WORKER
from stages.scheduler.plan import Plan, make_plan

from .conftest import ROOT, Project

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value")  # DVC's, within this process
PARALLEL = ("python", "-m", "stages.parallel")
OPTIONS = {"force": False, "pull": False, "allow_missing": False}


class Small(Project):
    """A project of a few stages, which runs the code of this checkout."""

    def write(self, stages: Mapping[str, Mapping[str, object]], file: str = "dvc.yaml") -> None:
        """Write a dvc.yaml of these stages."""
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(dumps_yaml({"stages": stages}), encoding="utf-8")

    def parallel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the scheduler."""
        return self.run(*PARALLEL, *arguments)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[psutil.Popen]:
        """Start the scheduler, and kill it in the end if it is still there."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with psutil.Popen(
            [*PARALLEL, *arguments],
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def wait_for(self, *files: str) -> None:
        """Wait until stages have written all these files."""
        end = time.monotonic() + 60
        while not all((self.folder / file).exists() for file in files):
            assert time.monotonic() < end, files
            time.sleep(0.02)

    def locked(self, file: str = "dvc.lock") -> list[str]:
        """Return the stages that a lock file has, in its order."""
        path = self.folder / file
        return list(load_yaml(str(path))["stages"]) if path.exists() else []

    def rwlock(self) -> object:
        """Return what DVC takes for busy."""
        content: dict[str, object] = json.loads((self.folder / ".dvc/tmp/rwlock").read_text(encoding="utf-8"))
        return {key: value for key, value in content.items() if value}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """Return a project without stages."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SHELL", "/bin/sh")
    return made(tmp_path / "small")


def made(folder: Path) -> Small:
    """Make an empty project."""
    project = Small(folder)
    folder.mkdir()
    project.ok("git", "init", "--quiet")
    project.ok("git", "config", "user.name", "Test")
    project.ok("git", "config", "user.email", "test@localhost")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    autostage = true\n    analytics = false\n", encoding="utf-8")
    (folder / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n", encoding="utf-8")
    (folder / ".gitignore").write_text("/data\n/*.out\n", encoding="utf-8")
    return project


def stage(cmd: str, out: str, *deps: str) -> dict[str, object]:
    """Return a stage that logs that it ran."""
    return {"cmd": f'echo "$DVC_STAGE" >> data/log; {cmd}', "outs": [out], "deps": ["seed", *deps]}


def log(project: Project) -> list[str]:
    """Return which stages ran, in order of their starts."""
    path = project.folder / "data/log"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def begin(project: Small, stages: Mapping[str, Mapping[str, object]]) -> None:
    """Write the stages and what they depend on, and commit."""
    (project.folder / "seed").write_text("seed\n", encoding="utf-8")
    (project.folder / "data").mkdir(exist_ok=True)
    project.write(stages)
    project.commit("The stages")


# a waits for all others that do not depend on it, and d for a and b: they end in another order than they are named.
DIAMOND = {
    "a": stage("sleep 1.5; echo a > a.out", "a.out"),
    "b": stage("echo b > b.out", "b.out"),
    "c": stage("cat a.out b.out > c.out", "c.out", "a.out", "b.out"),
    "d": stage("cat b.out b.out > d.out", "d.out", "b.out"),
    "e": stage("cat groups.out > e.out", "e.out", "groups.out"),
}
GROUPS = {"x": {"wdir": "..", **stage("cat d.out > groups.out", "groups.out", "d.out")}}


def test_the_same_lock_to_the_byte_as_one_after_another(small: Small, tmp_path: Path) -> None:
    serial = made(tmp_path / "serial")
    for project in (serial, small):
        project.write(GROUPS, "groups/dvc.yaml")
        begin(project, DIAMOND)
    serial.repro()
    done = small.parallel("--jobs", "2")
    assert (done.returncode, done.stderr) == (0, "")
    started = log(small)
    assert sorted(started) == sorted(["a", "b", "c", "d", "e", "groups/dvc.yaml:x"])  # DVC_STAGE, each once
    assert set(started[:3]) == {"a", "b", "d"}  # b and d beside a
    for file in ("dvc.lock", "groups/dvc.lock", "c.out", "e.out"):
        assert (small.folder / file).read_bytes() == (serial.folder / file).read_bytes(), file
    for project in (serial, small):
        assert project.stale() == set()
        assert project.ok("git", "diff", "--name-only") == ""  # both lock files are staged as they are
    assert small.ok("git", "diff", "--cached", "--name-only") == serial.ok("git", "diff", "--cached", "--name-only")
    assert small.rwlock() == {}

    # Nothing to do: no stage is asked, no worker starts.
    assert plan_of(small).waits_for == {}
    again = small.parallel()
    assert (again.returncode, again.stdout, again.stderr) == (0, "all is up to date\n", "")
    assert log(small) == started

    # Lost locks and outputs come out of the run cache.
    lock = (small.folder / "dvc.lock").read_bytes()
    for file in ("dvc.lock", "groups/dvc.lock", "c.out"):
        (small.folder / file).unlink()
    cached = small.parallel("--jobs", "2")
    assert cached.returncode == 0
    assert cached.stdout.count("taken from the cache") == 6
    assert log(small) == started
    assert (small.folder / "dvc.lock").read_bytes() == lock

    # All kinds of targets, and force.
    plans = [plan_of(small, *targets).order for targets in ((), ("d",), ("groups/dvc.yaml:x",), ("groups/dvc.yaml",))]
    expected = [["b", "d", "groups/dvc.yaml:x"]] * 2
    assert [len(plan) for plan in plans[:2]] == [6, 2]
    assert plans[2:] == expected
    forced = small.parallel("--force", "d")
    assert forced.returncode == 0
    assert log(small)[len(started) :] == ["b", "d"]


def plan_of(project: Project, *targets: str) -> Plan:
    """Make a plan in a project's folder."""
    before = Path.cwd()
    os.chdir(project.folder)
    try:
        return make_plan(targets, OPTIONS)
    finally:
        os.chdir(before)


def test_many_small_stages_at_once_lose_none(small: Small) -> None:
    names = [f"s{number:02}" for number in range(12)]
    begin(small, {name: stage(f"echo {name} > {name}.out", f"{name}.out") for name in names})
    done = small.parallel("--jobs", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert small.locked() == names
    assert small.stale() == set()


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
    assert "\nsaves: stopped (" in output
    assert "run the same command again" in output.splitlines()[-1]
    assert (small.folder / "data/saved").exists()
    assert small.locked() == ["ended"]
    assert not any(map(psutil.Process.is_running, processes))
    assert small.rwlock() == {}


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
    assert not any(map(psutil.Process.is_running, processes))
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
    assert not any(map(psutil.Process.is_running, processes))
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
    assert not any(map(psutil.Process.is_running, processes))

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


def test_each_stage_that_needs_a_gpu_has_one_for_itself(small: Small) -> None:
    taken = 'mkdir "data/gpu$CUDA_VISIBLE_DEVICES" && sleep 0.5 && rmdir "data/gpu$CUDA_VISIBLE_DEVICES"'
    train = stage(f'{taken} && echo "$CUDA_VISIBLE_DEVICES" > ${{item}}.out', "${item}.out")
    stages: dict[str, dict[str, object]] = {
        "train": {"foreach": ["a", "b", "c", "d"], "do": train},
        "plot": stage("printenv CUDA_VISIBLE_DEVICES > plot.out || echo unset > plot.out", "plot.out"),
        "threads": stage('echo "$OMP_NUM_THREADS" > threads.out', "threads.out"),
    }
    begin(small, stages)
    done = small.parallel("--jobs", "4", "--gpus", "0,2+3", "--threads", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    used = [(small.folder / f"{name}.out").read_text(encoding="utf-8") for name in "abcd"]
    assert set(used) == {"0\n", "2,3\n"}
    assert (small.folder / "plot.out").read_text(encoding="utf-8") == "unset\n"
    assert (small.folder / "threads.out").read_text(encoding="utf-8") == "3\n"


def test_check_that_finds_other_groups_has_them_read_again(small: Small) -> None:
    new = "cp groups/new groups/dvc.yaml"
    begin(
        small,
        {
            "check": stage(
                f"cmp -s groups/new groups/dvc.yaml || {{ {new}; exit 1; }}; echo ok > check.out", "check.out"
            ),
            "report": stage("cat group.out > report.out", "report.out", "check.out", "group.out"),
        },
    )
    small.write({}, "groups/dvc.yaml")
    small.write({"g": {"wdir": "..", **stage("echo g > group.out", "group.out", "check.out")}}, "groups/new")
    done = small.parallel("report")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "groups/dvc.yaml has changed: the stages are read again" in done.stderr
    assert log(small) == ["check", "check", "groups/dvc.yaml:g", "report"]


def put_a_conflict_there(project: Small) -> None:
    (project.folder / "dvc.lock").write_text("<<<<<<< HEAD\nschema: '2.0'\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (put_a_conflict_there, (), "'dvc.lock', YAML file structure is corrupted: if two sides of a merge are in it"),
        (lambda _: None, ("nowhere",), "got: Stage 'nowhere' not found inside 'dvc.yaml' file\n"),
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


def test_what_is_missing_is_pulled(small: Small, tmp_path: Path) -> None:
    stages = {
        "a": stage("echo a > a.out", "a.out"),
        "b": stage("cat a.out > b.out", "b.out", "a.out"),
        "c": stage("cat a.out > c.out", "c.out", "a.out"),
    }
    begin(small, stages)
    small.ok("dvc", "remote", "add", "--local", "--default", "--quiet", "storage", str(tmp_path / "storage"))
    assert small.parallel().returncode == 0
    small.ok("dvc", "push", "--quiet")
    for path in (*small.folder.glob("*.out"), small.folder / ".dvc/cache"):
        small.ok("rm", "-r", str(path))
    small.write(stages | {"c": stage("cat a.out a.out > c.out", "c.out", "a.out")})
    before = log(small)
    assert small.parallel("--allow-missing", "b").returncode == 0
    assert log(small) == before
    done = small.parallel("--pull", "--allow-missing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert log(small)[len(before) :] == ["c"]
    assert (small.folder / "c.out").read_text(encoding="utf-8") == "a\na\n"
    assert not (small.folder / "b.out").exists()


def test_real_trainings_at_the_same_time_end_with_the_same_bits(project: Project) -> None:
    done = project.run(*PARALLEL, "--force", "train@digits-dense", "train@digits-conv")
    assert done.returncode == 0, done.stdout + done.stderr
    ran = {line.partition(":")[0] for line in done.stdout.splitlines() if ": done (" in line}
    assert {"check", "prepare@digits", "train@digits-dense", "train@digits-conv"} <= ran
    assert project.ok("git", "status", "--porcelain") == ""  # dvc.lock and the histories are as they were
