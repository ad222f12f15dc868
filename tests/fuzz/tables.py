"""Arrays, tables and files of many images, each through its reader to decoded images."""

import gzip
import io
import struct
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray

from hourglass.data.image import Preparation
from hourglass.data.preparation.formats import reader
from hourglass.data.preparation.raw import EncodedImage
from hourglass.data.preparation.raw import Target as Wanted
from tests.fuzz.harness import Target
from tests.fuzz.images import encoded

SIZE = (6, 5)
PIXELS = np.random.default_rng(0).integers(0, 256, (12, *SIZE), np.uint8)


def read(name: str, path: Path, **options: object) -> NDArray[np.uint8]:
    """Read all images of a file."""
    raw = reader(name)(path, Wanted(SIZE, "gray"), **options)
    return np.stack([decoded(raw.images[index]) for index in range(len(raw.images))])


def decoded(image: NDArray[np.uint8] | EncodedImage) -> NDArray[np.uint8]:
    """Return the pixels of an image, decoded if it is a file."""
    if isinstance(image, EncodedImage):
        return Preparation("gray", None)(image.read(), image.name).pixels
    return np.array(image)


def npy() -> bytes:
    """Return a .npy."""
    file = io.BytesIO()
    np.save(file, PIXELS)
    return file.getvalue()


def npz() -> bytes:
    """Return a compressed .npz of one array."""
    file = io.BytesIO()
    np.savez_compressed(file, images=PIXELS)
    return file.getvalue()


def idx() -> bytes:
    """Return a file as MNIST is written."""
    return bytes([0, 0, 8, 3]) + struct.pack(">3I", *PIXELS.shape) + PIXELS.tobytes()


def mat() -> bytes:
    """Return a compressed MATLAB file of an image a column."""
    file = io.BytesIO()
    scipy.io.savemat(file, {"faces": PIXELS.reshape(len(PIXELS), -1).T}, do_compression=True)
    return file.getvalue()


def csv() -> bytes:
    """Return a table of a label and pixels a row."""
    rows = (",".join(map(str, (index % 3, *pixels.flat))) for index, pixels in enumerate(PIXELS))
    return ("label," + ",".join(f"p{place}" for place in range(30)) + "\n" + "\n".join(rows) + "\n").encode()


def parquet() -> bytes:
    """Return a table with a PNG and a label a row."""
    import pyarrow
    import pyarrow.parquet

    photos = [{"bytes": encoded("PNG"), "path": f"{index}.png"} for index in range(6)]
    file = io.BytesIO()
    table = pyarrow.table({"image": photos, "label": list(range(6))})
    pyarrow.parquet.write_table(table, file, row_group_size=3, write_page_checksum=True)
    return file.getvalue()


def webdataset() -> bytes:
    """Return a shard of PNG files and their classes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as shard:
        for index in range(3):
            for suffix, content in (("png", encoded("PNG")), ("cls", str(index).encode())):
                member = tarfile.TarInfo(f"{index}.{suffix}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    return file.getvalue()


def packed(good: Callable[[], bytes]) -> bytes:
    """Return a good file as a .gz."""
    return gzip.compress(good())


TARGETS = (
    Target("npy", npy, partial(read, "npy"), "images.npy"),
    Target("npz", npz, partial(read, "npy"), "images.npz", same=np.array_equal),
    Target("idx", idx, partial(read, "idx"), "images-idx3-ubyte"),
    Target("idx.gz", partial(packed, idx), partial(read, "idx"), "images-idx3-ubyte.gz", same=np.array_equal),
    Target(  # each case starts Python and SciPy
        "mat", mat, partial(read, "matlab", variable="faces"), "images.mat", same=np.array_equal, share=8
    ),
    Target("csv", csv, partial(read, "csv"), "images.csv"),
    Target("csv.gz", partial(packed, csv), partial(read, "csv"), "images.csv.gz", same=np.array_equal),
    Target("parquet", parquet, partial(read, "parquet"), "images.parquet"),
    Target("webdataset", webdataset, partial(read, "webdataset"), "images.tar"),
)
