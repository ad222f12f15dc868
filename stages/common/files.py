"""Write files and folders whole or not at all, and tell what no one meant to be a file."""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

PARTIAL = ".partial"  # git and DVC ignore names that end so
LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")  # what systems leave beside files


def litter(name: str) -> bool:
    """Tell whether a path is such a file, or lies in such a folder."""
    return any(part in LITTER or part.startswith("._") for part in PurePosixPath(name).parts)


def clash(paths: Iterable[Path]) -> tuple[Path, Path] | None:
    """Find two different paths that a disk which does not tell capitals from small letters would mix up."""
    seen: dict[str, Path] = {}
    for path in paths:
        twin = seen.setdefault(str(path).lower(), path)
        if twin != path:
            return twin, path
    return None


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `target` when the block ends well, and is removed when not."""
    partial = _partial(target)
    partial.mkdir()
    try:
        yield partial
        if target.exists():
            replaced = target.with_name(f".{target.name}.replaced{PARTIAL}")
            _remove(replaced)  # of a run that was killed right here
            os.replace(target, replaced)
            os.replace(partial, target)
            shutil.rmtree(replaced)
        else:
            os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a path beside `target`, for a file or a new folder; when the block ends well, it takes its place."""
    partial = _partial(target)
    try:
        yield partial
        os.replace(partial, target)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _partial(target: Path) -> Path:
    """Make room beside `target`, and clear away what a killed run left there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}{PARTIAL}")
    _remove(partial)
    return partial


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write with sorted keys; NaN and infinity, which JSON does not have, are a ValueError."""
    text = json.dumps(values, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one header line and the rows, with Unix line ends everywhere."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read what `write_csv` wrote, one dictionary a row."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rounded(value: float) -> float:
    """Keep six significant digits: what lies beyond differs between machines and says nothing."""
    return float(f"{value:.6g}")
