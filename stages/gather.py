"""Gather what a group's report says of its models -> data/groups/<group>.json.

DVC has no stage that depends on the files of a list of models: the stages that run this, one a group with exactly the
files of its models, are generated from params.yaml by `check`.
"""

import argparse
from pathlib import Path
from typing import Any

from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from hourglass.data.documents import read_json
from hourglass.files import rounded, write_json
from stages.paths import EVALUATED, GROUPS, METRICS, PLOTS, PREPARED


def main(group: str, models: list[str]) -> None:
    """Write the facts, the scores and the names of the pictures of every model."""
    write_json(GROUPS / f"{group}.json", {name: gather(name) for name in models})


def gather(name: str) -> dict[str, Any]:
    """Read what `evaluate` and `plot` left of one model."""
    again = f"dvc repro evaluate@{name}"
    about = read_json(EVALUATED / name / "about.json", again)
    dataset = about["dataset"]
    return {
        "about": about,
        "split": read_json(PREPARED / dataset / "meta.json", f"dvc repro prepare@{dataset}")["split_note"],
        "test": read_json(METRICS / "test" / f"{name}.json", again),
        "seeds": spread(EVALUATED / name / "seeds.csv", again),
        "pictures": pictures(PLOTS / name, f"dvc repro plot@{name}"),
    }


def spread(path: Path, remedy: str) -> dict[str, Any]:
    """Return the mean and the sample standard deviation of each score over seeds, and their number; {} for one seed."""
    if not path.exists():
        return {}
    from hourglass.data.tables import read_table  # pandas is half a second, for the few models with several seeds

    table = read_table(path, ["seed"], remedy).set_index("seed")
    statistics = {"mean": table.mean(), "std": table.std()}
    return {"count": len(table)} | {
        name: values.map(lambda value: rounded(value, 4)).to_dict() for name, values in statistics.items()
    }


def pictures(folder: Path, remedy: str) -> list[str]:
    """List the names of a model's pictures."""
    found = sorted(path.stem for path in folder.glob("*.png"))
    if not found:
        raise UserError(f"expected pictures in {folder}, found none: {remedy}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.gather", description=main.__doc__)
    parser.add_argument("group", help="a key of `groups` in params.yaml")
    parser.add_argument("models", nargs="+", help="its models")
    arguments = parser.parse_args()
    with guarded():
        main(arguments.group, arguments.models)
