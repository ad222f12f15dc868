"""Get one upstream file from the first of its sources that has it, and accept it only if it is intact."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hourglass.console.errors import UserError
from hourglass.data.remote.archives import is_archive
from hourglass.data.remote.bounded import MAX_BYTES, UnavailableError
from hourglass.data.remote.http import LEAST_PACE, SCHEMES, Pace, download
from hourglass.data.remote.local import copy_local
from hourglass.data.remote.verify import verify
from hourglass.files import whole_file


def fetch(
    target: Path,
    urls: Sequence[str],
    sha256: Sequence[str],
    by_hand: str,
    max_bytes: int = MAX_BYTES,
    pace: Pace = LEAST_PACE,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """Write `target` from the first of `urls` that gives it intact, and return that address.

    Args:
        target: The file to write.
        urls: http(s)://, package:<name>/<path> (a file of an installed Python package) or a path on this machine, which
            may be a folder; one that ends in / gets the target's name added.
        sha256: The file or, for a .gz, its content must have one of these; if there are none, anything goes but a page
            or an error that a server sends in place of a file.
        by_hand: How people get the file; ends the error message.
        max_bytes: Largest size of the file or folder.
        pace: The least speed at which a server may send.
        wait: Called with the seconds to wait before another attempt.

    Raises:
        UserError: No source gives the file; the message has the answer of each.
    """
    failures = []
    for url in urls:
        address = url + target.name if url.endswith("/") else url
        try:
            with whole_file(target) as partial:
                if address.startswith(SCHEMES):
                    is_verified = bool(sha256) or is_archive(target.name)
                    download(address, partial, target.name, is_verified, max_bytes, pace, wait)
                else:
                    copy_local(address, partial, max_bytes)
                verify(partial, target.name, sha256, max_bytes)
        except UnavailableError as error:
            failures.append(f"{address}: {error}")
        else:
            return address
    raise UserError(f"{target.name}: expected one of its sources to give it, got: {'; '.join(failures)}. {by_hand}")
