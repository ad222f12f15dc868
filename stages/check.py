"""Check all of params.yaml before any work -> data/checked, and keep groups/dvc.yaml true to it.

data/checked never changes, so that nothing runs again because params.yaml was checked again.
"""

import argparse
import sys
from pathlib import Path

from hourglass.config.document import Params
from hourglass.config.yaml_file import refuse_conflict
from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from hourglass.console.lock import only_process
from hourglass.files import whole_file
from stages.paths import CHECKED, GROUP_STAGES, LOCKS, PARAMS
from stages.tools.groups import LOCK_FILES, groups, update_group_stages
from stages.tools.rules import absent_sources, problems


def main(is_stage: bool = False) -> int:
    """List every mistake in params.yaml with its line; if there is none, bring groups/dvc.yaml up to date."""
    params = Params.load(PARAMS)
    found, absent = problems(params), absent_sources(params)
    if is_stage:
        # The folder of somebody else's data set stops that data set alone, when DVC comes to prepare it.
        for problem in absent:
            print(f"warning: {params.describe(problem)}", file=sys.stderr)
    else:
        found = sorted(found + absent)
    for problem in found:
        print(f"error: {params.describe(problem)}", file=sys.stderr)
    if found:
        return 1
    if not is_stage:  # DVC has read them then
        for lock in filter(Path.exists, LOCK_FILES):
            text = lock.read_text(encoding="utf-8", errors="replace")
            refuse_conflict(
                lock, text, f"git checkout --merge -- {lock}, or HEAD in place of --merge to take your side"
            )
    with only_process(LOCKS, "check"):
        write(groups(params), is_stage)
    return 0


def write(members: dict[str, dict[str, str]], is_stage: bool) -> None:
    """Bring groups/dvc.yaml up to date, and as a stage write data/checked."""
    changes = update_group_stages(GROUP_STAGES, members)
    if changes and is_stage:
        # DVC read the old file when it started, and would report the old groups.
        raise UserError(f"{GROUP_STAGES} {changes}: run the same command again")
    if changes:
        print(f"{GROUP_STAGES} {changes}")
    if is_stage:
        with whole_file(CHECKED) as partial:
            partial.write_text(f"{PARAMS} is right\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.check", description=main.__doc__)
    parser.add_argument("--stage", action="store_true", help="as the stage of dvc.yaml: write data/checked too")
    arguments = parser.parse_args()
    with guarded():
        sys.exit(main(arguments.stage))
