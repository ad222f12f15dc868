"""Damaged archives, through the function that `download` unpacks them with."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

from hourglass.data.remote.archives import unpack
from tests.fuzz.harness import Target

FILES = {
    "faces/one.png": bytes(range(256)) * 8,
    "faces/Zoë.png": b"two" * 300,
    f"deep/{'long' * 30}.png": b"three",
    "empty.txt": b"",
}


def good_zip() -> bytes:
    """Return a .zip, half of it deflated, with a folder and a file that is left aside."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("faces/", b"")
        archive.writestr("__MACOSX/._one.png", b"litter")
        for index, (name, data) in enumerate(FILES.items()):
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if index % 2 else zipfile.ZIP_STORED)
    return buffer.getvalue()


def good_tar() -> bytes:
    """Return a .tar with a folder and long names of both kinds of headers, pax's and GNU's."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("faces")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for index, (name, data) in enumerate(FILES.items()):
            archive.format = tarfile.GNU_FORMAT if index % 2 == 0 else tarfile.PAX_FORMAT
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def read(path: Path) -> dict[str, bytes]:
    """Unpack an archive, and return the files."""
    folder = path.parent / "unpacked"
    unpack(path, folder)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def equal(left: dict[str, bytes], right: dict[str, bytes]) -> bool:
    """Return whether the same files came out."""
    return left == right


TARGETS = (
    Target("zip", good_zip, read, "images.zip", same=equal),
    Target("tar", good_tar, read, "images.tar"),  # its content has no checksum
    Target("tar.gz", lambda: gzip.compress(good_tar()), read, "images.tar.gz", same=equal),
    Target("tar in gz", good_tar, read, "images.tar.gz", wrap=gzip.compress),
)
