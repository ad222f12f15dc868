"""One scheduler at a time in a project, and nothing that a killed one leaves stops the next."""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil

from hourglass.console.errors import UserError

WORKER = "stages/scheduler/worker.py"
POLL = 0.1  # seconds


@contextmanager
def only_scheduler(path: Path) -> Iterator[int]:
    """Hold a lock file; yield its descriptor, which the workers inherit, so that it is held until the last one ends.

    Where the scheduler was killed and its workers still end their stages, wait for them.

    Raises:
        UserError: If another scheduler runs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        _acquire(file)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _acquire(file: IO[str]) -> None:
    said = False
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read()
            if not holder or psutil.pid_exists(int(holder)):
                raise UserError(
                    f"expected to be the only scheduler here, got another one (process {holder or 'starting'}): "
                    "wait for it, or stop it"
                ) from None
        if not said:
            print(f"process {holder} was killed: waiting for its stages to end", file=sys.stderr)
            said = True
        time.sleep(POLL)


def forget_killed_workers(tmp_dir: Path) -> None:
    """Remove from DVC's list of busy files what workers left that were killed, or all of it if it is cut off.

    Call it while both the lock of schedulers and DVC's are held: then no worker is alive. DVC would take one for
    alive if another process has its number by now, and refuses a file that is cut off.
    """
    path = tmp_dir / "rwlock"
    try:
        busy: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        readers = {
            file: [one for one in held if WORKER not in one["cmd"]] for file, held in busy.get("read", {}).items()
        }
        writers = {file: one for file, one in busy.get("write", {}).items() if WORKER not in one["cmd"]}
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        path.unlink()
        return
    text = json.dumps({"write": writers, "read": {file: held for file, held in readers.items() if held}})
    path.write_text(text, encoding="utf-8")
