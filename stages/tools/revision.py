"""A git revision beside the work tree: whether there is one, and whether what is here belongs together."""

import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hourglass.console.errors import UserError
from stages.tools.check_lock import stale
from stages.tools.snapshot import Snapshot

INPUTS = ("dvc.lock", "dvc.yaml", "groups", "hourglass", "metrics", "params.yaml", "stages")  # of results, and results
MAKES = ("prepare", "train", "evaluate")  # the stages that make scores


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in this checkout."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607


def resolve(revision: str) -> str:
    """Return the hash of a commit; raise UserError if there is none of this name."""
    found = git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found.returncode:
        shallow = git("rev-parse", "--is-shallow-repository").stdout.strip() == "true"
        fetch = "git fetch --unshallow" if shallow else "git fetch"
        where = "this shallow clone" if shallow else "this repository"
        raise UserError(f"expected a commit of {where}, got '{revision}': {fetch}, or name another one")
    return found.stdout.strip()


def changed_files() -> list[str]:
    """List the files that differ from the last commit, those that git does not know too."""
    return git("status", "--porcelain").stdout.splitlines()


def same_inputs(commit: str) -> bool:
    """Return whether nothing that scores depend on, and no score, differs from a commit."""
    return not changed_files() and git("diff", "--quiet", commit, "--", *INPUTS).returncode == 0


@contextmanager
def snapshots(commit: str) -> Iterator[tuple[Snapshot, Snapshot]]:
    """Yield the models of a commit, and those of the work tree."""
    from dvc.api import DVCFileSystem
    from dvc.repo import Repo

    with Repo() as repo, TemporaryDirectory() as folder:
        # The remote of today: that of the commit may have moved, or there was none.
        name = repo.config["core"].get("remote")
        config = {"core": {"remote": name}, "remote": {name: repo.config["remote"][name]}} if name else {}
        before = Snapshot(commit, DVCFileSystem(".", rev=commit, config=config), Path(folder) / "before")
        if not before.models:
            raise UserError(f"expected a commit with models in its dvc.lock, got {commit[:9]}, which has none")
        yield before, Snapshot("", DVCFileSystem(repo), Path(folder) / "after")


def require_current(snapshot: Snapshot, models: Collection[str]) -> None:
    """Raise UserError unless the scores of models in the work tree are those of its code and params.yaml.

    Args:
        snapshot: The work tree.
        models: Names of those that have to have scores too.
    """
    findings = [f"evaluate@{model}: no scores" for model in models if model not in snapshot.models]
    for name, changes in {} if findings else snapshot.files.repo.status().items():
        stage, _, model = name.partition("@")
        if stage == "prepare" or (stage in MAKES and model in snapshot.models):
            findings += [f"{name}: {what}" for what in stale(changes)]
    if findings:
        more = f", and {len(findings) - 1} more, see make check-lock" if findings[1:] else ""
        raise UserError(f"expected scores of this code and params.yaml, got {findings[0]}{more}: dvc repro first")


def note_changes() -> None:
    """Say in one line if the work tree has what no commit has."""
    if changes := changed_files():
        files = f"{len(changes)} file{'s' if changes[1:] else ''}"
        print(f"note: {files} not as in the last commit: this is about the work tree as it is", file=sys.stderr)
