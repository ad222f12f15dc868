"""Several stages at once, in small real projects: what comes out is what `dvc repro` gives."""

import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from .conftest import Project
from .small import PARALLEL, Small, begin, log, made, plan_of, small_project, stage  # noqa: F401  # the fixture

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value")  # DVC's, within this process


# a ends only after d, which is named last and needs b: were one to run after another, a would wait forever.
DIAMOND = {
    "a": stage("until test -e d.out; do sleep 0.05; done; echo a > a.out", "a.out"),
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
    (serial.folder / "d.out").touch()  # a waits for it, and d removes it before it runs
    serial.repro()
    done = small.parallel("--jobs", "2")
    assert (done.returncode, done.stderr) == (0, "")
    started = log(small)
    assert sorted(started) == sorted(["a", "b", "c", "d", "e", "groups/dvc.yaml:x"])  # DVC_STAGE, each once
    assert log(serial).index("c") < log(serial).index("d")
    assert started.index("d") < started.index("c")  # c needs a
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


def test_many_small_stages_at_once_lose_none(small: Small) -> None:
    names = [f"s{number:02}" for number in range(12)]
    begin(small, {name: stage(f"echo {name} > {name}.out", f"{name}.out") for name in names})
    done = small.parallel("--jobs", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert small.locked() == names
    assert small.stale() == set()


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


def test_a_terminal_shows_one_live_line_for_each_running_stage(small: Small) -> None:
    begin(small, {name: stage(f"printf '1%%\\r20%%'; sleep 2; echo > {name}.out", f"{name}.out") for name in "ab"})
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with psutil.Popen(
        [*PARALLEL], cwd=small.folder, env=os.environ | {"PATH": path}, stderr=theirs, stdout=subprocess.PIPE
    ) as scheduler:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux's end of a terminal
            while block := os.read(ours, 1 << 12):
                shown += block
        scheduler.communicate(timeout=60)
    os.close(ours)
    assert scheduler.returncode == 0
    for name in "ab":
        assert re.search(rf"{name} 00:0\d 20%", shown.decode())


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
