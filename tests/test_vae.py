"""The variational autoencoder: its loss is the published bound, and validation draws the same noise always."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from hourglass.console.errors import UserError
from hourglass.inference.generate import generate
from hourglass.networks.base.families import build
from hourglass.networks.base.losses import LOSSES
from hourglass.networks.vae import VAE, divergence, gaussian_bound

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
    nn.init.constant_(network.log_variance.bias, -40.0)  # no noise that a float32 shows
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


def test_validation_draws_the_same_noise_every_time() -> None:
    network, images = frey(), torch.rand(3, 1, 28, 20)
    assert network.train().losses(images)["reconstruction"] != network.losses(images)["reconstruction"]
    state = torch.get_rng_state()
    assert network.eval().losses(images)["reconstruction"] == network.losses(images)["reconstruction"]
    assert torch.equal(torch.get_rng_state(), state)
    nn.init.constant_(network.log_variance.bias, -40.0)
    quiet = network.losses(images)["reconstruction"]
    nn.init.constant_(network.log_variance.bias, 0.0)
    assert network.losses(images)["reconstruction"] != quiet  # there is noise
    assert torch.equal(network(images), network.decode(network.encode(images)))


def test_the_gaussian_bound_is_the_likelihood_with_the_best_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    images, reconstructions = torch.rand(2, 7, 3, 4, 5, generator=generator, dtype=torch.float64)
    error = (images - reconstructions).square().mean()

    def negative_log_likelihood(variance: torch.Tensor) -> torch.Tensor:
        return -Normal(reconstructions, variance.sqrt()).log_prob(images).sum() / len(images)

    bound = gaussian_bound(error, 3 * 4 * 5)
    torch.testing.assert_close(bound, negative_log_likelihood(error))
    assert all(bound < negative_log_likelihood(factor * error) for factor in (0.9, 0.99, 1.01, 1.1))


@pytest.mark.parametrize("loss", [{"mse": 1.0}, {"mse": 1.0, "ssim": 0.1}, {"log_mse": 1.0}], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_gaussian_loss_is_that_bound_and_logs_its_deviation(channels: int, loss: dict[str, float]) -> None:
    network = build("vae", (channels, 28, 20), FREY | {"likelihood": "gaussian", "beta": 2.0, "loss": loss}).eval()
    assert isinstance(network, VAE)
    images = torch.rand(3, channels, 28, 20)
    nn.init.constant_(network.log_variance.bias, -40.0)
    losses = network.losses(images)
    error = torch.stack([weight * LOSSES[name](images, network(images)) for name, weight in loss.items()]).sum()
    assert losses["reconstruction"].item() == pytest.approx(gaussian_bound(error, channels * 28 * 20).item(), rel=1e-5)
    assert losses["sigma"].item() == pytest.approx(error.sqrt().item(), rel=1e-5)
    assert losses["loss"].item() == pytest.approx((losses["reconstruction"] + 2 * losses["kl"]).item())


def test_a_perfect_reconstruction_has_a_finite_likelihood() -> None:
    assert gaussian_bound(torch.tensor(0.0), 560).isfinite()


def test_active_units_are_dimensions_that_differ_from_the_prior() -> None:
    network = build("vae", (1, 4, 5), {"latent_dim": 6, "hidden": [7]}).eval()
    assert isinstance(network, VAE)
    for parameter in (*network.mean.parameters(), *network.log_variance.parameters()):
        nn.init.zeros_(parameter)
    with torch.no_grad():
        network.log_variance.bias[:2] = torch.tensor([-0.4, -0.05])
        network.mean.bias[2:4] = torch.tensor([0.2, 0.1])
    images = torch.rand(3, 1, 4, 5)
    told = network.divergences(images).mean(dim=0) > 0.01
    assert told.tolist() == [True, False, True, False, False, False]
    assert network.losses(images)["active_units"].item() == 2


def plane(count: int) -> tuple[torch.Tensor, int]:
    """Draw images (N, 1, 4, 5) from probabilistic PCA: noise around a few directions; return how many there are."""
    generator = torch.Generator().manual_seed(0)
    deviations = torch.tensor([0.5, 0.3, 0.2])
    directions = torch.linalg.qr(torch.randn(20, 3, generator=generator))[0]
    signal = torch.randn(count, 3, generator=generator) * deviations @ directions.T
    return (0.5 + signal + 0.1 * torch.randn(count, 20, generator=generator)).view(-1, 1, 4, 5), 3


def test_beside_a_linear_path_the_noise_starts_as_what_pca_leaves() -> None:
    images, directions = plane(500)
    network = build("vae", (1, 4, 5), {"latent_dim": directions, "likelihood": "gaussian", "linear": "pca"})
    assert isinstance(network, VAE)
    assert network.linear is not None
    network.linear.fit([images.numpy()], tiled=False)
    shares = (network(images) - images).square().mean().sqrt() / network.linear.deviations
    expected = divergence(network.encode(images), 2 * shares.log())
    torch.testing.assert_close(network.divergences(images), expected, atol=1e-4, rtol=1e-4)


def test_validation_clips_what_a_linear_path_makes_to_what_an_image_may_be() -> None:
    images = plane(500)[0] * 3 - 1
    network = build("vae", (1, 4, 5), {"latent_dim": 2, "likelihood": "gaussian", "linear": "pca"})
    assert isinstance(network, VAE)
    assert network.linear is not None
    network.linear.fit([images.numpy()], tiled=False)
    nn.init.constant_(network.log_variance.bias, -40.0)
    clipped = nn.functional.mse_loss(network(images).clamp(0, 1), images).sqrt().item()
    error = nn.functional.mse_loss(network(images), images).sqrt().item()
    assert clipped > 1.1 * error
    assert network.train().losses(images)["sigma"].item() == pytest.approx(error, rel=1e-4)
    assert network.eval().losses(images)["sigma"].item() == pytest.approx(clipped, rel=1e-4)


def test_a_linear_gaussian_vae_reaches_the_likelihood_of_probabilistic_pca() -> None:
    """Tipping and Bishop (1999), Probabilistic principal component analysis, equations 3.8 and 3.9."""
    images, directions = plane(500)
    centered = (images - images.mean(dim=0)).flatten(1).double()
    variances = torch.linalg.eigvalsh(centered.T @ centered / len(images)).flip(0)
    noise = variances[directions:].mean()
    logarithms = variances[:directions].log().sum() + (len(variances) - directions) * noise.log()
    best = (len(variances) * (math.log(2 * math.pi) + 1) + logarithms).item() / 2

    network = build("vae", (1, 4, 5), {"latent_dim": directions, "likelihood": "gaussian", "linear": "pca"})
    assert network.linear is not None
    network.linear.fit([images.numpy()], tiled=False)
    many = images.repeat(40, 1, 1, 1)  # the mean over noise
    torch.manual_seed(0)
    before = network.train().losses(many)["loss"].item()
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        network.losses(images.repeat(2, 1, 1, 1))["loss"].backward()
        optimizer.step()
    losses = network.losses(many)
    assert before > best + 0.1
    assert losses["loss"].item() == pytest.approx(best, abs=0.03)
    assert losses["sigma"].item() == pytest.approx(noise.sqrt().item(), rel=0.01)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"hidden": [5], "encoder": [{"filters": 1}]}, "expected `hidden`, or `encoder` and `decoder`"),
        ({"decoder": [{"filters": 1}]}, "expected `encoder` and `decoder`, got no `encoder`"),
        ({"expand_activation": "relu"}, "'expand_activation' is of feature maps: expected `encoder` and `decoder`"),
        ({"linear": "pca"}, "'linear' is of images with Gaussian noise: expected `likelihood: gaussian`"),
        ({"loss": {"ssim": 1}}, "'loss' is of images with Gaussian noise: expected `likelihood: gaussian`"),
    ],
    ids=str,
)
def test_keywords_of_two_networks_or_likelihoods_are_one_line(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=f"network: {message}"):
        build("vae", (1, 8, 8), {"latent_dim": 2} | keywords)
