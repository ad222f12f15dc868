"""The metrics are the published ones."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from hourglass.metrics import quality
from hourglass.metrics.about import about
from hourglass.metrics.quality import METRICS
from hourglass.metrics.scores import join, left_out, mean, score, shortened

Images = NDArray[np.float32]


@pytest.fixture
def noisy(images: Images) -> Images:
    noise = np.random.default_rng(1).normal(0, 0.1, images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


def test_ssim_of_color_is_scikit_images(images: Images, noisy: Images) -> None:
    # Called as its documentation shows for color, channels last; the published figures use its defaults.
    expected = [
        structural_similarity(np.moveaxis(one, 0, -1), np.moveaxis(other, 0, -1), data_range=1, channel_axis=-1)
        for one, other in zip(images, noisy, strict=True)
    ]
    np.testing.assert_allclose(quality.ssim(images, noisy), expected, rtol=1e-6)


def test_ssim_of_gray_is_scikit_images(images: Images, noisy: Images) -> None:
    expected = [
        structural_similarity(one, other, data_range=1) for one, other in zip(images[:, 0], noisy[:, 0], strict=True)
    ]
    np.testing.assert_allclose(quality.ssim(images[:, :1], noisy[:, :1]), expected, rtol=1e-6)


def test_psnr_is_scikit_images(images: Images, noisy: Images) -> None:
    expected = [peak_signal_noise_ratio(one, other, data_range=1) for one, other in zip(images, noisy, strict=True)]
    np.testing.assert_allclose(quality.psnr_db(images, noisy), expected, rtol=1e-5)


def test_psnr_follows_from_the_mean_squared_error(images: Images, noisy: Images) -> None:
    np.testing.assert_allclose(quality.psnr_db(images, noisy), 10 * np.log10(1 / quality.mse(images, noisy)))


def test_errors_by_hand() -> None:
    images = np.zeros((2, 1, 1, 4), np.float32)
    reconstructions = np.array([[[[0, 0, 0, 1]]], [[[0.5, 0.5, 0.5, 0.5]]]], np.float32)
    assert quality.mse(images, reconstructions).tolist() == [0.25, 0.25]
    assert quality.mae(images, reconstructions).tolist() == [0.25, 0.5]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_scores_each_image_alone(name: str, images: Images, noisy: Images) -> None:
    function = METRICS[name].function
    together = function(images, noisy)
    assert together.shape == (len(images),)
    alone = [function(images[index : index + 1], noisy[index : index + 1])[0] for index in range(len(images))]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_symmetric_and_gets_worse_with_noise(name: str, images: Images, noisy: Images) -> None:
    metric = METRICS[name]
    np.testing.assert_allclose(metric.function(images, noisy), metric.function(noisy, images), rtol=1e-6)
    sign = 1 if metric.better == "higher" else -1
    perfect = metric.function(images, images)
    slightly = metric.function(images, (images + (noisy - images) / 4).astype(np.float32))
    assert np.isfinite(perfect).all()
    assert (sign * perfect > sign * slightly).all()
    assert (sign * slightly > sign * metric.function(images, noisy)).all()


def test_scores_are_those_of_the_registry(images: Images, noisy: Images) -> None:
    scores = score(images, noisy)
    assert list(scores) == list(METRICS)
    for name, metric in METRICS.items():
        np.testing.assert_array_equal(scores[name], metric.function(images, noisy))


def test_a_perfect_reconstruction_has_finite_scores(images: Images) -> None:
    scores = score(images, images)
    assert all(np.isfinite(values).all() for values in scores.values())
    assert scores["psnr_db"].min() > 85
    np.testing.assert_allclose(scores["ssim"], 1)


def test_ssim_of_images_smaller_than_its_window(images: Images) -> None:
    small = images[:, :, :6, :]
    reason = "expected images of at least 7x7 for its window, got 6x11"
    with pytest.raises(ValueError, match=reason):
        quality.ssim(small, small)
    fitting = [name for name, metric in quality.METRICS.items() if not metric.why_not((3, 6, 11))]
    assert list(score(small, small)) == fitting
    assert "ssim" not in fitting
    assert left_out((3, 6, 11))["ssim"] == reason
    assert "ssim" not in left_out((3, 7, 7))


def test_means_are_over_all_images_in_however_many_batches(images: Images, noisy: Images) -> None:
    batches = [score(images[part], noisy[part]) for part in (slice(0, 7), slice(7, 40))]
    assert mean(join(batches)) == mean(score(images, noisy))


def test_git_holds_four_digits() -> None:
    assert shortened({"mse": 0.000652996, "psnr_db": 31.8641}) == {"mse": 0.000653, "psnr_db": 31.86}


def test_about_sets_the_bytes_of_an_image_against_those_of_its_file() -> None:
    facts = about("cells", "dense", (1, 28, 28), (28, 28), latent_dim=4, bits=8, bytes_per_image=3.5)
    assert (facts["compression_ratio"], facts["tile"]) == (224, None)
    assert about("cells", "tiles", (1, 28, 28), (14, 7), 4, 8, 16)["tile"] == (14, 7)
