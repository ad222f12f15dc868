"""Tell whether what came from a source is the file that was asked for."""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from hourglass.data.remote.archives import begins_as_archive, is_archive
from hourglass.data.remote.bounded import UnavailableError
from hourglass.data.remote.members import expansion_limit
from hourglass.files import sha256 as sha256_of

CHUNK = 1 << 20  # bytes
HEAD = 1 << 16  # bytes in which a page or an error is recognized
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
MARKUP = re.compile(r"\s*<[!?a-z]", re.IGNORECASE)  # HTML, behind a comment or not, and XML
MARKUP_NAMES = (".htm", ".html", ".xml", ".xhtml", ".svg")
BINARY = re.compile(r"[\x00-\x08\x0e-\x1a]")  # characters that no text has


def verify(path: Path, name: str, sha256: Sequence[str], max_bytes: int) -> None:
    """Raise UnavailableError if what came is not the file `name`.

    Args:
        path: What came, a file or a folder.
        name: Its name, whose suffix says what it should be.
        sha256: The file or, for a .gz, its content must have one of these; if there are none, anything goes that is no
            page or error which a server sends in place of a file.
        max_bytes: Most bytes of content that are unpacked to look at.
    """
    if path.is_dir():
        if sha256:
            raise UnavailableError("expected a file of a known SHA-256, got a folder")
        return
    if is_archive(name) and not begins_as_archive(path, name):
        raise UnavailableError("expected an archive, got something else")
    if sha256:
        _check_digest(path, name, sha256, max_bytes)
    elif not path.stat().st_size:
        raise UnavailableError("expected a file, got an empty one")
    elif not is_archive(name):
        _check_no_page(path, name)


def _check_digest(path: Path, name: str, sha256: Sequence[str], max_bytes: int) -> None:
    digest = sha256_of(path)
    if digest not in sha256 and not (name.endswith(".gz") and _content_digest(path, max_bytes) in sha256):
        raise UnavailableError(f"expected SHA-256 {' or '.join(sha256)}, got {digest}")


def _content_digest(path: Path, max_bytes: int) -> str:
    """Hash the content of a .gz, "" if it is damaged or a bomb: the same content can be packed in different ways."""
    limit, digest = expansion_limit(path, max_bytes), hashlib.sha256()
    try:
        with gzip.open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                if file.tell() > limit:
                    return ""
    except (OSError, EOFError, zlib.error):
        return ""
    return digest.hexdigest()


def _check_no_page(path: Path, name: str) -> None:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"\x1f\x8b"):
        head = _unpacked(head)
    encoding = next((BYTE_ORDER_MARKS[mark] for mark in BYTE_ORDER_MARKS if head.startswith(mark)), "latin-1")
    text = head.decode(encoding, errors="replace")
    if BINARY.search(text):
        return
    if MARKUP.match(text) and not name.lower().endswith(MARKUP_NAMES):
        raise UnavailableError("expected a file, got a web page (HTML) or XML, perhaps one that asks to log in")
    if len(head) < HEAD and ".json" not in name.lower() and _is_json(text):
        raise UnavailableError(f"expected a file, got JSON, perhaps an error: {' '.join(text.split())[:100]}")


def _unpacked(head: bytes) -> bytes:
    """Return the first bytes of the content of a .gz, of which `head` is the first bytes."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False
