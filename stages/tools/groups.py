"""The stages that gather the models of each group, and what DVC plots of them all -> groups/dvc.yaml.

DVC can template neither lists nor loops in loops, and a folder that other stages fill passes for present when it is
half filled: so there is one stage a group, with exactly the files of its models, generated here.
"""

from dataclasses import dataclass
from pathlib import Path

from hourglass.config.document import Params
from hourglass.files import whole_file
from stages.paths import CODECS, EVALUATED, GROUP_STAGES, GROUPS, HISTORY, METRICS, PLOTS, PREPARED

HEADER = """\
# Generated from the `group` of every model in params.yaml by `python -m stages.check`: edit there, not here.
#
# One stage a group, with exactly the files of its models, which DVC can template neither as a list nor in nested loops,
# and charts of all of them for `dvc plots`.

stages:
"""
LOCK_FILES = (Path("dvc.lock"), GROUP_STAGES.with_suffix(".lock"))  # of all dvc.yaml


@dataclass(frozen=True)
class Chart:
    """What `dvc plots` draws of all models of a group.

    Attributes:
        name: Of the chart.
        file: Of one model, with {model} in it.
        x: The column of that file on the horizontal axis.
        y: The one on the vertical axis.
        x_label: Of the axis.
        template: .dvc/plots/<template>.json.
    """

    name: str
    file: str
    x: str
    y: str
    x_label: str
    template: str


LOSSES = Chart("validation loss", f"{HISTORY}/{{model}}.csv", "epoch", "val_loss", "epoch", "models")
RATES = Chart(
    "PSNR in dB against bytes", f"{EVALUATED}/{{model}}/curve.csv", "bytes", "psnr_db", "bytes an image", "rates"
)
CHARTS = (LOSSES, RATES)
CODE = (
    "hourglass/arrays/spread.py",
    "hourglass/data/documents.py",
    "hourglass/data/prepared.py",
    "hourglass/data/sums.py",
    "hourglass/data/tables.py",
    "hourglass/files.py",
    "hourglass/groups",
    "hourglass/metrics/bd_rate.py",
    "hourglass/metrics/interval.py",
    "hourglass/metrics/paired.py",
    "hourglass/metrics/results.py",
    "stages/gather.py",
    "stages/paths.py",
)


def groups(params: Params) -> dict[str, dict[str, str]]:
    """Return the models of every group, each with its data set, in the order of their names."""
    members: dict[str, dict[str, str]] = {name: {} for name in sorted(params.names("groups"))}
    for model in sorted(params.names("models")):
        members[params.value("models", model, "group")][model] = params.value("models", model, "dataset")
    return members


def update_group_stages(file: Path, members: dict[str, dict[str, str]]) -> str:
    """Write the stages of all groups; return what changed, or nothing."""
    text = HEADER + "\n".join(stage(group, models) for group, models in members.items())
    plots = "".join(plot(chart, group, list(models)) for group, models in members.items() for chart in CHARTS if models)
    text += f"\nplots:\n{plots}" if plots else ""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if text == before:
        return ""
    with whole_file(file) as partial:
        partial.write_text(text, encoding="utf-8")
    return describe(before, members)


def stage(group: str, models: dict[str, str]) -> str:
    """Return the stage that gathers one group, in YAML."""
    files = {
        path
        for model, dataset in models.items()
        for path in (
            CODECS / dataset,
            EVALUATED / model,
            HISTORY / f"{model}.csv",
            METRICS / "test" / f"{model}.json",
            PLOTS / model,
            PREPARED / dataset / "meta.json",
            PREPARED / dataset / "preview.png",
            PREPARED / dataset / "test",
        )
    }
    lines = [
        f'  "{group}":',  # in quotes: 2024 and null are names too
        f"    desc: Gather what the report of {group} says of its models",
        "    wdir: ..",
        f"    cmd: python -m stages.gather {group} {' '.join(models)}",
        "    deps:",
        *(f"      - {path}" for path in sorted([*CODE, *(path.as_posix() for path in files)])),
        "    params:",
        *(f"      - models.{model}.training" for model in models),
        "    outs:",
        f"      - {(GROUPS / group).as_posix()}",
    ]
    return "\n".join(lines) + "\n"


def plot(chart: Chart, group: str, models: list[str]) -> str:
    """Return one chart of the models of one group, in YAML."""
    name = f'"{group}: {chart.name}"'
    lines = [
        f"  - {name}:",
        f"      template: {chart.template}",
        f"      title: {name}",
        f"      x: {chart.x}",
        "      y:",
        # From the folder of groups/dvc.yaml.
        *(f"        ../{chart.file.format(model=model)}: {chart.y}" for model in models),
        f"      x_label: {chart.x_label}",
    ]
    return "\n".join(lines) + "\n"


def describe(before: str, members: dict[str, dict[str, str]]) -> str:
    """Say which models came to a group or left one since the file said `before`."""
    commands = [line.partition("stages.gather ")[2].split() for line in before.splitlines() if "stages.gather " in line]
    earlier = {(group, model) for group, *models in commands for model in models}
    now = {(group, model) for group, models in members.items() for model in models}
    came = [f"now has {model} in {group}" for group, model in sorted(now - earlier)]
    left = [f"no longer has {model} in {group}" for group, model in sorted(earlier - now)]
    changes = (came if before else []) + left
    return (
        ", ".join(changes[:3]) + (f" and {len(changes) - 3} more changes" if changes[3:] else "") or "was written anew"
    )
