"""Find what git holds that is not of the code and params.yaml beside it: `make check-lock`.

    code, params.yaml -> dvc.lock, groups/dvc.lock, metrics/

Data may be absent: it is in DVC's cache. One line for each finding, and exit status 1 if there is any.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from stages.paths import GROUP_STAGES, METRICS

CHECK = "check"  # the stage that no result depends on: a comment in params.yaml would be enough to find it stale
ABSENT = ("deleted", "not in cache")
TAKE = (
    "merge it again, git checkout --merge -- <file>, or take one side of it whole, git checkout HEAD -- <file>; "
    "then make check && dvc repro"
)
# Where files are not in git: what DVC has in its cache, and folders elsewhere.
UNTRACKED = ("data/", "plots/", "reports/", "/")


def main() -> int:
    """Print all findings; return the exit status.

    Raises:
        UserError: A file that DVC has to read is damaged, or two sides of a merge are in it.
    """
    from dvc.exceptions import DvcException

    try:
        findings = sorted(find())
    except (DvcException, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"expected lock files, dvc.yaml and params.yaml for DVC to read, got: {reason}: {TAKE}"
        ) from None
    for finding in findings:
        print(finding)
    if findings:
        print("run `dvc repro`, then commit dvc.lock, groups and metrics; for models that are gone, `make prune` first")
    return bool(findings)


def find() -> Iterator[str]:
    """Yield what does not belong together."""
    from dvc.repo import Repo

    with Repo() as repo:
        yield from orphans(repo)
        yield from mixed(repo)
        names = {stage.addressing for stage in pipeline_stages(repo)}
        for stage, changes in repo.status().items():
            if stage in names and stage != CHECK:
                yield from (f"{stage}: {what}" for what in stale(changes))


def pipeline_stages(repo: Any) -> list[Any]:  # noqa: ANN401  # DVC is not typed
    """Return the stages of all dvc.yaml, and not those without a name that `dvc add` makes."""
    from dvc.stage import PipelineStage

    return [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]


def orphans(repo: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield stages of lock files, and files in metrics/, that no stage makes."""
    from dvc.utils.serialize import load_yaml

    root = Path(repo.root_dir)
    stages: dict[Path, set[str]] = {root / GROUP_STAGES.with_suffix(".lock"): set()}  # without a stage, if it is lost
    for stage in pipeline_stages(repo):
        stages.setdefault(Path(stage.path).with_suffix(".lock"), set()).add(stage.name)
    for lock, names in stages.items():
        locked = load_yaml(lock).get("stages", {}).keys() if lock.exists() else set()
        yield from (f"{lock.relative_to(root)}: has {name}, which is no stage" for name in locked - names)
        yield from (f"{lock.relative_to(root)}: lacks {name}" for name in names - locked)
    outputs = {Path(out.fs_path).relative_to(root) for out in repo.index.outs}
    for path in (root / METRICS).rglob("*"):
        if path.is_file() and path.relative_to(root) not in outputs:
            yield f"{path.relative_to(root)}: no stage makes it"


def mixed(repo: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield what a stage read that is not what another one made, by their hashes in the lock files.

    A merge by lines leaves that behind. DVC's status compares either with the data only, which may be absent.
    """
    made = {out.fs_path: out.hash_info for stage in repo.index.stages for out in stage.outs if out.hash_info}
    for stage in pipeline_stages(repo):
        for dep in stage.deps:
            if dep.hash_info and dep.hash_info != made.get(dep.fs_path, dep.hash_info) and not dep.exists:
                yield f"{stage.addressing}: read another {Path(dep.fs_path).relative_to(repo.root_dir)} than was made"


def stale(changes: list[Any]) -> Iterator[str]:
    """Yield what has changed since a stage ran, but for data that is absent."""
    for change in changes:
        if not isinstance(change, Mapping):
            yield str(change)
            continue
        for kind, paths in change.items():  # changed deps, changed outs
            for path, state in paths.items():
                if not (state in ABSENT and str(path).startswith(UNTRACKED)):
                    yield f"{kind}: {path} ({state if isinstance(state, str) else ', '.join(state)})"


if __name__ == "__main__":
    with guarded():
        sys.exit(main())
