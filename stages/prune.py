"""Remove what is left of models, data sets and groups that params.yaml no longer has: `make prune`.

DVC keeps their entries in dvc.lock and their outputs where they were, in folders that the reports read.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from stages import config
from stages.command import guarded
from stages.paths import EVALUATED, METRICS, MODELS, PLOTS, PREPARED, REPORTS, TIMING

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
    """Find outputs that no entry of params.yaml makes; data/raw, where people put files of their own, is left alone."""
    members = {f"{model.group}/{name}" for name, model in settings.models.items()}
    for root in (METRICS, EVALUATED, PLOTS):
        for path in root.glob("*/*"):
            group_and_name = f"{path.parent.name}/{path.name.partition('.')[0]}"
            if path.parent not in (TIMING, REPORTS, PLOTS / "reports") and group_and_name not in members:
                yield path
    folders: tuple[tuple[Path, Mapping[str, object]], ...] = (
        (TIMING, settings.models),
        (MODELS, settings.models),
        (PREPARED, settings.datasets),
        (REPORTS, settings.groups),
        (PLOTS / "reports", settings.groups),
    )
    for folder, known in folders:
        yield from (path for path in folder.glob("[!.]*") if path.name.partition(".")[0] not in known)


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
