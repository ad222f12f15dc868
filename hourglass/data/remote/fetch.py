"""Get one upstream file from the first of its sources that has it, and accept it only if it is intact."""

import gzip
import hashlib
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

import requests
import urllib3

from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.data.names import is_litter
from hourglass.data.remote.archives import is_archive
from hourglass.files import whole_file

PACKAGE = "package:"
CHUNK = 1 << 20  # bytes
TIMEOUT = (10, 60)  # seconds to connect, and between two chunks
ATTEMPTS = 5
BACK_OFF = 1.0  # seconds before the second attempt, doubled before each further one
HTML = (b"<!doctype html", b"<html")
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that may be gone in a moment


class UnavailableError(Exception):
    """One source does not have the file; the next one may."""


def fetch(
    target: Path,
    urls: Sequence[str],
    sha256: Sequence[str],
    by_hand: str,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """Write `target` from the first of `urls` that gives it intact, and return that address.

    Args:
        target: The file to write.
        urls: http(s)://, package:<name>/<path> (a file of an installed Python package) or a path on this machine, which
            may be a folder; one that ends in / gets the target's name added.
        sha256: The file or, for a .gz, its content must have one of these; anything goes if there are none.
        by_hand: How people get the file; ends the error message.
        wait: Called with the seconds to wait before another attempt.

    Raises:
        UserError: No source gives the file; the message has the answer of each.
    """
    failures = []
    for url in urls:
        address = url + target.name if url.endswith("/") else url
        try:
            with whole_file(target) as partial:
                _copy(address, partial, target.name, wait)
                _verify(partial, target.name, sha256)
        except UnavailableError as error:
            failures.append(f"{address}: {error}")
        else:
            return address
    raise UserError(f"{target.name}: expected one of its sources to give it, got: {'; '.join(failures)}. {by_hand}")


def _copy(address: str, target: Path, name: str, wait: Callable[[float], None]) -> None:
    """Copy a file or a folder from anywhere to `target`; raise UnavailableError if it is not there."""
    if address.startswith(("http://", "https://")):
        _download(address, target, name, wait)
        return
    path = _in_package(address.removeprefix(PACKAGE)) if address.startswith(PACKAGE) else Path(address)
    if path.is_dir():
        try:
            shutil.copytree(path, target, ignore=lambda _, names: {name for name in names if is_litter(name)})
        except shutil.Error as error:
            raise UnavailableError(
                f"{len(error.args[0])} files could not be copied, {error.args[0][0][0]} first"
            ) from None
        return
    try:
        source = path.open("rb")
    except OSError as error:
        raise UnavailableError(error.strerror) from None
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)


def _in_package(location: str) -> Path:
    """Return the path of <package>/<path> without importing the package."""
    package, _, path = location.partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError(f"the Python package {package} is not installed")
    return Path(spec.submodule_search_locations[0]) / path


def _download(address: str, target: Path, name: str, wait: Callable[[float], None]) -> None:
    """Stream to `target`; a transfer that breaks goes on where it stopped, if the server allows that."""
    version: str | None = None
    with target.open("wb") as file, requests.Session() as session:
        for attempt in range(ATTEMPTS):
            if attempt:
                wait(BACK_OFF * 2 ** (attempt - 1))
            try:
                version = _stream(session, address, file, name, version)
            except _BrokenError as error:
                broken, version = str(error), error.version
            else:
                return
    raise UnavailableError(f"{broken}, {ATTEMPTS} times")


class _BrokenError(Exception):
    """A transfer that stopped halfway, or did not start; it may be tried again."""

    def __init__(self, message: str, version: str | None) -> None:
        super().__init__(message)
        self.version = version


def _stream(session: requests.Session, address: str, file: BinaryIO, name: str, version: str | None) -> str | None:
    """Receive the rest of `file`; `version` is the server's ETag or date of the content that it began with."""
    start = file.tell()
    headers = {"Accept-Encoding": "identity"}
    if start and version:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    try:
        with session.get(address, stream=True, timeout=TIMEOUT, headers=headers) as response:
            _check_status(response, version)
            resumed = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            if response.status_code != requests.codes.partial_content or not resumed:
                start = 0  # the whole file again: the server cannot resume, or it has another one by now
                file.seek(0)
                file.truncate()
            version = response.headers.get("ETag") or response.headers.get("Last-Modified")
            stated = response.headers.get("Content-Length", "")
            length = int(stated) if stated.isdecimal() else 0
            with progress(start + length, name, "B") as bar:
                bar.update(start)
                # As it was sent: `iter_content` would unpack a .gz that the server calls an encoding.
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    file.write(chunk)
                    bar.update(len(chunk))
            if length and file.tell() != start + length:
                raise _BrokenError(f"got {file.tell() - start:,} of {length:,} bytes", version)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise UnavailableError(str(error)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _BrokenError(f"no connection ({type(error).__name__})", version) from None
    return version


def _check_status(response: requests.Response, version: str | None) -> None:
    """Raise an error that says whether another attempt may help."""
    if response.status_code in TRANSIENT:
        raise _BrokenError(f"HTTP status {response.status_code}", version)
    if not response.ok:
        raise UnavailableError(f"HTTP status {response.status_code}")


def _verify(path: Path, name: str, sha256: Sequence[str]) -> None:
    """Raise UnavailableError if what came is not the file `name`."""
    if path.is_dir():
        if sha256:
            raise UnavailableError("expected a file of a known SHA-256, got a folder")
        return
    if is_archive(path.with_name(name)) and not (zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
        raise UnavailableError("expected an archive, got something else")
    if not sha256:  # upstream states none: any file but a web page
        with path.open("rb") as file:
            if file.read(512).lstrip().lower().startswith(HTML):
                raise UnavailableError("expected a file, got a web page (HTML), perhaps one that asks to log in")
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest not in sha256 and not (name.endswith(".gz") and _content_digest(path) in sha256):
        raise UnavailableError(f"expected SHA-256 {' or '.join(sha256)}, got {digest}")


def _content_digest(path: Path) -> str:
    """Hash the content of a .gz, "" if it is damaged: the same content can be packed in different ways."""
    try:
        with gzip.open(path, "rb") as file:
            return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
    except (OSError, EOFError, zlib.error):
        return ""
