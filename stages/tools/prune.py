"""Remove what is left of models, data sets and groups that params.yaml no longer has: `make prune`.

Their stages stay in the lock files, and their outputs where they were, until somebody removes them. What DVC has in its
cache, and git in its history, stays.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hourglass.config.document import Params
from hourglass.console.command import guarded
from stages.paths import CHECKPOINTS, DECODED, LOCKS, PARAMS, TIMING
from stages.tools.groups import LOCK_FILES

OUTPUTS = (Path("data"), Path("metrics"), Path("plots"))  # nothing outside of these folders is removed


def main() -> int:
    """Remove leftovers, and say which; return the exit status."""
    # A model whose entry is spoilt must not pass for one that is gone; groups/dvc.yaml has to be of today's groups.
    if checked := subprocess.run([sys.executable, "-m", "stages.check"], check=False).returncode:
        return checked
    known, outputs = pipeline()
    for lock in filter(Path.exists, LOCK_FILES):
        for stage, removed in prune_lock(lock, known).items():
            print(f"removed {stage} from {lock}")
            for path in map(Path, removed):
                if path not in outputs:
                    remove(path)
    params = Params.load(PARAMS)
    for path in leftovers(params.names("models"), params.names("datasets")):
        remove(path)
    entries = {name for section in ("downloads", "datasets", "models", "groups") for name in params.names(section)}
    for path in sorted(LOCKS.glob("*")):
        _, _, name = path.name.partition("-")
        if name and name not in entries:
            remove(path)
    return 0


def pipeline() -> tuple[set[str], set[Path]]:
    """Return the names of all stages, as the lock files have them, and the paths of all outputs."""
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    with Repo() as repo:
        stages = {stage.name for stage in repo.index.stages if isinstance(stage, PipelineStage)}
        return stages, {Path(out.fs_path).relative_to(repo.root_dir) for out in repo.index.outs}


def prune_lock(lock: Path, known: set[str]) -> dict[str, list[str]]:
    """Remove the stages that are not known from a lock file; return the outputs that each had."""
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(str(lock)) as content:
        removed: dict[str, Mapping[str, Any]] = {
            name: content["stages"].pop(name) for name in sorted(content["stages"].keys() - known)
        }
    return {name: [out["path"] for out in entry.get("outs", [])] for name, entry in removed.items()}


def leftovers(models: list[str], datasets: list[str]) -> Iterator[Path]:
    """Yield what other models and data sets left that is no output of a stage."""
    yield from (path for path in sorted(TIMING.glob("*.json")) if path.stem not in models)
    yield from (path for path in sorted(CHECKPOINTS.glob("*/")) if path.name not in models)
    yield from (path for path in sorted(DECODED.glob("*/")) if path.name not in datasets)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if not any(path.is_relative_to(folder) and path != folder for folder in OUTPUTS) or ".." in path.parts:
        return
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
    else:
        return
    print(f"removed {path}")


if __name__ == "__main__":
    with guarded():
        sys.exit(main())
