"""The words of a report: "better" is said where the interval of the paired differences says so, and nowhere else."""

import numpy as np
import pytest

from hourglass.metrics.answers import to_sentences
from hourglass.metrics.interval import mean_interval
from hourglass.metrics.paired import mean_difference
from hourglass.metrics.results import About, Facts, Versus
from hourglass.metrics.table import Result


def result(
    name: str, val: float, versus: tuple[float, float, float] | None = None, images: int = 100, latent_dim: int = 20
) -> Result:
    """Return a model, PCA if that is its name."""
    family = "pca" if name == "pca" else "dense"
    about = About("frey", family, latent_dim, 9, 60, bits=8, tile=None, left_out={})
    twin = Versus("pca", *versus) if versus else None
    return Result(name, Facts(about, "by image", images, {"psnr_db": val + 1}, {"psnr_db": val}, twin, None, []))


PCA = result("pca", 27)


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([result("a", 31, (5, 4.9, 5.2)), PCA], "frey, 20 numbers: `a`, 32.0 dB, 5.0 dB above PCA [4.9, 5.2]."),
        (
            [result("a", 28, (0.1, -0.2, 0.4)), PCA],
            "frey, 20 numbers: `a`, 29.0 dB, not told apart from PCA: +0.1 dB [-0.2, 0.4].",
        ),
        (
            [result("a", 28, (-0.5, -0.7, -0.3)), PCA],
            "frey, 20 numbers: `a`, 29.0 dB, 0.5 dB below PCA [-0.7, -0.3] on the test images: use `pca`.",
        ),
        (
            [result("a", 25, (-2, -3, -1)), result("b", 26, (-1, -2, 1)), PCA],
            "frey, 20 numbers: PCA, `pca`, 28.0 dB: no network is better on the validation images. PCA is better than "
            "`a` by 2.0 dB.",
        ),
        (
            [result("a", 31, (5, 4.9, 5.2)), result("b", 25, (-2, -3, -1)), PCA],
            "frey, 20 numbers: `a`, 32.0 dB, 5.0 dB above PCA [4.9, 5.2]. PCA is better than `b` by 2.0 dB.",
        ),
        (
            [result("a", 31), result("b", 25)],
            "frey, 20 numbers: `a`, 32.0 dB, the best on the validation images; no PCA of as many numbers.",
        ),
        ([result("a", 31)], "frey, 20 numbers: `a`, 32.0 dB; no PCA of as many numbers is in this group."),
        ([PCA], "frey, 20 numbers: `pca`, 28.0 dB; PCA alone is in this group."),
        (
            [result("pca", 27, images=29, latent_dim=1)],
            "frey, 1 number: `pca`, 28.0 dB; PCA alone is in this group. Of 29 test images: a small sample.",
        ),
    ],
)
def test_what_is_said_of_one_size(results: list[Result], said: str) -> None:
    assert to_sentences(results) == [said]
    assert to_sentences(results[::-1]) == [said]


def test_the_validation_images_choose() -> None:
    """The other is better on the test images alone, which no choice may see."""
    chosen, other = result("a", 31, (1, 0.5, 2)), result("b", 30, (9, 8, 10))
    assert to_sentences([chosen, other, PCA])[0].startswith("frey, 20 numbers: `a`, ")


def test_every_size_has_a_sentence() -> None:
    sentences = to_sentences([result("a", 30, latent_dim=40), result("b", 30, latent_dim=5)])
    assert [sentence.split(":")[0] for sentence in sentences] == ["frey, 5 numbers", "frey, 40 numbers"]


def test_intervals_of_differences_cover_what_they_say() -> None:
    """Of 400 pairs of models whose true difference is 0.3 dB, the intervals of 60 images each have it in about 95%."""
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        hard = generator.normal(25, 5, 60)  # dB of an image, for both
        low, high = mean_difference(hard + generator.normal(0.3, 1, 60), hard)[1:]
        covered += low <= 0.3 <= high
    assert 0.91 <= covered / 400 <= 0.98  # 0.95, less what a bootstrap of 60 images lacks, and 3 standard errors


def test_differences_are_paired() -> None:
    generator = np.random.default_rng(1)
    hard = generator.normal(25, 5, 50)
    mean, low, high = mean_difference(hard + 0.5, hard)
    assert np.allclose((mean, low, high), 0.5)
    alone = mean_interval(hard)
    assert alone[1] - alone[0] > 1
    with pytest.raises(ValueError, match=r"expected scores of the same images \(N,\), got \(50,\) and \(49,\)"):
        mean_difference(hard, hard[1:])
