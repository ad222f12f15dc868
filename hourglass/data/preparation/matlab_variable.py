"""Read one variable of a MATLAB file and write it as a .npy: python matlab_variable.py SOURCE VARIABLE TARGET.

A program of its own, that imports nothing of ours: SciPy reads beyond its memory in some damaged files, and what ends
then, or takes too much memory, is this process alone. A status other than 0 has a message in the last line of stderr.
"""

import contextlib
import os
import struct
import sys
import zlib

import numpy as np
import scipy.io

MAX_BYTES = 3 << 30  # of memory: a variable has 2 GiB at most, and is read from a stream that is unpacked in pieces

COMPRESSED = 15  # the kind of an element that is a zlib stream
PIECE = 1 << 20  # bytes


def main(source: str, variable: str, target: str) -> None:
    """Write the variable; exit with a message if there is none, or the file is damaged."""
    _limit_memory()
    try:
        _check_sums(source)
        contents = scipy.io.loadmat(source, variable_names=[variable])
        names = [] if variable in contents else [name for name, _, _ in scipy.io.whosmat(source)]
    except MemoryError:
        sys.exit(f"expected a variable that fits into {MAX_BYTES >> 30} GiB of memory, got more")
    except NotImplementedError:
        sys.exit("expected a MATLAB file up to version 7, got version 7.3: save it with -v7")
    except Exception as error:  # whatever SciPy stumbles over in a damaged file: it raises a dozen kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        sys.exit(f"expected a MATLAB file up to version 7, got: {reason}")
    if variable not in contents:
        sys.exit(f"expected the variable '{variable}', got: {', '.join(names) or 'none'}")
    array = np.asarray(contents[variable])
    if array.dtype.hasobject:
        sys.exit(f"expected numbers as '{variable}', got a structure, cells or a sparse matrix")
    np.save(target, array, allow_pickle=False)


def _check_sums(source: str) -> None:
    """Compare the checksums of what is compressed in a file, which SciPy does not read; raise zlib.error if wrong."""
    with open(source, "rb") as file:
        start = file.read(128)
        endian = {b"IM": "<", b"MI": ">"}.get(start[126:])
        while endian and len(tag := file.read(8)) == 8:
            kind, length = struct.unpack(f"{endian}2I", tag)
            if kind != COMPRESSED:
                file.seek(length, os.SEEK_CUR)
                continue
            part = zlib.decompressobj()
            while length and (piece := file.read(min(PIECE, length))):
                length -= len(piece)
                while piece:
                    part.decompress(piece, PIECE)
                    piece = part.unconsumed_tail
            if not part.eof:
                raise zlib.error("its compressed part has no end")


def _limit_memory() -> None:
    """Limit what this process may have from now on; where the system has no such limit, SciPy's own checks remain."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = _memory() + MAX_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _memory() -> int:
    """Return the bytes of addresses that this process has; libraries reserve more than they use."""
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main(*sys.argv[1:])
