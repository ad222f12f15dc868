"""Whatever ends a command, it ends with one line: signals at any moment, no memory, a full disk, a second process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import ROOT

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
GUARDED = "from hourglass.console.command import guarded\nwith guarded():\n    "


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start Python."""
    command = [sys.executable, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def script(folder: Path, *lines: str) -> subprocess.Popen[str]:
    """Start a script that says "ready" when its last line begins."""
    return start(folder, "-c", "\n".join(("import os, signal, sys, time", *lines)))


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Wait until a process has printed a line."""
    assert process.stdout is not None
    assert process.stdout.readline() == f"{text}\n"


@pytest.mark.parametrize(("signum", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_while_a_stage_imports_is_one_line(tmp_path: Path, signum: signal.Signals, word: str) -> None:
    # A module of a stage, in the place of the library that takes longest, stops where the signal has to hit.
    (tmp_path / "torch.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n", encoding="utf-8")
    process = start(tmp_path, "-m", "stages.train", "digits-dense")
    wait_for(process, "ready")
    process.send_signal(signum)
    assert process.communicate(timeout=20) == ("", f"{word}: run the same command again\n")
    assert process.returncode == 128 + signum


def test_who_imports_a_stage_keeps_its_signals(tmp_path: Path) -> None:
    done = script(
        tmp_path, "before = signal.getsignal(2)", "import stages.paths", "assert signal.getsignal(2) is before"
    )
    assert done.communicate(timeout=20) == ("", "")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ("finally: print('undone', flush=True)", "undone\n"),
        ("except BaseException: raise ValueError('damaged') from None", ""),  # a library takes it for an error
    ],
    ids=("undoes", "raises"),
)
@pytest.mark.parametrize(("signum", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_at_work_undoes_what_is_half_done(
    tmp_path: Path, signum: signal.Signals, word: str, ends: str, said: str
) -> None:
    process = script(tmp_path, f"{GUARDED}try: print('ready', flush=True); time.sleep(60)\n    {ends}")
    wait_for(process, "ready")
    process.send_signal(signum)
    assert process.communicate(timeout=20) == (said, f"{word}: run the same command again\n")
    assert process.returncode == 128 + signum


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    body = "try: print('ready', flush=True); time.sleep(60)\n    finally: print('undoes', flush=True); time.sleep(60)"
    process = script(tmp_path, GUARDED + body)
    wait_for(process, "ready")
    process.send_signal(signal.SIGINT)
    wait_for(process, "undoes")
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "interrupted: run the same command again\n")
    assert process.returncode == 130
    assert time.monotonic() - started < 10


def test_a_second_sigterm_lets_the_first_undo(tmp_path: Path) -> None:
    body = (
        "try: print('ready', flush=True); time.sleep(60)\n"
        "    finally: print('undoes', flush=True); time.sleep(0.5); print('undone', flush=True)"
    )
    process = script(tmp_path, GUARDED + body)
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    wait_for(process, "undoes")
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("undone\n", "terminated: run the same command again\n")
    assert process.returncode == 143


def test_an_interrupt_within_exec_is_the_same(tmp_path: Path) -> None:
    process = script(tmp_path, f"{GUARDED}exec('print(\"ready\", flush=True); time.sleep(60)')")
    wait_for(process, "ready")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "interrupted: run the same command again\n")
    assert process.returncode == 130


def test_signals_after_the_end_do_nothing(tmp_path: Path) -> None:
    late = "import atexit; atexit.register(lambda: [os.kill(os.getpid(), number) for number in (2, 2, 15)])"
    process = script(tmp_path, late, f"{GUARDED}sys.exit('error: it was said')")
    assert process.communicate(timeout=20) == ("", "error: it was said\n")
    assert process.returncode == 1


def test_an_interrupt_that_nothing_catches_is_one_line(tmp_path: Path) -> None:
    """As one between the end of the block and the first line of what follows it."""
    process = script(tmp_path, f"{GUARDED}pass", "raise KeyboardInterrupt")
    assert process.communicate(timeout=20) == ("", "interrupted: run the same command again\n")
    assert process.returncode == 130


@pytest.mark.parametrize(
    "shows",
    [
        'from hourglass.console.progress import progress; progress(2, "work", "step").update()',
        'from stages.scheduler.display import Display; Display(1).print("stage", "words")',
    ],
)
def test_a_process_that_ends_at_once_leaves_no_lock_of_its_bars(shows: str) -> None:
    # As a signal does; "forkserver" is Linux's way to start processes since Python 3.14.
    code = f"""
import multiprocessing, os
multiprocessing.set_start_method("forkserver")
{shows}
os._exit(7)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        ("MemoryError()", "error: expected to need at most "),
        ("RuntimeError('[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory: you tried to allocate memory')", "error: expected to need at most "),
        ("OSError(28, 'No space left on device')", "error: No space left on device (writing in "),
        ("OSError(28, 'No space left on device', 'data/models/x')", "error: No space left on device (data/models/x)"),
    ],
)  # fmt: skip
def test_errors_of_the_machine_are_one_line(tmp_path: Path, raised: str, line: str) -> None:
    process = script(tmp_path, f"{GUARDED}raise {raised}")
    output, errors = process.communicate(timeout=20)
    assert (output, process.returncode) == ("", 1)
    assert errors.startswith(line)
    assert errors.count("\n") == 1


def test_an_error_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    errors = script(tmp_path, f"{GUARDED}raise RuntimeError('a bug')").communicate(timeout=20)[1]
    assert errors.endswith("RuntimeError: a bug\n")
    assert "Traceback" in errors


LOCKED = (
    "from pathlib import Path\nfrom hourglass.console.lock import only_process\n"
    f"{GUARDED}with only_process(Path('locks'), 'train x'): print('ready', flush=True); time.sleep(%s)"
)


def test_a_second_process_says_who_is_the_first(tmp_path: Path) -> None:
    first = script(tmp_path, LOCKED % 60)
    wait_for(first, "ready")
    second = script(tmp_path, LOCKED % 0)
    expected = f"expected to be the only `train x`, got another process ({first.pid}): wait for it, or stop it"
    assert second.communicate(timeout=20) == ("", f"error: {expected}\n")
    assert second.returncode == 1
    first.kill()
    first.communicate(timeout=20)
    assert script(tmp_path, LOCKED % 0).communicate(timeout=20) == ("ready\n", "")


def test_the_processes_of_one_training_share_its_lock(tmp_path: Path) -> None:
    first = script(tmp_path, LOCKED % 60)
    wait_for(first, "ready")
    other = script(tmp_path, "os.environ.update(TORCHELASTIC_RUN_ID='x', RANK='1')", LOCKED % 0)
    assert other.communicate(timeout=20) == ("ready\n", "")
    first.kill()
    first.communicate(timeout=20)
