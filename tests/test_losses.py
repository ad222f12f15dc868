"""Reconstruction losses are what they are named after, and their sum is weighted."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from hourglass.console.errors import UserError
from hourglass.metrics.ssim import mean_ssim
from hourglass.networks.base.families import build
from hourglass.networks.base.losses import LOSSES, MSE, weighted_losses


@pytest.fixture(params=[(1, 9, 9), (3, 20, 30)], ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[torch.Tensor, torch.Tensor]:
    """Four random images, and the same with noise."""
    images, noise = torch.rand(2, 4, *request.param, generator=torch.Generator().manual_seed(0))
    return images, 0.7 * images + 0.3 * noise


def test_ssim_is_that_of_scikit_image(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    scores = [
        structural_similarity(*images, data_range=1, channel_axis=0)
        for images in zip(*(pair[0].numpy(), pair[1].numpy()), strict=True)
    ]
    assert mean_ssim(*pair).item() == pytest.approx(np.mean(scores), abs=1e-5)


def test_log_mse_is_psnr_of_each_image() -> None:
    images, noise = torch.rand(2, 3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    reconstructions = images + torch.tensor([0.02, 0.2, 0.8]).view(3, 1, 1, 1) * noise
    psnr = [
        peak_signal_noise_ratio(*pair, data_range=1)
        for pair in zip(images.numpy(), reconstructions.numpy(), strict=True)
    ]
    # 10 log10(255^2 * 12) = 58.92 dB is the PSNR of rounding to bytes.
    expected = np.mean(np.log1p(10 ** ((10 * np.log10(255**2 * 12) - np.array(psnr)) / 10)))
    assert LOSSES["log_mse"](images, reconstructions).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_reconstruction_has_no_loss_and_others_have(
    name: str, pair: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, noisy = pair
    assert LOSSES[name](images, images).item() == pytest.approx(0, abs=1e-5)
    assert LOSSES[name](images, noisy) > 0.001
    assert LOSSES[name](images, noisy.requires_grad_()).requires_grad


def test_one_loss_is_the_loss_alone(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    expected = torch.nn.functional.mse_loss(pair[1], pair[0])
    assert weighted_losses(MSE, *pair) == {"loss": expected}
    assert weighted_losses({"mse": 3}, *pair) == {"loss": 3 * expected}


def test_several_losses_are_added_by_weight_and_told_one_by_one(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    mse, ssim = LOSSES["mse"](*pair), 1 - mean_ssim(*pair)
    expected = {"loss": mse + 0.1 * ssim, "mse": mse, "ssim": ssim}
    for weights in ({"mse": 1, "ssim": 0.1}, {"ssim": 0.1, "mse": 1.0}):
        assert weighted_losses(weights, *pair) == expected  # the same bits


@pytest.mark.parametrize(
    ("family", "keywords"),
    [("dense", {"latent_dim": 3}), ("conv", {"encoder": [{"filters": 1}], "decoder": []})],
)
def test_families_take_the_loss_by_name(family: str, keywords: dict[str, object]) -> None:
    images = torch.rand(3, 1, 8, 8)
    network = build(family, (1, 8, 8), keywords | {"loss": {"mse": 1, "ssim": 0.1}})
    assert network.losses(images) == weighted_losses({"mse": 1, "ssim": 0.1}, images, network(images))
    assert build(family, (1, 8, 8), keywords).losses(images).keys() == {"loss"}
    with pytest.raises(
        UserError, match="network: loss 'ssim': expected images of at least 7x7 for its window, got 6x9"
    ):
        build(family, (1, 6, 9), keywords | {"loss": {"ssim": 0.1}})
