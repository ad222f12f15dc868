"""The variational autoencoder: its loss is the published bound, its noise is drawn in training alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from hourglass.console.errors import UserError
from hourglass.inference.generate import generate
from hourglass.networks.base.families import build
from hourglass.networks.vae import VAE, divergence

FREY = {
    "latent_dim": 20,
    "encoder": [{"filters": filters, "pool": 2} for filters in (32, 64, 128)],
    "decoder": [{"filters": filters, "transposed": True, "stride": 2} for filters in (64, 32)],
}


def frey(**more: object) -> VAE:
    network = build("vae", (1, 28, 20), FREY | more)
    assert isinstance(network, VAE)
    return network


def test_it_is_the_published_network() -> None:
    network = frey()
    assert network.mean.in_features == network.log_variance.in_features == 768  # 3 x 2 x 128
    assert network.mean.out_features == 20
    sizes: list[tuple[int, ...]] = []
    for layer in network.decoder:
        layer.register_forward_hook(lambda layer, inputs, output: sizes.append(tuple(output.shape[1:])))
    network.decode(torch.zeros(1, 20))
    assert [size for size in sizes if len(size) == 3][1:] == [
        *[(128, 3, 2), (64, 6, 4), (64, 6, 4), (32, 12, 8), (32, 12, 8), (1, 24, 16), (1, 28, 20)]
    ]


def test_divergence_is_that_of_normal_distributions() -> None:
    mean, log_variance = torch.randn(7, 5), torch.randn(7, 5)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, log_variance), expected)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_loss_is_the_bound_summed_over_pixels_and_dimensions(beta: float) -> None:
    network, images = frey(beta=beta).eval(), torch.rand(3, 1, 28, 20)
    losses = network.losses(images)
    likelihood = Bernoulli(network(images), validate_args=False).log_prob(images)
    assert losses["reconstruction"].item() == pytest.approx(-likelihood.sum().item() / 3, rel=1e-4)
    assert losses["loss"].item() == pytest.approx((losses["reconstruction"] + beta * losses["kl"]).item())
    assert losses["kl"].item() > 0


def test_training_draws_from_the_distribution_of_each_image() -> None:
    network, images = frey(), torch.rand(3, 1, 28, 20)
    nn.init.normal_(network.log_variance.bias)  # standard deviations that differ from one dimension to the next
    torch.manual_seed(7)
    losses = network.train().losses(images)
    torch.manual_seed(7)
    features = network.encoder(images)
    latents = Normal(network.mean(features), (network.log_variance(features) / 2).exp()).rsample()
    likelihood = Bernoulli(network.decode(latents), validate_args=False).log_prob(images)
    assert losses["reconstruction"].item() == pytest.approx(-likelihood.sum().item() / 3, rel=1e-4)


def test_a_decoder_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(UserError, match="expected layers that fit 128x3x2 values") as refused:
        frey(decoder=[{"filters": 4, "padding": "valid"}])
    assert "\n" not in str(refused.value)


def test_an_endless_divergence_is_one_line(tmp_path: Path) -> None:
    network, images = frey(), np.zeros((3, 1, 28, 20), np.uint8)
    nn.init.constant_(network.log_variance.bias, 1e4)  # as a training that exploded leaves it
    with pytest.raises(UserError, match="expected finite KL divergences of the test images, got inf: lower") as refused:
        generate(tmp_path, network.eval(), images, torch.zeros(3, 20), torch.device("cpu"))
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_noise_is_drawn_in_training_alone() -> None:
    network, images = frey(), torch.rand(3, 1, 28, 20)
    assert network.train().losses(images)["loss"] != network.losses(images)["loss"]
    assert network.eval().losses(images)["loss"] == network.losses(images)["loss"]
    assert torch.equal(network(images), network.decode(network.encode(images)))
