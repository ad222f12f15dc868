"""Symbols as bytes, and back: entropy coding by `constriction` (Bamler, 2022, arXiv:2201.01741).

    ticks (M, P) -> symbols -> high parts, by a table of their own for each row of the quantizer -> ANS -> bytes
                            -> low bits, where a table would be too long                        -> ANS -> bytes
                 -> ticks that no table has, as they are                                        -> bytes

Asymmetric numeral systems (ANS) are a stack: what is coded last is decoded first.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from hourglass.coding.quantizer import MAX_BITS, Quantizer, Ticks, to_symbols
from hourglass.console.errors import UserError

TOTAL = 1 << 22  # the sum of a table's frequencies
LONGEST = 1 << 10  # symbols in a table; more of them are cut into high parts and low bits
SPARE = 256  # one part in so many of a table is spread evenly over its symbols, for what training images did not have
WORD = "<u4"


@dataclass(frozen=True)
class Table:
    """How often each symbol of one row occurs.

    Attributes:
        first: The symbol that the first entry stands for, after `low_bits` are cut off.
        low_bits: Number of bits cut off, which are coded as if all of their values were equally likely.
        frequencies: Of `first`, `first` + 1, ...; the last entry stands for every symbol that has none.
    """

    first: int
    low_bits: int
    frequencies: NDArray[np.int64]


def _table(knots: NDArray[np.int64], shift: int) -> Table:
    low_bits = 0
    while True:
        first, last = ((to_symbols(knots[[0, -1]], MAX_BITS - shift)) >> low_bits).tolist()
        margin = (last - first) // 4 + 1
        first, last = first - margin, last + margin
        if last - first + 2 <= LONGEST:
            break
        low_bits += 1
    # Where one entry ends and the next begins, in half ticks: an odd number, which no knot is at.
    starts = np.arange(first, last + 2, dtype=np.int64) << low_bits
    edges = (2 * starts - 1 << shift) - (1 if shift else 0)
    counts = np.append(np.diff(_cumulative(2 * knots, edges)), 0)
    return Table(first, low_bits, counts + max(1, TOTAL // (SPARE * len(counts))))


def _cumulative(knots: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return TOTAL times the part of the training latents below each edge, linear between the knots."""
    segments = len(knots) - 1
    below = np.clip(np.searchsorted(knots, edges) - 1, 0, segments - 1)
    left, width = knots[below], np.maximum(knots[below + 1] - knots[below], 1)
    within = np.clip(edges - left, 0, width)
    return (TOTAL * below + TOTAL * within // width) // segments


def encode(ticks: Ticks, quantizer: Quantizer, bits: int) -> bytes:
    """Code the ticks (M, P) with symbols of `bits`."""
    coder = constriction.stream.stack.AnsCoder()
    escaped: list[NDArray[np.int64]] = []
    columns = to_symbols(ticks, bits).T
    for column, (table, model) in reversed(list(zip(columns, _models(quantizer, bits), strict=True))):
        high = (column >> table.low_bits) - table.first
        other = len(table.frequencies) - 1
        outside = (high < 0) | (high >= other)
        if table.low_bits:
            low = (column[~outside] & ((1 << table.low_bits) - 1)).astype(np.int32)
            coder.encode_reverse(low, _uniform(table.low_bits))
        coder.encode_reverse(np.where(outside, other, high).astype(np.int32), model)
        escaped.append(column[outside])
    rest = np.concatenate(escaped[::-1]).astype("<i4").tobytes()
    return struct.pack("<I", len(rest) // 4) + rest + coder.get_compressed().astype(WORD).tobytes()


def decode(data: bytes, rows: int, quantizer: Quantizer, bits: int) -> Ticks:
    """Return the symbols (M, P) that `encode` coded, for M = `rows`.

    Raises:
        UserError: If `data` is not such bytes.
    """
    (escapes,) = struct.unpack_from("<I", data) if len(data) >= 4 else (0,)
    start = 4 + 4 * escapes
    if len(data) < start or (len(data) - start) % 4:
        raise UserError(f"expected coded latents, got {len(data)} bytes that are none")
    rest = np.frombuffer(data, "<i4", escapes, 4).astype(np.int64)
    coder = constriction.stream.stack.AnsCoder(np.frombuffer(data, WORD, offset=start).astype(np.uint32))
    symbols = np.empty((rows, len(quantizer.mean)), np.int64)
    used = 0
    for column, (table, model) in enumerate(_models(quantizer, bits)):
        high = coder.decode(model, rows).astype(np.int64)
        outside = high == len(table.frequencies) - 1
        values = high + table.first << table.low_bits
        inside, count = ~outside, int(outside.sum())
        if table.low_bits:
            values[inside] |= coder.decode(_uniform(table.low_bits), int(inside.sum())).astype(np.int64)
        values[outside] = _take(rest, used, count)
        used += count
        symbols[:, column] = values
    if used != escapes or not coder.is_empty():
        raise UserError("expected coded latents, got bytes that do not end where they should")
    return symbols


def _take(rest: NDArray[np.int64], used: int, count: int) -> NDArray[np.int64]:
    taken = rest[used : used + count]
    if len(taken) < count:
        raise UserError("expected coded latents, got bytes that do not end where they should")
    return taken


def _models(quantizer: Quantizer, bits: int) -> Sequence[tuple[Table, Any]]:
    return _cached_models(quantizer.knots.tobytes(), quantizer.knots.shape, bits)


@lru_cache(maxsize=8)
def _cached_models(knots: bytes, shape: tuple[int, int], bits: int) -> Sequence[tuple[Table, Any]]:
    rows = np.frombuffer(knots, np.int64).reshape(shape)
    made = [_table(row, MAX_BITS - bits) for row in rows]
    categorical = constriction.stream.model.Categorical
    # Integers as float64 are exact; `perfect` would search, and differ between versions.
    return [(table, categorical(table.frequencies.astype(np.float64), perfect=False)) for table in made]


def _uniform(bits: int) -> Any:  # noqa: ANN401 - constriction has no types
    return constriction.stream.model.Uniform(1 << bits)
