"""What the scores of a group say, in words: which model to use for a data set, and whether it is worth it over PCA.

The validation images choose, the test images say how good the choice is, and "better" is said only where the interval
of the difference, image by image, excludes zero.
"""

from collections.abc import Iterator
from itertools import groupby

from hourglass.metrics.results import Versus
from hourglass.metrics.table import Result

CHOOSES = "psnr_db"
FEW = 30  # test images; of fewer a mean says little


def to_sentences(results: list[Result]) -> list[str]:
    """Return a sentence or more for each data set and number of latents, in that order."""
    ordered = sorted(results, key=_size)
    return [" ".join(_sentences(list(of_size))) for _, of_size in groupby(ordered, key=_size)]


def _size(result: Result) -> tuple[str, int]:
    return result.dataset, result.facts.about.latent_dim


def _sentences(results: list[Result]) -> Iterator[str]:
    """Yield what is said of models of one data set and size."""
    dataset, latent_dim = _size(results[0])
    numbers = f"{latent_dim:,} number{'' if latent_dim == 1 else 's'}"
    best = max(results, key=lambda result: (result.facts.val.get(CHOOSES, -1), result.is_baseline, result.name))
    score = f"`{best.name}`, {best.facts.test.get(CHOOSES, float('nan')):.1f} dB"
    versus = best.facts.versus
    if len(results) == 1:
        only = "PCA alone is in this group" if best.is_baseline else "no PCA of as many numbers is in this group"
        yield f"{dataset}, {numbers}: {score}; {only}."
    elif best.is_baseline:
        yield f"{dataset}, {numbers}: PCA, {score}: no network is better on the validation images."
    elif versus is None:
        yield f"{dataset}, {numbers}: {score}, the best on the validation images; no PCA of as many numbers."
    else:
        yield f"{dataset}, {numbers}: {score}, {_against(versus)}."
    others = [(one.name, one.facts.versus) for one in results if one is not best and one.facts.versus]
    if worse := [f"`{name}` by {-other.mean:.1f} dB" for name, other in others if other.high < 0]:
        yield f"PCA is better than {', '.join(worse)}."
    if (count := best.facts.images) < FEW:
        yield f"Of {count} test image{'' if count == 1 else 's'}: a small sample."


def _against(versus: Versus) -> str:
    """Return how a model compares with PCA, `twin`."""
    interval = f"[{versus.low:.1f}, {versus.high:.1f}]"
    if versus.low > 0:
        return f"{versus.mean:.1f} dB above PCA {interval}"
    if versus.high < 0:
        return f"{-versus.mean:.1f} dB below PCA {interval} on the test images: use `{versus.twin}`"
    return f"not told apart from PCA: {versus.mean:+.1f} dB {interval}"
