"""Images in a column of Parquet files: a row group is read when one of its images is asked for."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

from hourglass.console.errors import UserError
from hourglass.data.preparation.raw import BadImageError, EncodedImage, unpacked_limit

ERRORS = (ValueError, OSError, KeyError, TypeError, IndexError, NotImplementedError)  # of which pyarrow's errors are
BATCH, BATCH_BYTES = 256, 1 << 27  # rows that are read at once, and bytes if each is as large as all that is stored
FEW_ROWS = 1_000_000  # that may be there whatever the size of a file: one value that repeats takes hardly a byte
CACHE_BYTES = 1 << 28  # of row groups that are kept in memory; two are, however large


class ParquetImages:
    """The images of Parquet files, each an `EncodedImage` that reads the row group which it is in."""

    def __init__(self, source: Path, paths: Sequence[Path], column: str) -> None:
        self.paths, self.column = paths, column
        self.metadata = [_metadata(path) for path in paths]
        self.rows = [_rows(path, metadata) for path, metadata in zip(paths, self.metadata, strict=True)]
        groups = [
            (file, group, metadata.row_group(group).num_rows)
            for file, metadata in enumerate(self.metadata)
            for group in range(metadata.num_row_groups)
        ]
        self.groups = [(file, group) for file, group, _ in groups]
        self.starts = [0, *accumulate(rows for _, _, rows in groups)]
        base = source if source.is_dir() else source.parent
        self.names = [
            f"{path.relative_to(base).as_posix()}[{row}]"
            for path, rows in zip(paths, self.rows, strict=True)
            for row in range(rows)
        ]
        self._lock = Lock()
        self._cache: OrderedDict[int, Any] = OrderedDict()  # row groups, the one that was used last behind the others

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, index: int, /) -> EncodedImage:
        return EncodedImage(self.names[index], partial(self.read, int(index)))

    def read(self, index: int) -> bytes:
        """Return the bytes of an image; raise BadImageError if there are none."""
        number = bisect_right(self.starts, index) - 1
        data = self._group(number, index)[index - self.starts[number]].as_py()
        if not data:
            raise BadImageError(f"{self.names[index]}: expected the bytes of an image, got none")
        return bytes(data)

    def _group(self, number: int, index: int) -> Any:  # noqa: ANN401  # pyarrow has no types
        """Return the column of a row group, from memory if it was read not long ago."""
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                return self._cache[number]
            try:
                column = self._read_group(number)
            except ERRORS as error:  # pyarrow's are of these kinds
                raise BadImageError(f"{self.names[index]}: expected a whole file, got: {reason(error)}") from None
            self._cache[number] = column
            while len(self._cache) > 2 and sum(kept.nbytes for kept in self._cache.values()) > CACHE_BYTES:
                self._cache.popitem(last=False)
            return column

    def _read_group(self, number: int) -> Any:  # noqa: ANN401
        """Read the files in a row group."""
        import pyarrow

        file, group = self.groups[number]
        with open_file(self.paths[file], self.metadata[file]) as opened:
            found = parts_of(opened, self.column, [group], unpacked_limit(self.paths[file]))
            parts = [part.field("bytes") if pyarrow.types.is_struct(part.type) else part for part in found]
        rows = self.starts[number + 1] - self.starts[number]
        if sum(map(len, parts)) != rows:
            raise ValueError(f"row group {group} has not the {rows:,} rows that it says")
        return pyarrow.chunked_array(parts)


def parts_of(opened: Any, column: str, groups: Sequence[int], limit: int) -> Iterator[Any]:  # noqa: ANN401
    """Yield a column, a few rows at a time: few bytes may stand for millions of large values; ValueError if so."""
    size = 0
    too_many = f"'{column}' has more than {limit:,} bytes, unpacked"
    for group in groups:
        said = opened.metadata.row_group(group).total_byte_size  # of all columns: those of one make pyarrow abort
        rows = max(1, min(BATCH, BATCH_BYTES // max(1, said)))
        for batch in opened.iter_batches(rows, [group], [column], use_threads=False):
            size += batch.nbytes
            if size > limit:
                raise ValueError(too_many)
            yield batch.column(column)


def _rows(path: Path, metadata: Any) -> int:  # noqa: ANN401
    """Return how many rows a file has; raise UserError if it says what cannot be: no image is smaller than a byte."""
    limit = unpacked_limit(path)
    if any(metadata.row_group(number).total_byte_size > limit for number in range(metadata.num_row_groups)):
        raise UserError(
            f"{path}: expected row groups of at most {limit:,} bytes, unpacked, got more: write smaller ones"
        )
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    most = max(FEW_ROWS, path.stat().st_size)
    if min(groups, default=0) < 0 or sum(groups) != metadata.num_rows or metadata.num_rows > most:
        raise UserError(f"{path}: expected as many rows as its bytes can hold, got {metadata.num_rows:,}")
    return int(metadata.num_rows)


def open_file(path: Path, metadata: Any = None) -> Any:  # noqa: ANN401  # pyarrow has no types
    """Open a file; raise UserError if it is none."""
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path, metadata=metadata, page_checksum_verification=True)
    except ERRORS as error:
        raise UserError(f"{path}: expected a Parquet file, got: {reason(error)}") from None


def _metadata(path: Path) -> Any:  # noqa: ANN401
    with open_file(path) as opened:
        return opened.metadata


def reason(error: Exception) -> str:
    """Return what an error of pyarrow says, in one line."""
    return " ".join(str(error).split())[:200]
