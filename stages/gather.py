"""Gather what a group's report says of its models -> data/groups/<group>.json.

DVC has no stage that depends on the files of a list of models: the stages that run this, one a group with exactly the
files of its models, are generated from params.yaml by `check`.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from hourglass.console.lock import only_process
from hourglass.data.documents import read_json
from hourglass.data.sums import check_sums
from hourglass.data.tables import read_table
from hourglass.files import rounded, write_json
from hourglass.metrics.paired import mean_difference
from hourglass.metrics.results import BASELINE, About, Facts, Means, Meta, Spread, Versus
from stages.paths import EVALUATED, GROUPS, LOCKS, METRICS, PLOTS, PREPARED, remedy


def main(group: str, models: list[str]) -> None:
    """Write the facts, the scores and the names of the pictures of every model."""
    gathered = {name: gather(name) for name in models}
    found = {name: facts for name, (facts, _) in gathered.items()}
    psnr = {name: values for name, (_, values) in gathered.items()}
    sizes = {name: (facts.about.dataset, facts.about.latent_dim) for name, facts in found.items()}
    twins = {sizes[name]: name for name in sorted(found, reverse=True) if found[name].about.family == BASELINE}
    for name, facts in found.items():
        if facts.about.family != BASELINE and sizes[name] in twins:
            found[name] = replace(facts, versus=against(name, twins[sizes[name]], psnr))
    write_json(GROUPS / f"{group}.json", {name: asdict(facts) for name, facts in found.items()})


def gather(name: str) -> tuple[Facts, NDArray[np.float64]]:
    """Read what `evaluate` and `plot` left of one model; return it, and the PSNR of every test image in dB, (N,)."""
    again = remedy(f"evaluate@{name}")
    evaluated = EVALUATED / name
    files = check_sums(evaluated, again)
    about = read_json(evaluated / "about.json", About, again)
    prepared = remedy(f"prepare@{about.dataset}")
    psnr = read_table(evaluated / "scores.csv", ["index", "psnr_db"], again)["psnr_db"].to_numpy(np.float64)
    facts = Facts(
        about=about,
        split=read_json(PREPARED / about.dataset / "meta.json", Meta, prepared).split_note,
        images=len(psnr),
        test=read_json(METRICS / "test" / f"{name}.json", Means, again),
        val=read_json(METRICS / "val" / f"{name}.json", Means, again),
        versus=None,
        seeds=spread(evaluated / "seeds.csv", again) if "seeds.csv" in files else None,
        pictures=pictures(PLOTS / name, remedy(f"plot@{name}")),
    )
    return facts, psnr


def against(name: str, twin: str, psnr: Mapping[str, NDArray[np.float64]]) -> Versus:
    """Compare a model with PCA by the `psnr` of each test image."""
    try:
        mean, low, high = mean_difference(psnr[name], psnr[twin])
    except ValueError as error:
        raise UserError(f"{name} and {twin}: {error}: {remedy(f'evaluate@{name}')}") from None
    return Versus(twin, rounded(mean, 4), rounded(low, 4), rounded(high, 4))


def spread(path: Path, again: str) -> Spread:
    """Return the mean and the sample standard deviation of each score over seeds, and their number."""
    table = read_table(path, ["seed"], again).set_index("seed")
    if len(table) < 2:
        raise UserError(f"{path}: expected the scores of two seeds or more, got those of one: {again}")
    mean, std = (
        {str(metric): rounded(value, 4) for metric, value in statistic.items()}
        for statistic in (table.mean(), table.std())
    )
    return Spread(len(table), mean, std)


def pictures(folder: Path, again: str) -> list[str]:
    """List the names of a model's pictures."""
    found = sorted(path.stem for path in folder.glob("*.png"))
    if not found:
        raise UserError(f"expected pictures in {folder}, found none: {again}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.gather", description=main.__doc__)
    parser.add_argument("group", help="a key of `groups` in params.yaml")
    parser.add_argument("models", nargs="+", help="its models")
    arguments = parser.parse_args()
    with guarded(), only_process(LOCKS, f"gather {arguments.group}"):
        main(arguments.group, arguments.models)
