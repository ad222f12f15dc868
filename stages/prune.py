"""Remove what is left of models, data sets and groups that params.yaml no longer has: `make prune`.

DVC keeps their entries in dvc.lock and their outputs where they were, in folders that the reports read.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from stages.common import config
from stages.common.command import guarded
from stages.common.paths import CHECKPOINTS, EVALUATED, METRICS, MODELS, PLOTS, PREPARED, REPORTS, TIMING, VALIDATION

LOCK = Path("dvc.lock")


def main() -> None:
    """Remove leftovers, and say which; what DVC has in its cache, and git in its history, stays there."""
    settings = config.load()
    for path in sorted(leftovers(settings)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        print(f"removed {path}")
    for stage in prune_lock(stages_of(settings)):
        print(f"removed {stage} from {LOCK}")


def stages_of(settings: config.Config) -> set[str]:
    """Name every stage that params.yaml asks for."""
    return {
        *(f"download@{name}" for name in settings.downloads),
        *(f"prepare@{name}" for name in settings.datasets),
        *(f"{stage}@{name}" for stage in ("train", "evaluate", "plot") for name in settings.models),
        *(f"report@{name}" for name in settings.groups),
    }


def leftovers(settings: config.Config) -> Iterator[Path]:
    """Find outputs that no entry of params.yaml makes.

    What people may have put beside them is left alone: files of other kinds, and all of data/raw.
    """
    members = {f"{model.group}/{name}" for name, model in settings.models.items()}
    for root, pattern in ((METRICS, "*.json"), (METRICS, "*.history.csv"), (EVALUATED, "*/"), (PLOTS, "*/")):
        for path in root.glob(f"[!.]*/{pattern}"):
            group_and_name = f"{path.parent.name}/{path.name.partition('.')[0]}"
            if path.parent not in (TIMING, VALIDATION, REPORTS) and group_and_name not in members:
                yield path
    kinds: tuple[tuple[Path, str, Mapping[str, object]], ...] = (
        (TIMING, "*.json", settings.models),
        (VALIDATION, "*.json", settings.models),
        (MODELS, "[!.]*/", settings.models),
        (CHECKPOINTS, "[!.]*/", settings.models),
        (PREPARED, "[!.]*/", settings.datasets),
        (REPORTS, "*.md", settings.groups),
        (PLOTS / "reports", "*.png", settings.groups),
    )
    for folder, pattern, known in kinds:
        yield from (path for path in folder.glob(pattern) if path.stem not in known)


def prune_lock(known: set[str]) -> list[str]:
    """Remove unknown stages from dvc.lock, and name them."""
    from dvc.utils.serialize import modify_yaml

    if not LOCK.exists():
        return []
    with modify_yaml(str(LOCK)) as lock:
        unknown = sorted(lock["stages"].keys() - known)
        for stage in unknown:
            del lock["stages"][stage]
    return unknown


if __name__ == "__main__":
    with guarded():
        main()
