"""An upstream file: the keywords of one item of an entry of `downloads`."""

from dataclasses import dataclass
from typing import Annotated

from hourglass.config.types import Sha256, Text, text
from hourglass.data.remote.fetch import PACKAGE

FileName = Annotated[str, *text(r"\w[\w.+-]*", "a file's name of letters, digits, _, ., + and -, without a folder")]


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One upstream file, and where it comes from.

    Args:
        file: Its name. An archive (.zip, .tar, .tar.gz, ...) is unpacked, every member checked.
        urls: Addresses to try in turn; one that ends in / gets the file's name added. package:NAME/... is a file inside
            an installed Python package; anything but http(s) is a file or folder on this machine.
        sha256: The file is accepted only if its SHA-256, or that of the content of a .gz, is one of these; by default
            whatever comes is accepted.
        by_hand: What to tell people when no address gives the file; by default, how to supply it.
    """

    file: FileName
    urls: tuple[Text, ...] = ()
    sha256: tuple[Sha256, ...] = ()
    by_hand: str = ""

    @property
    def is_bundled(self) -> bool:
        """Whether it comes inside installed Python packages alone."""
        return bool(self.urls) and all(url.startswith(PACKAGE) for url in self.urls)

    def addresses(self, mirror: str) -> list[str]:
        """Return all addresses to try: `mirror`, a folder or URL, first, unless it is "" or the file is bundled."""
        return [f"{mirror.rstrip('/')}/", *self.urls] if mirror and not self.is_bundled else list(self.urls)
