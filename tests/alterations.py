"""What people and tools do to files by hand, for tests of what reads them: each alteration has a name and new content."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

Content = bytes | Callable[[Path], None] | None  # the new bytes, what to do with the path, or None: no such file
Alteration = tuple[str, Content]

MARKERS = "<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> theirs\n"
VALUES: dict[str, object] = {  # each in place of every value of a JSON file
    "null": None,
    "text": "text",
    "empty text": "",
    "minus one": -1,
    "zero": 0,
    "fraction": 0.5,
    "billion": 10**9,
    "10**30": 10**30,
    "1e308": 1e308,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "true": True,
    "list": [],
    "list of text": ["text"],
    "object": {},
}


def alterations(path: Path, every: bool = True) -> Iterator[Alteration]:
    """Yield the alterations of a file: those of any file, and those of its kind; of JSON, every value in every place."""
    content = path.read_bytes()
    yield from _of_any(content)
    if path.suffix == ".json":
        yield from _of_json(content, every)
    elif path.suffix == ".csv":
        yield from _of_csv(content.decode())
    elif path.suffix == ".npy":
        yield from _of_npy(content)
    elif path.suffix == ".safetensors":
        yield from _of_weights(content)


def _of_any(content: bytes) -> Iterator[Alteration]:
    yield "removed", None
    yield "a folder", lambda path: path.mkdir()
    yield "a link to nothing", lambda path: path.symlink_to("nowhere")
    yield "empty", b""
    yield "cut in half", content[: len(content) // 2]
    yield "a byte less", content[:-1]
    yield "bytes more", content + b"\xff\0\xff\0"
    yield "zeros", bytes(len(content))
    yield "other bytes", np.random.default_rng(0).bytes(1000)
    yield "a zip file", _zipped(content)
    yield "HTML", b"<!DOCTYPE html><html><body>404</body></html>\n"
    yield "a pickle", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07pickled\x94."


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("file", content)
    return file.getvalue()


def _of_text(text: str) -> Iterator[Alteration]:
    lines = text.splitlines(keepends=True)
    middle = len(lines) // 2
    conflict = MARKERS.format(ours=lines[middle], theirs=lines[middle])
    yield "conflict markers", "".join([*lines[:middle], conflict, *lines[middle + 1 :]]).encode()
    yield "conflict markers around all", MARKERS.format(ours=text, theirs=text).encode()
    yield "not UTF-8", text.encode() + b"\xff\xfe\n"
    yield "UTF-16", text.encode("utf-16")
    yield "a byte order mark", b"\xef\xbb\xbf" + text.encode()
    yield "Windows' line ends", text.replace("\n", "\r\n").encode()
    yield "NUL", text.encode().replace(b"\n", b"\0\n", 1)


def _of_json(content: bytes, every: bool) -> Iterator[Alteration]:
    yield from _of_text(content.decode())
    values = json.loads(content)
    for name, value in VALUES.items():
        yield f"all of it {name}", json.dumps(value).encode()
    yield "deep", b"[" * 100_000
    yield "deep objects", b'{"a":' * 100_000
    yield "a number of 10,000 digits", b'{"a": ' + b"1" * 10_000 + b"}"
    yield "other order", json.dumps(dict(reversed(values.items()))).encode()
    yield "another key", json.dumps(values | {"another": 1}).encode()
    for number, where in enumerate(_places(values)):
        place = ".".join(map(str, where))
        yield f"{place} removed", json.dumps(_replaced(values, where)).encode()
        chosen = list(VALUES.items())
        for name, value in chosen if every else [chosen[number % len(chosen)], chosen[(number + 5) % len(chosen)]]:
            yield f"{place} {name}", json.dumps(_replaced(values, where, value)).encode()


def _places(values: Any, where: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:  # noqa: ANN401
    """Yield where the values are, of lists the first item."""
    if where:
        yield where
    items = (
        values.items() if isinstance(values, dict) else list(enumerate(values))[:1] if isinstance(values, list) else ()
    )
    for key, value in items:
        yield from _places(value, (*where, key))


def _replaced(values: Any, where: tuple[int | str, ...], *new: object) -> Any:  # noqa: ANN401
    """Return a copy with another value at a place, or without what is there."""
    copy = json.loads(json.dumps(values))
    parent = copy
    for key in where[:-1]:
        parent = parent[key]
    if new:
        parent[where[-1]] = new[0]
    else:
        del parent[where[-1]]
    return copy


def _of_csv(text: str) -> Iterator[Alteration]:
    yield from _of_text(text)
    header, *rows = [line.split(",") for line in text.splitlines()]

    def table(header: list[str], rows: list[list[str]]) -> bytes:
        return "".join(f"{','.join(row)}\n" for row in (header, *rows)).encode()

    yield "no header", table(rows[0], rows[1:])
    yield "no rows", table(header, [])
    yield "a row less", table(header, rows[:-1])
    yield "the first row less", table(header, rows[1:])
    yield "a row twice", table(header, [*rows, rows[-1]])
    yield "other order of rows", table(header, rows[::-1])
    yield "other order of columns", table(header[::-1], [row[::-1] for row in rows])
    yield "another column", table([*header, "another"], [[*row, "1"] for row in rows])
    yield "a column of text", table([*header, "another"], [[*row, "text"] for row in rows])
    yield "a column twice", table([*header, header[-1]], [[*row, row[-1]] for row in rows])
    yield "a short row", table(header, [rows[0][:-1], *rows[1:]])
    yield "a long row", table(header, [*rows[:-1], [*rows[-1], "1"]])
    yield "an open quote", text.encode() + b'"'
    yield "semicolons", text.replace(",", ";").encode()
    for column, name in enumerate(header):
        without = [[*row[:column], *row[column + 1 :]] for row in rows]
        yield f"no {name}", table([*header[:column], *header[column + 1 :]], without)
        for value in ("text", "", "nan", "inf", "-1", "1e999", "1" * 400, "1" * 30, "0.5", "10", "0"):
            first = [[*rows[0][:column], value, *rows[0][column + 1 :]], *rows[1:]]
            yield f"{name} {value[:40] or 'nothing'}", table(header, first)
        yield f"{name} all text", table(header, [[*row[:column], "text", *row[column + 1 :]] for row in rows])


def _of_npy(content: bytes) -> Iterator[Alteration]:
    array = np.load(io.BytesIO(content))
    others: dict[str, NDArray[Any]] = {
        "an item less": array[:-1],
        "an item more": np.concatenate([array, array[-1:]]),
        "no items": array[:0],
        "items reversed": array[::-1],
        "an item of zeros": np.concatenate([array[:-1], np.zeros_like(array[-1:])]),
        "flat": array.reshape(-1),
        "another dimension": array[None],
        "a number": array.reshape(-1)[0],
        "the last value less": array[..., :-1],
        "no values": array[..., :0],
        "the last dimension twice": np.concatenate([array, array], axis=-1),
        "Fortran's order": np.asfortranarray(array),
        "text": array.astype(str),
        "records": np.zeros(array.shape, [("a", "u1")]),
    }
    others |= {dtype: array.astype(dtype) for dtype in ("u1", "<u2", "<i8", "<f2", "<f4", "<f8", ">f4", "<c8", "?")}
    if array.ndim > 2:
        others["the last dimensions swapped"] = array.swapaxes(-1, -2)
    if array.dtype.kind == "f":
        others["NaN"] = np.where(np.arange(array.size).reshape(array.shape), array, np.nan).astype(array.dtype)
        others["infinity"] = np.where(np.arange(array.size).reshape(array.shape), array, np.inf).astype(array.dtype)
        others["largest"] = np.full_like(array, np.finfo(array.dtype).max)
    for name, other in others.items():
        file = io.BytesIO()
        np.save(file, other)
        yield name, file.getvalue()
    file = io.BytesIO()
    np.save(file, array.astype(object), allow_pickle=True)
    yield "objects", file.getvalue()
    file = io.BytesIO()
    np.savez(file, array=array)
    yield "npz", file.getvalue()
    for shape in (
        "(1000000000000000000000000000000,)",
        "(-1,)",
        "(1099511627776,)",
        "(0, 4294967296, 4294967296)",
        "(((",
        "x",
    ):
        header = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        yield f"a shape of {shape}", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content[128:]


def _of_weights(content: bytes) -> Iterator[Alteration]:
    tensors = dict(sorted(safetensors.numpy.load(content).items()))
    first = next(name for name, tensor in tensors.items() if tensor.size > 1)
    weights = tensors[first]
    spoilt = weights.copy()
    spoilt.reshape(-1)[0] = np.nan
    endless = weights.copy()
    endless.reshape(-1)[-1] = np.inf
    others: dict[str, dict[str, NDArray[Any]]] = {
        "no tensors": {},
        "a tensor less": {name: tensor for name, tensor in tensors.items() if name != first},
        "a tensor more": tensors | {"another": weights},
        "another name": {f"x{name}": tensor for name, tensor in tensors.items()},
        "NaN": tensors | {first: spoilt},
        "infinity": tensors | {first: endless},
        "largest": tensors | {first: np.full_like(weights, np.finfo(np.float32).max)},
        "zeros instead": tensors | {first: np.zeros_like(weights)},
        "flat": tensors | {first: weights.reshape(-1)},
        "transposed": tensors | {first: np.ascontiguousarray(weights.T)},
        "a row less": tensors | {first: np.ascontiguousarray(weights[:-1])},
    }
    others |= {
        dtype: tensors | {first: np.nan_to_num(weights).astype(dtype)} for dtype in ("f2", "f8", "i4", "u1", "?")
    }
    for name, other in others.items():
        yield name, safetensors.numpy.save(other)
    size = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + size], content[8 + size :]
    yield "a header longer than the file", (10**12).to_bytes(8, "little") + content[8:]
    for old, new in (
        (b'"F32"', b'"BF16"'),
        (b'"shape":[', b'"shape":[9999999999,'),
        (b'"data_offsets":[', b'"data_offsets":[9'),
    ):
        changed = header.replace(old, new)
        yield f"a header with {new.decode()}", len(changed).to_bytes(8, "little") + changed + data
