"""Which stages have to be asked whether they changed, in which order, and in which order the lock files have them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hourglass.console.errors import UserError
from stages.scheduler.lock import forget_killed_workers


@dataclass(frozen=True)
class Plan:
    """What `dvc repro` would go through.

    Attributes:
        order: The stages in the order of `dvc repro`.
        waits_for: The stages that may change, each with those of them that have to be done first.
        new: Those that the lock files do not have yet.
    """

    order: Sequence[str]
    waits_for: Mapping[str, set[str]]
    new: frozenset[str]


@contextmanager
def opened() -> Iterator[Any]:
    """Yield DVC's repository, locked; what it cannot read is one line."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo
    from dvc.stage.exceptions import StageNotFound

    logging.getLogger("dvc").setLevel(logging.ERROR)  # what it warns of, the workers say
    try:
        with Repo() as repo, lock_repo(repo):
            yield repo
    except StageNotFound as error:
        raise UserError(f"expected a stage, a group of stages or a dvc.yaml as target, got: {error}") from None
    except (DvcException, RecursionError) as error:
        advice = ""
        if ".lock" in str(error):
            advice = (
                ": if two sides of a merge are in it, or it is cut off, git checkout HEAD -- <it>, then run this again"
            )
        raise UserError(f"expected a project that DVC can read, got: {error}{advice}") from None


def make_plan(targets: Sequence[str], options: Mapping[str, bool]) -> Plan:
    """Return which stages may have changed, of the targets and what they need; targets are those of `dvc repro`.

    A stage that did not change, and depends on none that may, is left out: to find that in this one process is what
    makes a run that has nothing to do fast.

    Args:
        targets: Names of stages, of groups of stages, files; all stages of dvc.yaml if there are none.
        options: `force`, `pull` and `allow_missing`, as `dvc repro` has them.
    """
    with opened() as repo:
        from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

        forget_killed_workers(Path(repo.tmp_dir))
        graph = get_active_graph(repo.index.graph)
        steps = plan_repro(graph, collect_stages(repo, targets or ["dvc.yaml"]))
        waits_for: dict[str, set[str]] = {}
        for stage in steps:  # what a stage needs comes before it
            upstream = list(graph.successors(stage))
            changing = {other.addressing for other in upstream} & waits_for.keys()
            if options["force"] or changing or stage.changed(options["allow_missing"], upstream):
                waits_for[stage.addressing] = changing
        new = {stage.addressing for stage in steps if not any(item.hash_info for item in (*stage.deps, *stage.outs))}
        return Plan([stage.addressing for stage in steps], waits_for, frozenset(new & waits_for.keys()))


def pull_run_cache() -> None:
    """Fetch from the remote which runs had which outputs, where the remote can tell."""
    with opened() as repo:
        from dvc.stage.cache import RunCacheNotSupported

        try:
            repo.stage_cache.pull(None)
        except RunCacheNotSupported as error:
            logging.getLogger("dvc").error("Failed to pull run cache: %s", " ".join(str(error).split()))


def sort_lock_files(plan: Plan) -> None:
    """Bring the new entries of the lock files into the order in which `dvc repro` would have written them."""
    places: dict[Path, list[str]] = {}
    for addressing in filter(plan.new.__contains__, plan.order):
        file, _, name = addressing.rpartition(":")  # groups/dvc.yaml:quickstart
        places.setdefault(Path(file or "dvc.yaml").with_suffix(".lock"), []).append(name)
    with opened() as repo, repo.scm_context(quiet=True):
        for path, names in places.items():
            if path.exists() and _sort(path, names):
                repo.scm_context.track_file(str(path))


def _sort(lock: Path, names: Sequence[str]) -> bool:
    """Move entries to the end of a lock file, in this order; return whether that changed anything."""
    from dvc.utils.serialize import load_yaml, modify_yaml

    had = list(load_yaml(str(lock)).get("stages", {}))
    moved = [name for name in names if name in had]
    order = [name for name in had if name not in moved] + moved
    if order != had:
        with modify_yaml(str(lock)) as content:
            for name in order:
                content["stages"][name] = content["stages"].pop(name)
    return order != had
