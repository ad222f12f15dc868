"""Get one upstream file, from whichever of its sources has it, and take it only if its SHA-256 is right."""

import hashlib
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import requests

from stages.errors import UserError
from stages.files import whole_file
from stages.progress import progress

PACKAGE = "package:"
CHUNK = 1 << 20  # bytes
TIMEOUT = (10, 60)  # seconds to connect, and between two chunks


def fetch(target: Path, urls: Sequence[str], sha256: Sequence[str], dataset: str) -> str:
    """Write `target` from the first of `urls` that gives it intact, and return that one.

    A url is http(s)://, package:<name>/<path> (a file of an installed Python package) or a path on this machine; one
    that ends in / gets the target's name added. Raise UserError, naming what each source answered, if none gives it.
    """
    failures = []
    for url in urls:
        address = url + target.name if url.endswith("/") else url
        try:
            with whole_file(target) as partial:
                with partial.open("wb") as file:
                    _copy(address, file, target.name)
                _verify(partial, sha256)
        except (UnavailableError, FileNotFoundError, IsADirectoryError, PermissionError) as error:
            failures.append(f"{address}: {getattr(error, 'strerror', None) or error}")
        else:
            return address
    raise UserError(
        f"{target.name}: expected one of its sources to give it, got: {'; '.join(failures)}. To supply it by hand, "
        f"save it as <folder>/{dataset}/{target.name} and set HOURGLASS_MIRROR=<folder>"
    )


class UnavailableError(Exception):
    """One source does not give the file; the next one may."""


def _copy(address: str, file: BinaryIO, name: str) -> None:
    if address.startswith(("http://", "https://")):
        _download(address, file, name)
        return
    path = _in_package(address.removeprefix(PACKAGE)) if address.startswith(PACKAGE) else Path(address)
    with path.open("rb") as source:
        shutil.copyfileobj(source, file, CHUNK)


def _download(address: str, file: BinaryIO, name: str) -> None:
    try:
        with requests.get(address, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            expected = int(response.headers.get("Content-Length", 0))
            with progress(expected, name, "B") as bar:
                for chunk in response.iter_content(CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    except requests.HTTPError as error:
        raise UnavailableError(f"HTTP status {error.response.status_code}") from None
    except requests.RequestException as error:
        raise UnavailableError(f"no connection ({type(error).__name__})") from None


def _in_package(location: str) -> Path:
    package, _, path = location.partition("/")
    spec = find_spec(package)  # finds the folder without importing the package
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError(f"the Python package {package} is not installed")
    return Path(spec.submodule_search_locations[0]) / path


def _verify(path: Path, sha256: Sequence[str]) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest not in sha256:
        raise UnavailableError(f"expected SHA-256 {' or '.join(sha256)}, got {digest}")
