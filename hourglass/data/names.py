"""Names of upstream files: those that nobody meant to be there, and those that could be mixed up."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")  # what operating systems leave beside files


def is_litter(name: str) -> bool:
    """Return whether a path is a file that an operating system left, or lies in a folder of such files."""
    return any(part in LITTER or part.startswith("._") for part in PurePosixPath(name).parts)


def find_clash(paths: Iterable[Path]) -> tuple[Path, Path] | None:
    """Return two different paths that are the same on a disk that ignores case, or None."""
    seen: dict[str, Path] = {}
    for path in paths:
        twin = seen.setdefault(str(path).lower(), path)
        if twin != path:
            return twin, path
    return None
