"""Read what nobody vouches for: no more bytes than a stated number, whatever a server or a header claims."""

import io
from collections.abc import Callable
from typing import BinaryIO, Never

# An image set's archive is smaller, and a disk has that room; larger ones say so in params.yaml.
MAX_BYTES = 10_000_000_000
# Files and folders of one archive or copied folder: more are better kept packed, as webdataset or parquet.
MAX_MEMBERS = 500_000


class UnavailableError(Exception):
    """One source does not have the file; the next one may."""


class BoundedFile(io.BufferedIOBase):
    """A file of which a library cannot read at once more than is stated, though the library believes its headers.

    Args:
        file: What is read.
        end: Largest position that is read or sought, in bytes.
        most: Largest number of bytes that are read between two seeks.
        refuse: Called with "end" or "most", whichever is exceeded; it raises.
    """

    def __init__(self, file: BinaryIO, end: int, most: int, refuse: Callable[[str], Never]) -> None:
        self.most = most
        self._file, self._end, self._refuse = file, end, refuse
        self._since_seek = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move, forward no further than `end`: in a compressed file every byte up to there is unpacked."""
        if whence == io.SEEK_SET and offset > self._end:
            self._refuse("end")
        self._since_seek = 0
        return self._file.seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes, all that is left if it is negative."""
        left = self.most - self._since_seek
        data = self._file.read(left + 1 if size is None or size < 0 else min(size, left + 1))
        if len(data) > left:
            self._refuse("most")
        if self._file.tell() > self._end:
            self._refuse("end")
        self._since_seek += len(data)
        return data
