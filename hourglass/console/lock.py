"""One process at a time for the same work."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hourglass.console.errors import UserError


@contextmanager
def only_process(folder: Path, work: str) -> Iterator[None]:
    """Hold the lock of `work`, a file in `folder`, which the system lets go when the process ends, however it ends.

    Of several processes that torchrun started, the main one holds it for all.

    Raises:
        UserError: If another process holds it.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK") != "0":
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / re.sub(r"[^\w.-]", "-", work)  # a name that nobody has checked yet may be a path
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        holder = path.read_text(encoding="utf-8")
        raise UserError(
            f"expected to be the only `{work}`, got another process ({holder or 'starting'}): wait for it, or stop it"
        ) from None
    try:
        path.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        lock.release()
