"""Compare the models of the work tree with those of a git revision, image by image: `make gate REV=origin/main`.

    models of the work tree, models of the revision -> what moved -> worse than `gate` in params.yaml allows?

It is no stage of dvc.yaml. Validation images alone are looked at: whether a change is let in is a choice.
"""

import argparse
import sys
from textwrap import fill

import numpy as np
from tabulate import tabulate

from hourglass.config.document import Params
from hourglass.console.command import guarded
from hourglass.metrics.quality import METRICS
from stages.paths import PARAMS
from stages.tools.moved import BYTES, FAILING, OTHER, Row, moved
from stages.tools.revision import note_changes, require_current, resolve, same_inputs, snapshots
from stages.tools.tolerances import Tolerances

HEADINGS = ("model", "metric", "before", "after", "difference [95% interval]", "allowed", "verdict")
COLUMNS = 120  # that a line has at most
WIDTHS = (34, 14, None, None, None, None, None)  # of names, for that
MOST_NAMED = 3  # models in a note


def main(revision: str) -> int:
    """Print what moved since a git revision; return 1 if a model got worse than allowed, or has other images.

    Raises:
        UserError: There is no such revision, or what is here is not of the code and params.yaml beside it.
    """
    params = Params.load(PARAMS)
    tolerances = params.keywords(Tolerances, "gate")
    commit = resolve(revision)
    note_changes()
    if same_inputs(commit):
        print(f"Nothing that scores depend on differs from {revision}.")
        return 0
    rows: list[Row] = []
    without: dict[str, list[str]] = {}  # why there is no interval -> models
    known = params.names("models")
    with snapshots(commit) as (before, after):
        require_current(after, [model for model in before.models if model in known])
        now = {model: hashes for model, hashes in after.models.items() if model in known}
        print_names("new", now.keys() - before.models.keys())
        print_names("gone", before.models.keys() - now.keys())
        for model in sorted(now.keys() & before.models.keys()):
            if now[model] != before.models[model]:
                found, reason = moved(model, before, after, tolerances)
                rows += found
                if reason and found:
                    without.setdefault(reason, []).append(model)
    for reason, models in without.items():
        names = ", ".join(models[:MOST_NAMED]) + (
            f" and {len(models) - MOST_NAMED} more" if models[MOST_NAMED:] else ""
        )
        print(f"note: means of metrics/ alone, without intervals, of {names}: {reason}", file=sys.stderr)
    return judge(rows, revision)


def print_names(what: str, names: set[str]) -> None:
    """Print the models that are at one of both revisions only: neither is worse than the other."""
    if names:
        print(fill(f"{what}: {', '.join(sorted(names))}", COLUMNS, break_on_hyphens=False, subsequent_indent="  "))


def judge(rows: list[Row], revision: str) -> int:
    """Print the table and the verdict; return the exit status."""
    if not rows:
        print(f"No score moved since {revision}.")
        return 0
    cells = [row_cells(row) for row in rows]
    print(tabulate(cells, HEADINGS, "github", disable_numparse=True, maxcolwidths=list(WIDTHS)))
    for verdict, what in FAILING.items():
        if failing := sorted({row.model for row in rows if row.verdict == verdict}):
            print(f"error: {what}: {', '.join(failing)}", file=sys.stderr)
    return int(any(row.verdict in FAILING for row in rows))


def row_cells(row: Row) -> tuple[str, ...]:
    """Return one row of the table."""
    if row.difference is None or row.allowed is None or row.verdict == OTHER:
        return row.model, row.metric, number(row.before, ".0f"), number(row.after, ".0f"), "", "none", row.verdict
    spec = ".2f" if row.metric == BYTES else METRICS[row.metric].format
    signed = f"+{spec}"
    mean, low, high = row.difference
    interval = "" if np.isnan(low) else f" [{low:{signed}}, {high:{signed}}]"
    scores = number(row.before, spec), number(row.after, spec)
    return row.model, row.metric, *scores, f"{mean:{signed}}{interval}", f"{row.allowed:{signed}}", row.verdict


def number(value: float | None, spec: str) -> str:
    """Return a number as text, "-" where there is none."""
    return "-" if value is None else format(value, spec)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.gate", description=__doc__)
    parser.add_argument("revision", help="a commit, such as origin/main")
    arguments = parser.parse_args()
    with guarded():
        sys.exit(main(arguments.revision))
