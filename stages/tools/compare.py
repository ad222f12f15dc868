"""Show what differs between two commits in 120 columns: `make compare A=HEAD~1 B=HEAD`, or without B.

DVC's own table of parameters is as wide as the longest text in them, and its page of plots shows those that did not
change, too: for one model that was trained again, the pictures of all.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from textwrap import shorten
from typing import Any

from ruamel.yaml import YAML
from tabulate import tabulate

from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from stages.paths import HISTORY, PLOTS

LOCK = Path("dvc.lock")
WORKSPACE = "workspace"  # what DVC calls the files as they are
WIDTHS = (46, 34, 34)  # of the columns of parameters; with what is between them 118
MOST = 200  # characters of a value


def main(before: str, after: str) -> int:
    """Print the scores and parameters that changed, and write a page of the plots that did; return the exit status.

    Args:
        before: A commit.
        after: Another one, or "" for the files as they are.

    Raises:
        UserError: There is no such commit.
    """
    from dvc.cli import main as dvc
    from dvc.repo import Repo

    changed = sorted({path for path, _ in plots(before).items() ^ plots(after).items()})
    revisions = [before, after] if after else [before]
    if status := dvc(["metrics", "diff", *revisions]):
        return status
    with Repo() as repo:
        params = repo.params.diff(a_rev=before, b_rev=after or WORKSPACE).get("diff", {})
    print(f"\n{table(params, before, after or WORKSPACE)}\n" if params else "\nNo parameter changed.\n")
    if not changed:
        print("No plot changed.")
        return 0
    print(*changed, "", sep="\n")
    # A target is a regular expression that begins an id: without $, that of digits would be of digits-conv too.
    return dvc(["plots", "diff", *revisions, "--targets", *(f"{path}$" for path in changed)])


def table(params: dict[str, dict[str, dict[str, Any]]], before: str, after: str) -> str:
    """Return a table of the values at both commits; of long ones, `git diff params.yaml` shows all."""
    rows = [
        (name, text(values.get("old")), text(values.get("new")))
        for names in params.values()
        for name, values in sorted(names.items())
    ]
    return tabulate(rows, ("Parameter", before, after), "plain", disable_numparse=True, maxcolwidths=list(WIDTHS))


def text(value: Any) -> str:  # noqa: ANN401  # whatever YAML can say
    """Return a value of params.yaml in one line, "-" where there is none."""
    return "-" if value is None else shorten(str(value), MOST, placeholder=" ...")


def plots(revision: str) -> dict[str, str]:
    """Return the plots of all models and groups, path -> hash, at a commit or, of "", as they are."""
    locked = at(revision) if revision else LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    stages = (YAML(typ="safe", pure=True).load(locked) or {}).get("stages", {})
    return {
        out["path"]: out.get("md5", "")
        for stage in stages.values()
        for out in stage.get("outs", [])
        if any(Path(out["path"]).is_relative_to(folder) for folder in (PLOTS, HISTORY))
    }


def at(revision: str) -> str:
    """Return dvc.lock as it was at a commit."""
    done = subprocess.run(  # noqa: S603  # git gets it as one word that cannot be an option: it ends in the file's name
        ["git", "show", f"{revision}:./{LOCK}"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"expected a commit with {LOCK} in it, got {revision}: {' '.join(done.stderr.split())}")
    return done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.tools.compare", description=__doc__)
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", nargs="?", default="", help="another one; without it, the files as they are")
    arguments = parser.parse_args()
    with guarded():
        sys.exit(main(arguments.before, arguments.after))
