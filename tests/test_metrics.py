"""The metrics are the published ones."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stages.common.errors import UserError
from stages.metrics import quality
from stages.metrics.scores import score
from stages.metrics.size import size
from stages.metrics.ssim import ssim


@pytest.fixture
def noisy(images: NDArray[np.float32]) -> NDArray[np.float32]:
    noise = np.random.default_rng(1).normal(0, 0.1, images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


def test_ssim_of_colour_is_scikit_images(images: NDArray[np.float32], noisy: NDArray[np.float32]) -> None:
    # Called as its documentation shows for colour, channels last; the published figures use its defaults.
    expected = [
        structural_similarity(np.moveaxis(one, 0, -1), np.moveaxis(other, 0, -1), data_range=1, channel_axis=-1)
        for one, other in zip(images, noisy, strict=True)
    ]
    np.testing.assert_allclose(ssim(images, noisy), expected, rtol=1e-6)


def test_ssim_of_grey_is_scikit_images(images: NDArray[np.float32], noisy: NDArray[np.float32]) -> None:
    expected = [
        structural_similarity(one, other, data_range=1) for one, other in zip(images[:, 0], noisy[:, 0], strict=True)
    ]
    np.testing.assert_allclose(ssim(images[:, :1], noisy[:, :1]), expected, rtol=1e-6)


def test_psnr_is_scikit_images(images: NDArray[np.float32], noisy: NDArray[np.float32]) -> None:
    expected = [peak_signal_noise_ratio(one, other, data_range=1) for one, other in zip(images, noisy, strict=True)]
    np.testing.assert_allclose(quality.psnr_db(quality.mse(images, noisy)), expected, rtol=1e-5)


def test_errors_by_hand() -> None:
    images = np.zeros((2, 1, 1, 4), np.float32)
    reconstructions = np.array([[[[0, 0, 0, 1]]], [[[0.5, 0.5, 0.5, 0.5]]]], np.float32)
    assert quality.mse(images, reconstructions).tolist() == [0.25, 0.25]
    assert quality.mae(images, reconstructions).tolist() == [0.25, 0.5]


def test_a_perfect_reconstruction_has_finite_scores(images: NDArray[np.float32]) -> None:
    scores = score(images, images)
    assert all(np.isfinite(values).all() for values in scores.values())
    assert scores["psnr_db"].min() > 85
    np.testing.assert_allclose(scores["ssim"], 1)


def test_ssim_of_images_smaller_than_its_window(images: NDArray[np.float32]) -> None:
    small = images[:, :, :6, :]
    with pytest.raises(UserError, match="expected images of at least 7x7 for its window, got 6x11"):
        ssim(small, small)
    assert list(score(small, small)) == ["mse", "mae", "psnr_db"]


def test_size() -> None:
    assert size(4, (1, 28, 28)) == {"latent_dim": 4, "bytes_per_image": 16, "compression_ratio": 49}
