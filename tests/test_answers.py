"""The words of a report: "better" is said where the interval of the paired differences says so, and nowhere else."""

import numpy as np
import pytest

from hourglass.metrics.answers import to_sentences
from hourglass.metrics.interval import mean_interval
from hourglass.metrics.paired import mean_difference
from hourglass.metrics.results import Coded, Facts, Statistics, Versus
from hourglass.metrics.table import Result


def result(
    name: str,
    val: float,
    versus: tuple[float, float, float] | None = None,
    images: int = 100,
    latent_dim: int = 20,
    same_bytes: dict[str, float] | None = None,
) -> Result:
    """Return a model, PCA if that is its name."""
    test, validation = ({"psnr_db": Statistics(mean, 1, mean - 0.1, mean + 0.1, mean - 2)} for mean in (val + 1, val))
    facts = Facts(
        dataset="frey",
        family="pca" if name == "pca" else "dense",
        latent_dim=latent_dim,
        bytes_per_image=9,
        compression_ratio=60,
        bits=8,
        tile=None,
        left_out={"pca": "of too few images"},
        parameters=1000,
        split="by image",
        images=images,
        test=test,
        val=validation,
        classes={},
        versus_pca=Versus(27, *versus) if versus else None,
        coded=Coded(9.25, val + 0.9),
        same_bytes=same_bytes or {},
        seeds=None,
        worth={},
        likelihood=None,
        config={},
        pictures=[],
    )
    return Result(name, facts)


PCA = result("pca", 27)
FILES = "Its files, 9.25 bytes an image, have {:.1f} dB; no image codec has files as small."


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([result("a", 31, (5, 4.9, 5.2)), PCA], ["`a`, 32.0 dB, 5.0 dB above PCA [4.9, 5.2].", FILES.format(31.9)]),
        (
            [result("a", 28, (0.1, -0.2, 0.4)), PCA],
            ["`a`, 29.0 dB, not told apart from PCA: +0.1 dB [-0.2, 0.4].", FILES.format(28.9)],
        ),
        (
            [result("a", 28, (-0.5, -0.7, -0.3)), PCA],
            ["`a`, 29.0 dB, 0.5 dB below PCA [-0.7, -0.3] on the test images: use PCA.", FILES.format(28.9)],
        ),
        (
            [result("a", 25, (-2, -3, -1)), result("b", 26, (-1, -2, 1)), PCA],
            [
                "PCA, `pca`, 28.0 dB; no network is better on the validation images.",
                FILES.format(27.9),
                "PCA is better than `a` by 2.0 dB.",
            ],
        ),
        (
            [result("a", 31, (5, 4.9, 5.2)), result("b", 25, (-2, -3, -1))],
            ["`a`, 32.0 dB, 5.0 dB above PCA [4.9, 5.2].", FILES.format(31.9), "PCA is better than `b` by 2.0 dB."],
        ),
        (
            [result("a", 31), result("b", 25)],
            ["`a`, 32.0 dB; no comparison with PCA: of too few images.", FILES.format(31.9)],
        ),
        ([PCA], ["PCA, `pca`, 28.0 dB; PCA alone is in this group.", FILES.format(27.9)]),
        (
            [result("pca", 27, images=29)],
            [
                "PCA, `pca`, 28.0 dB; PCA alone is in this group.",
                FILES.format(27.9),
                "Of 29 test images: a small sample.",
            ],
        ),
    ],
)
def test_what_is_said_of_one_size(results: list[Result], said: list[str]) -> None:
    expected = ["frey, 20 numbers: " + " ".join(said)]
    assert to_sentences(results) == expected
    assert to_sentences(results[::-1]) == expected


@pytest.mark.parametrize(
    ("same_bytes", "said"),
    [
        ({"JPEG": 24.1, "WebP": 26}, "at as many bytes JPEG 24.1 dB, WebP 26.0 dB."),
        ({"JPEG": 24.1, "AVIF": 32}, "at as many bytes JPEG 24.1 dB, AVIF 32.0 dB: AVIF is better."),
        ({"WebP": 31.95}, "at as many bytes WebP 31.9 dB."),  # less than what rounding may cost
        ({"JPEG": 40, "PNG": 88.13}, "PNG loses nothing in as many: use that."),
        ({"PNG": 88.13, "WebP lossless": 88.13}, "PNG and WebP lossless lose nothing in as many: use that."),
        ({}, "no image codec has files as small."),
    ],
)
def test_image_codecs_are_compared_at_the_bytes_of_the_files(same_bytes: dict[str, float], said: str) -> None:
    (sentence,) = to_sentences([result("a", 31, (5, 4.9, 5.2), same_bytes=same_bytes)])
    assert sentence.endswith(f"Its files, 9.25 bytes an image, have 31.9 dB; {said}")


def test_the_validation_images_choose() -> None:
    """The other is better on the test images alone, which no choice may see."""
    chosen, other = result("a", 31, (1, 0.5, 2)), result("b", 30, (9, 8, 10))
    assert to_sentences([chosen, other, PCA])[0].startswith("frey, 20 numbers: `a`, ")


def test_every_size_has_a_sentence() -> None:
    sentences = to_sentences([result("a", 30, latent_dim=40), result("b", 30, latent_dim=1)])
    assert [sentence.split(":")[0] for sentence in sentences] == ["frey, 1 number", "frey, 40 numbers"]


@pytest.mark.parametrize("images", [3, 5, 20, 60])
def test_intervals_of_differences_cover_what_they_say(images: int) -> None:
    """Of 400 pairs of models whose true difference is 0.3 dB, the intervals have it in about 95%."""
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        hard = generator.normal(25, 5, images)  # dB of an image, for both
        low, high = mean_difference(hard + generator.normal(0.3, 1, images), hard)[1:]
        covered += low <= 0.3 <= high
    assert 0.91 <= covered / 400 <= 0.98  # 0.95, less what a bootstrap of few images lacks, and 3 standard errors


def test_one_image_has_no_interval() -> None:
    with pytest.raises(ValueError, match=r"got \(1,\) and \(1,\)"):
        mean_difference(np.array([30.0]), np.array([29.0]))


def test_differences_are_paired() -> None:
    generator = np.random.default_rng(1)
    hard = generator.normal(25, 5, 50)
    mean, low, high = mean_difference(hard + 0.5, hard)
    assert np.allclose((mean, low, high), 0.5)
    alone = mean_interval(hard)
    assert alone[1] - alone[0] > 1
    with pytest.raises(ValueError, match=r"expected scores of the same images \(N,\), got \(50,\) and \(49,\)"):
        mean_difference(hard, hard[1:])
