"""An upstream file: the keywords of one item of an entry of `downloads`."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from hourglass.config.types import Sha256, Text, text
from hourglass.data.remote.bounded import MAX_BYTES
from hourglass.data.remote.local import PACKAGE

# DVC does not store what ends in .partial.
FileName = Annotated[
    str,
    *text(
        r"(?!.*\.partial$)\w[\w.+-]*",
        "a file's name of letters, digits, _, ., + and -, without a folder and not .partial at its end",
    ),
]
Bytes = Annotated[int, Field(strict=True, gt=0, le=10**15)]


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One upstream file, and where it comes from.

    Args:
        file: Its name. An archive (.zip, .tar, .tar.gz, ...) is unpacked, every member checked; those of a .zip have
            to be stored or deflated.
        urls: Addresses to try in turn; one that ends in / gets the file's name added. package:NAME/... is a file inside
            an installed Python package; anything but http(s) is a file or folder on this machine.
        sha256: The file is accepted only if its SHA-256, or that of the content of a .gz, is one of these; by default
            whatever comes is accepted that is not empty, a web page or an error.
        max_bytes: The largest size that a source may give, and that an archive may be unpacked to: a server that sends
            more, or less than 60,000 bytes a minute, does not fill the disk or the day, but the next address is tried.
        by_hand: What to tell people when no address gives the file; by default, how to supply it.
    """

    file: FileName
    urls: tuple[Text, ...] = ()
    sha256: tuple[Sha256, ...] = ()
    max_bytes: Bytes = MAX_BYTES
    by_hand: str = ""

    @property
    def is_bundled(self) -> bool:
        """Whether it comes inside installed Python packages alone."""
        return bool(self.urls) and all(url.startswith(PACKAGE) for url in self.urls)

    def addresses(self, mirror: str) -> list[str]:
        """Return all addresses to try: `mirror`, a folder or URL, first, unless it is "" or the file is bundled."""
        return [f"{mirror.rstrip('/')}/", *self.urls] if mirror and not self.is_bundled else list(self.urls)
