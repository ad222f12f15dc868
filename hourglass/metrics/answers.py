"""What the scores of a group say, in words: which model to use for a data set, and whether it is worth it.

The validation images choose, the test images say how good the choice is. "Better" than PCA is said only where the
interval of the difference, image by image, excludes zero; of an image codec, where it leads by 0.1 dB at equal bytes.
"""

from collections.abc import Iterator
from itertools import groupby

from hourglass.metrics.results import FEW, Facts, Versus, better_codecs
from hourglass.metrics.table import LOSSLESS, Result

CHOOSES = "psnr_db"


def to_sentences(results: list[Result]) -> list[str]:
    """Return a sentence or more for each data set and number of latents, in that order."""
    ordered = sorted(results, key=_size)
    return [" ".join(_sentences(list(of_size))) for _, of_size in groupby(ordered, key=_size)]


def best_of(results: list[Result]) -> Result:
    """Return the model that the validation images choose; of equal ones PCA, which is simpler."""
    return max(results, key=lambda one: (one.facts.val[CHOOSES].mean, one.is_baseline, one.name))


def _size(result: Result) -> tuple[str, int]:
    return result.dataset, result.facts.latent_dim


def _sentences(results: list[Result]) -> Iterator[str]:
    """Yield what is said of models of one data set and size."""
    dataset, latent_dim = _size(results[0])
    best = best_of(results)
    facts, versus = best.facts, best.facts.versus_pca
    start = f"{dataset}, {latent_dim:,} number{'' if latent_dim == 1 else 's'}"
    score = f"`{best.name}`, {facts.test[CHOOSES].mean:.1f} dB"
    if best.is_baseline:
        alone = "PCA alone is in this group" if len(results) == 1 else "no network is better on the validation images"
        yield f"{start}: PCA, {score}; {alone}."
    elif versus is None:
        yield f"{start}: {score}; no comparison with PCA: {facts.left_out.get('pca', 'not computed')}."
    else:
        yield f"{start}: {score}, {_against_pca(versus)}."
    yield _against_files(facts)
    others = [(one.name, one.facts.versus_pca) for one in results if one is not best and one.facts.versus_pca]
    if worse := [f"`{name}` by {-other.mean:.1f} dB" for name, other in others if other.high < 0]:
        yield f"PCA is better than {', '.join(worse)}."
    if (count := facts.images) < FEW:
        yield f"Of {count} test image{'' if count == 1 else 's'}: a small sample."


def _against_pca(versus: Versus) -> str:
    """Return how a model compares with PCA of as many numbers."""
    interval = f"[{versus.low:.1f}, {versus.high:.1f}]"
    if versus.low > 0:
        return f"{versus.mean:.1f} dB above PCA {interval}"
    if versus.high < 0:
        return f"{-versus.mean:.1f} dB below PCA {interval} on the test images: use PCA"
    return f"not told apart from PCA: {versus.mean:+.1f} dB {interval}"


def _against_files(facts: Facts) -> str:
    """Return how a model's files compare with those of image codecs of as many bytes."""
    reached = facts.same_bytes
    start = f"Its files, {_bytes(facts.coded.bytes)} an image, have {facts.coded.psnr_db:.1f} dB"
    if not reached:
        return f"{start}; no image codec has files as small."
    lossless = [codec for codec, value in reached.items() if value >= LOSSLESS]
    if lossless:
        return f"{start}; {' and '.join(lossless)} {'lose' if lossless[1:] else 'loses'} nothing in as many: use that."
    listed = ", ".join(f"{codec} {value:.1f} dB" for codec, value in reached.items())
    first = max(reached, key=lambda codec: (reached[codec], codec))
    verdict = f": {first} is better" if first in better_codecs(reached, facts.coded.psnr_db) else ""
    return f"{start}; at as many bytes {listed}{verdict}."


def _bytes(count: float) -> str:
    return f"{count:,.0f} bytes" if count >= 100 else f"{count:.3g} bytes"
