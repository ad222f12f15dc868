"""The metrics are the published ones."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from hourglass.metrics import quality, similarity
from hourglass.metrics.quality import METRICS
from hourglass.metrics.scores import join, left_out, mean, score, shortened

Images = NDArray[np.float32]


@pytest.fixture(scope="module")
def images() -> Images:
    """Return 5 smooth color images that every metric fits, (5, 3, 177, 190) in [0, 1]."""
    generator = np.random.default_rng(0)
    rows, columns = np.linspace(0, 50, 177)[:, None], np.linspace(0, 50, 190)
    phase = generator.uniform(0, 6, (5, 3, 1, 1))
    waves = np.sin(rows * generator.uniform(0.5, 2, (5, 1, 1, 1)) + columns + phase)
    return (0.5 + 0.45 * waves).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(images: Images) -> Images:
    noise = np.random.default_rng(1).normal(0, 0.1, images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


def test_ssim_of_color_is_scikit_images(images: Images, noisy: Images) -> None:
    # Called as its documentation shows for color, channels last; the published figures use its defaults.
    expected = [
        structural_similarity(np.moveaxis(one, 0, -1), np.moveaxis(other, 0, -1), data_range=1, channel_axis=-1)
        for one, other in zip(images.astype(float), noisy.astype(float), strict=True)
    ]
    np.testing.assert_allclose(similarity.ssim(images, noisy), expected, rtol=1e-9)


def test_ssim_of_gray_is_scikit_images(images: Images, noisy: Images) -> None:
    expected = [
        structural_similarity(one.astype(float), other.astype(float), data_range=1)
        for one, other in zip(images[:, 0], noisy[:, 0], strict=True)
    ]
    np.testing.assert_allclose(similarity.ssim(images[:, :1], noisy[:, :1]), expected, rtol=1e-9)


def test_ssim_with_a_gaussian_window_is_scikit_images(images: Images, noisy: Images) -> None:
    # As the documentation of scikit-image says to match Wang et al. (2004).
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = [
        structural_similarity(one.astype(float), other.astype(float), channel_axis=0, **wang)
        for one, other in zip(images, noisy, strict=True)
    ]
    np.testing.assert_allclose(similarity.ssim_gaussian(images, noisy), expected, rtol=1e-9)


def test_multiscale_ssim_is_the_formula_of_its_paper() -> None:
    # Wang, Simoncelli and Bovik (2003), equation 7, by two-dimensional convolutions; odd sizes lose a row or a column.
    generator = np.random.default_rng(0)
    images = generator.random((2, 3, 179, 190), np.float32)
    noisy = np.clip(images + generator.normal(0, 0.2, images.shape), 0, 1).astype(np.float32)
    axis = np.arange(11) - 5
    window = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    expected = [
        np.mean([multiscale(x.astype(float), y.astype(float), window) for x, y in zip(one, other, strict=True)])
        for one, other in zip(images, noisy, strict=True)
    ]
    np.testing.assert_allclose(similarity.ms_ssim(images, noisy), expected, rtol=1e-9)


def multiscale(x: NDArray[np.float64], y: NDArray[np.float64], window: NDArray[np.float64]) -> float:
    product = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean_x, mean_y, xx, yy, xy = (convolve2d(of, window, mode="valid") for of in (x, y, x * x, y * y, x * y))
        contrast = (2 * (xy - mean_x * mean_y) + 0.03**2) / (xx - mean_x**2 + yy - mean_y**2 + 0.03**2)
        luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        product *= float((contrast * luminance if scale == 4 else contrast).mean()) ** weight
        height, width = (side // 2 * 2 for side in x.shape)
        x, y = (of[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) for of in (x, y))
    return product


def test_multiscale_ssim_of_opposites_is_finite() -> None:
    images = np.random.default_rng(0).random((1, 1, 176, 176), np.float32)
    assert similarity.ms_ssim(images, 1 - images).tolist() == [0]  # structure is below 0, whose power is no number


@pytest.mark.parametrize(("name", "side"), [("ssim", 7), ("ssim_gaussian", 11), ("ms_ssim", 176)])
def test_images_smaller_than_a_window_have_no_such_score(name: str, side: int) -> None:
    metric = METRICS[name]
    for shape in ((1, side - 1, side), (3, side, side - 1)):
        small = np.zeros((1, *shape), np.float32)
        assert name not in score(small, small)
        reason = left_out(shape)[name]
        assert f"{side}x{side}" in reason
        assert f"got {shape[1]}x{shape[2]}" in reason
        with pytest.raises(ValueError, match=reason):
            metric.function(small, small)
    fitting = np.zeros((1, 1, side, side), np.float32)
    assert metric.function(fitting, fitting).tolist() == [1]
    assert name not in left_out((1, side, side))


def test_images_of_several_blocks_are_scored_as_one(monkeypatch: pytest.MonkeyPatch, images: Images) -> None:
    other = images[::-1].copy()
    whole = {name: METRICS[name].function(images, other) for name in ("ssim", "ssim_gaussian")}
    monkeypatch.setattr(similarity, "BLOCK_VALUES", 2 * images.shape[2] * images.shape[3])
    for name, expected in whole.items():
        np.testing.assert_array_equal(METRICS[name].function(images, other), expected)


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


def test_means_are_over_all_images_in_however_many_batches(images: Images, noisy: Images) -> None:
    batches = [score(images[part], noisy[part]) for part in (slice(0, 2), slice(2, 5))]
    assert mean(join(batches)) == mean(score(images, noisy))


def test_git_holds_four_digits() -> None:
    assert shortened({"mse": 0.000652996, "psnr_db": 31.8641}) == {"mse": 0.000653, "psnr_db": 31.86}
