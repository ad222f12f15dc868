"""What moved in a model between two revisions, by its validation images, and whether it is worse than allowed.

Validation, because whether a change is let in is a choice, and test images are for the final score alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hourglass.metrics.paired import mean_difference
from stages.paths import PREPARED
from stages.tools.snapshot import AbsentError, Snapshot

Verdict = Literal["worse", "uncertain", "allowed", "better", "other images"]
OTHER: Verdict = "other images"
FAILING: Mapping[Verdict, str] = {
    "worse": "worse than params.yaml's `gate` allows",
    OTHER: "scored on other images than at that revision",
}
SCORES = ("psnr_db", "ssim")  # higher is better
BYTES = "bytes"


@dataclass(frozen=True)
class Row:
    """One metric of one model.

    Attributes:
        model: Its name.
        metric: The metric, or the split whose images are others.
        before: At the revision.
        after: Now.
        difference: `after` - `before`: mean and 95% interval, both ends NaN where only means are known.
        allowed: Difference beyond which it is worse.
        verdict: What that makes of it.
    """

    model: str
    metric: str
    before: float | None
    after: float | None
    difference: tuple[float, float, float] | None
    allowed: float | None
    verdict: Verdict


def moved(model: str, before: Snapshot, after: Snapshot, tolerances: Mapping[str, float]) -> tuple[list[Row], str]:
    """Return a row for each metric that moved, and why there is no interval, "" if there is one."""
    if others := list(_other_images(model, before, after)):
        return others, ""
    try:
        return list(_by_images(model, before, after, tolerances)), ""
    except AbsentError as error:
        return list(_by_means(model, before, after, tolerances)), str(error)


def _other_images(model: str, before: Snapshot, after: Snapshot) -> Iterator[Row]:
    for split in ("val", "test"):
        ids = [snapshot.means(model, split).get("split_id") for snapshot in (before, after)]
        if ids[0] != ids[1] or ids[0] is None:  # there was no split_id in the metrics of early commits
            yield Row(model, f"{split} split_id", ids[0], ids[1], None, None, OTHER)


def _by_images(model: str, before: Snapshot, after: Snapshot, tolerances: Mapping[str, float]) -> Iterator[Row]:
    """Compare image by image; raise AbsentError if the scores of either revision cannot be had."""
    tables = before.scores(model), after.scores(model)
    if len(tables[0]) != len(tables[1]) or _orders(model, before) != _orders(model, after):
        raise AbsentError("the validation images are in another order")
    sizes = before.bytes_per_image(model), after.bytes_per_image(model)
    for metric in SCORES:
        if metric in tables[0] and metric in tables[1]:
            old, new = (table[metric].to_numpy(np.float64) for table in tables)
            yield from _score(
                model, metric, float(old.mean()), float(new.mean()), mean_difference(new, old), tolerances
            )
    if sizes[0] != sizes[1]:
        allowed = sizes[0] * tolerances["bytes_percent"] / 100
        growth = sizes[1] - sizes[0]
        verdict: Verdict = "worse" if growth > allowed else "better" if growth < 0 else "allowed"
        yield Row(model, BYTES, *sizes, (growth, np.nan, np.nan), allowed, verdict)


def _orders(model: str, snapshot: Snapshot) -> set[str | None]:
    """Return the hashes in dvc.lock of the validation images that a model was scored on, in their order."""
    inputs = snapshot.models[model].items()
    return {value for path, value in inputs if path.startswith(f"{PREPARED}/") and path.endswith("/val")}


def _by_means(model: str, before: Snapshot, after: Snapshot, tolerances: Mapping[str, float]) -> Iterator[Row]:
    """Compare what metrics/ has, four significant digits, by the tolerances alone."""
    old, new = before.means(model, "val"), after.means(model, "val")
    for metric in SCORES:
        if metric in old and metric in new:
            difference = (new[metric] - old[metric], np.nan, np.nan)
            yield from _score(model, metric, old[metric], new[metric], difference, tolerances)


def _score(
    model: str,
    metric: str,
    before: float,
    after: float,
    difference: tuple[float, float, float],
    tolerances: Mapping[str, float],
) -> Iterator[Row]:
    """Yield the row of a score of which higher is better, unless no image moved."""
    if any(end != 0 and not np.isnan(end) for end in difference):
        allowed = tolerances[metric]
        yield Row(model, metric, before, after, difference, -allowed, judge(difference, allowed))


def judge(difference: tuple[float, float, float], allowed: float) -> Verdict:
    """Return the verdict on a `difference`, mean and 95% interval, of a score of which higher is better.

    A model is worse where the mean fell by more than `allowed` and the interval excludes zero, uncertain where it
    includes it: then that loss may be one of these images alone. Without an interval the mean decides.
    """
    mean, low, high = difference
    if mean < -allowed:
        return "uncertain" if high >= 0 else "worse"
    return "better" if (mean if np.isnan(low) else low) > 0 else "allowed"
