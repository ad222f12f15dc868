"""Open tables, packed or not: neither what they unpack to nor the width of their rows is without a limit."""

import gzip
import io
from pathlib import Path
from typing import BinaryIO, cast

from hourglass.data.preparation.raw import regular, unpacked_limit

MAX_COLUMNS = 1 << 22  # of a row: four million pixels
MAX_PIECE = 1 << 28  # bytes of the rows that are read at once: a quote that is not closed makes one of all that follow


class Table(io.RawIOBase):
    """The bytes of a .csv or .tsv, unpacked if it is a .gz.

    Raises ValueError, when it is read, where a row has too many columns, or there is no end of bytes.
    """

    def __init__(self, path: Path, separator: str) -> None:
        super().__init__()
        is_packed = regular(path).suffix == ".gz"
        self._file = cast(BinaryIO, gzip.open(path) if is_packed else path.open("rb"))  # noqa: SIM115
        self._limit = unpacked_limit(path) if is_packed else None
        self._separator = separator.encode()
        self._columns = self._bytes = self._since_piece = 0

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def readinto(self, buffer: "memoryview", /) -> int:  # type: ignore[override]
        """Read into `buffer`; return how many bytes."""
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._check(data)
        return len(data)

    def start_piece(self) -> None:
        """Count the bytes of the next rows from here."""
        self._since_piece = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _check(self, data: bytes) -> None:
        last_line = max(data.rfind(b"\n"), data.rfind(b"\r"))  # some tables end their rows with the latter alone
        self._columns = (self._columns if last_line < 0 else 0) + data.count(self._separator, last_line + 1)
        self._bytes += len(data)
        self._since_piece += len(data)
        if self._columns >= MAX_COLUMNS:
            raise ValueError(f"a row of more than {MAX_COLUMNS:,} columns")
        if self._since_piece > MAX_PIECE:
            raise ValueError(f"rows of more than {MAX_PIECE:,} bytes: is a quote not closed?")
        if self._limit is not None and self._bytes > self._limit:
            raise ValueError(f"more than {self._limit:,} bytes, unpacked: unpack it")
