"""Receive a file from a web server, which may break off, dawdle, never end or answer with something else.

request -> redirects -> status and headers -> body, in as many answers as it takes -> file
"""

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urljoin

import requests
import urllib3

from hourglass.console.progress import progress
from hourglass.data.remote.bounded import UnavailableError

SCHEMES = ("http://", "https://")
CHUNK = 1 << 16  # bytes
TIMEOUT = (10, 60)  # seconds to connect, and in which something must come
ATTEMPTS = 5
BACK_OFF = 1.0  # seconds before the second attempt, doubled before each further one
MAX_REDIRECTS = 10
TRANSIENT = (202, 408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that may be gone in a moment
RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
ENCODINGS = ("gzip", "deflate", "compress", "br", "zstd")
PACKED = (".gz", ".tgz")  # names of files that some servers call encoded
ERROR_TYPES = ("htm", "json")  # in the types of what servers answer with in place of a file


class Pace(NamedTuple):
    """The least speed at which a server may send."""

    least: int = 60_000  # bytes, in each
    window: float = 60  # seconds: below 1 kB/s, a megabyte takes a quarter of an hour


LEAST_PACE = Pace()


class _BrokenError(Exception):
    """A transfer that did not start, or stopped halfway; it may be tried again."""


class _Session(requests.Session):
    """A session that follows no redirect by itself: requests would first keep its whole body in memory."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None."""

    def open(self, address: str, headers: dict[str, str]) -> requests.Response:
        """Return the first answer that is no redirect, its body unread."""
        for _ in range(MAX_REDIRECTS + 1):
            response = self.get(address, stream=True, timeout=TIMEOUT, headers=headers)
            to = super().get_redirect_target(response)
            if to is None:
                return response
            response.close()
            address = urljoin(address, to)
            if not address.lower().startswith(SCHEMES):
                raise UnavailableError(f"expected a redirect to http(s), got one to {address[:200]!r}")
        raise UnavailableError(f"expected at most {MAX_REDIRECTS} redirects, got more")


def download(
    address: str,
    target: Path,
    name: str,
    is_verified: bool,
    max_bytes: int,
    pace: Pace = LEAST_PACE,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Stream to `target`; a transfer that breaks goes on where it stopped, if the server allows that.

    Args:
        address: http(s)://...
        target: The file to write.
        name: Its name for people.
        is_verified: Whether the content will be, so that what the server says of it does not count.
        max_bytes: Largest size of the file.
        pace: The least speed.
        wait: Called with the seconds to wait before another attempt.

    Raises:
        UnavailableError: The server does not give the file.
    """
    with target.open("wb") as file, _Session() as session:
        transfer = _Transfer(address, file, name, is_verified, max_bytes)
        for attempt in range(ATTEMPTS):
            if attempt:
                wait(BACK_OFF * 2 ** (attempt - 1))
            try:
                with _least_speed(transfer, pace):
                    transfer.attempt(session)
            except _BrokenError as error:
                broken = str(error)
            else:
                return
    raise UnavailableError(f"{broken}, {ATTEMPTS} times")


class _Transfer:
    """One file from one address, by as many requests as it takes."""

    def __init__(self, address: str, file: BinaryIO, name: str, is_verified: bool, max_bytes: int) -> None:
        self.address, self.file, self.name = address, file, name
        self.is_verified, self.max_bytes = is_verified, max_bytes
        self.received = 0  # bytes by all requests together
        self.version: str | None = None  # the server's ETag or date of the content that `file` begins with
        self.size: int | None = None  # bytes of that content, if the server states them

    def attempt(self, session: _Session) -> None:
        """Receive the rest of the file."""
        start = self.file.tell()
        headers = {"Accept-Encoding": "identity"}
        if start and self.version:
            headers |= {"Range": f"bytes={start}-", "If-Range": self.version}
        try:
            with session.open(self.address, headers) as response:
                _check_status(response, "Range" in headers)
                if not self.is_verified:
                    _check_kind(response, self.name)
                self._begin(response)
                self._receive(response)
        except ValueError as error:  # of an address, or one that it leads to
            raise UnavailableError(f"expected a valid address, got {' '.join(str(error).split())[:200]}") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            broken = "broke off" if self.received else "no connection"
            raise _BrokenError(f"{broken} ({type(error).__name__})") from None

    def _begin(self, response: requests.Response) -> None:
        """Move to where the body of an answer goes."""
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if response.status_code == requests.codes.partial_content:
            if not self._is_rest(response.headers.get("Content-Range", ""), version):
                self._restart(None, None)
                raise _BrokenError("got the rest of another file")
        else:  # the whole file again: the server cannot resume, or has another one by now
            self._restart(version, response.raw.length_remaining)

    def _is_rest(self, content_range: str, version: str | None) -> bool:
        """Return whether a part goes to the end of the content that `file` begins with."""
        match = RANGE.fullmatch(content_range)
        if not match or version not in (None, self.version):
            return False
        first, last, size = match.groups()
        sizes = {self.size, int(size) if size != "*" else None} - {None}
        return int(first) == self.file.tell() and sizes <= {int(last) + 1}

    def _restart(self, version: str | None, size: int | None) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.version, self.size = version, size

    def _receive(self, response: requests.Response) -> None:
        """Append the body of an answer."""
        start, length = self.file.tell(), response.raw.length_remaining
        with progress(start + (length or 0), self.name, "B", start) as bar:
            self._check_size(start + (length or 0))
            # As it was sent: `iter_content` would unpack a .gz that the server calls an encoding.
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                self._check_size(self.file.tell() + len(chunk))
                self.file.write(chunk)
                self.received += len(chunk)
                bar.update(len(chunk))
        if self.size is not None and self.file.tell() != self.size:
            raise _BrokenError(f"got {self.file.tell():,} of {self.size:,} bytes")
        if self.size is None and not response.raw.chunked and not self.is_verified:
            print(f"warning: {self.name}: the server did not say how large it is, so that it may not be whole")

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise UnavailableError(f"expected at most {self.max_bytes:,} bytes (`max_bytes`), got {size:,} or more")


@contextmanager
def _least_speed(transfer: _Transfer, pace: Pace) -> Iterator[None]:
    """Raise _BrokenError in whatever waits for the server, a header or the next byte, once it is too slow.

    The timeout of a socket alone would let a server go on for ever that sends a byte in time.
    """
    before = transfer.received

    def check(*_: object) -> None:
        nonlocal before
        if transfer.received - before < pace.least:
            raise _BrokenError(f"fewer than {pace.least:,} bytes in {pace.window:g} s")
        before = transfer.received

    handler = signal.signal(signal.SIGALRM, check)
    signal.setitimer(signal.ITIMER_REAL, pace.window, pace.window)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def _check_status(response: requests.Response, is_resumed: bool) -> None:
    """Raise an error that says whether another attempt may help."""
    status = response.status_code
    if status in TRANSIENT:
        raise _BrokenError(f"HTTP status {status}")
    if status != requests.codes.ok and not (is_resumed and status == requests.codes.partial_content):
        raise UnavailableError(f"HTTP status {status}")


def _check_kind(response: requests.Response, name: str) -> None:
    """Raise UnavailableError if the headers say that the body is not the file, but a page or an error in its place."""
    encoding = response.headers.get("Content-Encoding", "").lower()
    # Other words there, aws-chunked and utf-8 say, change nothing of what is sent.
    is_encoded = any(word in encoding for word in ENCODINGS)
    if is_encoded and not ("gzip" in encoding and name.lower().endswith(PACKED)):
        raise UnavailableError(f"expected the file as it is, got it encoded as {encoding[:40]!r}")
    kind = response.headers.get("Content-Type", "").partition(";")[0].lower()
    if any(word in kind and word not in name.lower() for word in ERROR_TYPES):
        raise UnavailableError(
            f"expected a file, got an answer of type {kind[:80]!r}: if it is the file, state its SHA-256"
        )
