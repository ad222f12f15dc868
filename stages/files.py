"""Write files and folders whole or not at all."""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"  # git and DVC ignore names that end so


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `target` when the block ends well, and is removed when not."""
    partial = _partial(target)
    partial.mkdir()
    try:
        yield partial
        if target.exists():
            replaced = target.with_name(f".{target.name}.replaced{PARTIAL}")
            os.replace(target, replaced)
            os.replace(partial, target)
            shutil.rmtree(replaced)
        else:
            os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` that takes its place when the block ends well, and is removed when not."""
    partial = _partial(target)
    try:
        yield partial
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _partial(target: Path) -> Path:
    """Make room beside `target`, and clear away what a killed run left there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}{PARTIAL}")
    if partial.is_dir():
        shutil.rmtree(partial)
    partial.unlink(missing_ok=True)
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
