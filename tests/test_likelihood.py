"""The bounds of the likelihood, where it is known in closed form; and how far what is decoded is from real images."""

import json
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from hourglass.console.errors import UserError
from hourglass.inference import likelihood as module
from hourglass.inference import realism
from hourglass.inference.likelihood import fit_sigma, likelihood, log_weights
from hourglass.inference.realism import feature_space, frechet_distances
from hourglass.inference.traversals import samples
from hourglass.metrics.quality import SMALLEST_MSE
from hourglass.networks import vae
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.families import build

CPU = torch.device("cpu")
DIRECTIONS = 3

Bytes = NDArray[np.uint8]


def plane(count: int, seed: int = 0) -> Bytes:
    """Draw images (N, 1, 4, 5) from probabilistic PCA, noise around a few directions, as bytes."""
    generator = np.random.default_rng(seed)
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(20, DIRECTIONS)))[0]
    signal = generator.normal(size=(count, DIRECTIONS)) * [0.25, 0.15, 0.1] @ directions.T
    images = 0.5 + signal + generator.normal(0, 0.04, (count, 20))
    return (images.clip(0, 1) * 255).round().astype(np.uint8).reshape(-1, 1, 4, 5)


def scaled(images: Bytes) -> Tensor:
    return torch.from_numpy(images / 255).float()


def flat(images: Bytes) -> Tensor:
    return torch.from_numpy(images / 255).flatten(1)


def linear_gaussian(sigma: float, shift: float = 0.0, widen: float = 0.0) -> vae.VAE:
    """Return probabilistic PCA of `plane` as a VAE, whose encoder is the exact posterior for a likelihood of `sigma`.

        x = W z + mean + sigma noise, W = components^T diag(d)
        z | x ~ N(d / (d^2 + sigma^2) components (x - mean), sigma^2 / (d^2 + sigma^2))

    Tipping and Bishop (1999), Probabilistic principal component analysis. `shift` adds to the mean, and `widen` to the
    logarithm of the variance, so that it is not exact.
    """
    network = build("vae", (1, 4, 5), {"latent_dim": DIRECTIONS, "likelihood": "gaussian", "linear": "pca"}).eval()
    assert isinstance(network, vae.VAE)
    path = network.linear
    assert path is not None
    path.fit([scaled(plane(400)).numpy()], tiled=False)
    shrunk = sigma**2 / (path.deviations**2 + sigma**2)
    with torch.no_grad():
        network.mean.weight.copy_(-(shrunk / path.deviations / path.share * path.spread)[:, None] * path.components)
        network.mean.bias.copy_(shift / path.share)
        network.log_variance.bias.copy_(shrunk.log() - 2 * path.share.clamp(*vae.SHARES).log() + widen)
    return network


def log_density(network: vae.VAE, images: Bytes, sigma: float) -> Tensor:
    """Return the exact log likelihood of images (N, 1, 4, 5) in nats: (N,)."""
    path = network.linear
    assert path is not None
    decoder = path.components.double() * path.deviations.double()[:, None]
    covariance = decoder.T @ decoder + sigma**2 * torch.eye(20, dtype=torch.float64)
    return MultivariateNormal(path.mean.double(), covariance).log_prob(flat(images))


def importance_weighted(weights: Tensor) -> float:
    """Return the bound by all latents of each image together, as the paper has it: the logarithm of a mean."""
    largest = weights.max(dim=1, keepdim=True).values
    return float(((weights - largest).exp().mean(dim=1).log() + largest[:, 0]).mean())


def numbers(values: Mapping[str, object]) -> dict[str, float]:
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def test_with_the_exact_posterior_every_weight_is_the_likelihood() -> None:
    network, images = linear_gaussian(0.05), plane(50, seed=1)
    weights = log_weights(network, images, CPU, sigma=0.05, count=7)
    assert weights.dtype == torch.float64
    expected = log_density(network, images, 0.05)
    torch.testing.assert_close(weights, expected[:, None].expand(-1, 7), atol=2e-3, rtol=0)


def test_the_bounds_of_a_wrong_posterior_are_below_the_likelihood_and_rise_with_the_number_of_latents() -> None:
    network, images = linear_gaussian(0.05, shift=0.3, widen=0.5), plane(200, seed=1)
    exact = log_density(network, images, 0.05).mean().item()
    weights = log_weights(network, images, CPU, sigma=0.05, count=512)
    bounds = [weights.mean().item(), *(importance_weighted(weights[:, :count]) for count in (8, 64, 512))]
    assert bounds == sorted(bounds)
    assert bounds[0] < exact - 1
    assert exact - 0.02 < bounds[-1] < exact + 0.01


def test_one_latent_is_the_evidence_lower_bound_on_average() -> None:
    """The likelihood log p(x) = ELBO + KL(q(z | x) || p(z | x)), all of which are known."""
    network, images = linear_gaussian(0.05, shift=0.3, widen=0.5), plane(100, seed=1)
    posterior = [
        Normal(mean, (log_variance / 2).exp())
        for mean, log_variance in (
            network._distribution(scaled(images)),
            linear_gaussian(0.05)._distribution(scaled(images)),
        )
    ]
    gap = kl_divergence(*posterior).sum(dim=1).double()
    expected = (log_density(network, images, 0.05) - gap).mean().item()
    drawn = log_weights(network, images, CPU, sigma=0.05, count=2000).mean().item()
    assert drawn == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_weights_are_those_of_torchs_distributions(kind: str) -> None:
    network = build("vae", (2, 4, 5), {"latent_dim": 6, "hidden": [7], "likelihood": kind}).eval()
    assert isinstance(network, vae.VAE)
    images = np.random.default_rng(0).integers(0, 256, (9, 2, 4, 5), np.uint8)
    with torch.no_grad():
        mean, log_variance = network._distribution(scaled(images))
        posterior = Normal(mean.double(), (log_variance.double() / 2).exp())
        noise = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
        latents = mean + (log_variance / 2).exp() * noise
        decoded = network.decode(latents).double()
        pixels = Bernoulli(decoded, validate_args=False) if kind == "bernoulli" else Normal(decoded, 0.3)
        prior = Normal(0.0, 1.0).log_prob(latents.double()) - posterior.log_prob(latents.double())
        expected = pixels.log_prob(scaled(images).double()).flatten(1).sum(dim=1) + prior.sum(dim=1)
    weights = log_weights(network, images, CPU, sigma=None if kind == "bernoulli" else 0.3, count=2)
    torch.testing.assert_close(weights[:, 0], expected, atol=1e-3, rtol=1e-5)
    assert not torch.equal(weights[:, 0], weights[:, 1])
    assert torch.equal(weights, log_weights(network, images, CPU, sigma=None if kind == "bernoulli" else 0.3, count=2))


def test_a_decoder_that_is_sure_and_wrong_has_a_finite_likelihood() -> None:
    network = build("vae", (1, 4, 5), {"latent_dim": 2}).eval()
    assert isinstance(network, vae.VAE)
    layer = network.decoder[0]
    assert isinstance(layer, nn.Linear)
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, 200.0)  # of which the sigmoid is 1, and the logarithm of what is left infinite
    black = np.zeros((3, 1, 4, 5), np.uint8)
    result = likelihood(network, black, black, CPU)
    assert numbers(result)["reconstruction_nats"] == pytest.approx(20 * 200, abs=1)


def test_sigma_is_that_of_the_training_images() -> None:
    # The root of the mean of the smallest variances, where probabilistic PCA is the most likely.
    centered = flat(plane(400)) - flat(plane(400)).mean(dim=0)
    best = torch.linalg.eigvalsh(centered.T @ centered / 400)[:-DIRECTIONS].mean().sqrt().item()
    network = linear_gaussian(best)
    assert fit_sigma(network, plane(400), CPU) == pytest.approx(best, rel=0.02)
    assert numbers(likelihood(network, plane(400), plane(50, seed=1)[:, :, ::-1], CPU))["sigma"] == pytest.approx(
        best, rel=0.02
    )


def test_perfect_reconstructions_have_a_smallest_sigma() -> None:
    network = linear_gaussian(0.05)
    assert network.linear is not None
    network.linear.deviations.fill_(1e-6)
    same = np.broadcast_to((network.linear.mean * 255).round().byte().view(1, 1, 4, 5).numpy(), (5, 1, 4, 5))
    network.linear.mean.copy_(flat(same)[0])
    assert fit_sigma(network, same, CPU) == pytest.approx(0.01 / 255)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_what_is_written_adds_up_and_is_that_of_the_training_history(kind: str) -> None:
    network = build("vae", (1, 4, 5), {"latent_dim": 6, "hidden": [7], "likelihood": kind}).eval()
    assert isinstance(network, vae.VAE)
    images = plane(1000)
    result = likelihood(network, images, images, CPU)
    json.dumps(result, allow_nan=False)
    assert (result["likelihood"], result["images"], result["k"], result["left_out"]) == (kind, 1000, 64, {})
    found = numbers(result)
    with torch.no_grad():
        losses = network.losses(scaled(images))
    assert found["active_units"] == losses["active_units"].item()
    assert found["kl_nats"] == pytest.approx(losses["kl"].item(), rel=1e-4)
    assert found["reconstruction_nats"] == pytest.approx(losses["reconstruction"].item(), abs=0.5)
    assert found["elbo_nats"] == pytest.approx(-found["reconstruction_nats"] - found["kl_nats"], abs=1e-3)
    assert found["importance_weighted_nats"] > found["elbo_nats"]
    assert ("sigma" in found) == (kind == "gaussian")
    if kind == "gaussian":
        assert found["sigma"] == pytest.approx(losses["sigma"].item(), rel=0.02)
    assert result == likelihood(network, images, images, CPU)


def test_the_constants_of_the_family_are_its_own() -> None:
    assert module.ACTIVE == vae.ACTIVE
    assert SMALLEST_MSE == vae.SMALLEST_VARIANCE


def test_bits_of_gray_levels_are_those_of_their_probabilities() -> None:
    """Of pixels that do not depend on the latent, the probability of a level is known: the normal one of its interval."""
    network = linear_gaussian(0.05)
    assert network.linear is not None
    network.linear.deviations.fill_(1e-6)
    with torch.no_grad():
        for layer in (network.mean, network.log_variance):
            nn.init.zeros_(layer.weight)
        network.mean.bias.zero_()
        network.log_variance.bias.copy_(-2 * network.linear.share.clamp(*vae.SHARES).log())  # the prior
        network.linear.components.zero_()
    images = plane(60)
    result = numbers(likelihood(network, images, images, CPU))
    sigma = result["sigma"]
    levels = Normal(network.linear.mean.double(), sigma)
    probabilities = levels.cdf(flat(images) + 0.5 / 255) - levels.cdf(flat(images) - 0.5 / 255)
    bits = -probabilities.log2().mean().item()
    assert result["elbo_bits_per_dimension"] == pytest.approx(bits, abs=2e-3)
    assert result["importance_weighted_bits_per_dimension"] == pytest.approx(bits, abs=2e-3)
    assert result["active_units"] == 0


def test_a_likelihood_that_is_not_finite_is_left_out() -> None:
    network = build("vae", (1, 4, 5), {"latent_dim": 2}).eval()
    assert isinstance(network, vae.VAE)
    layer = network.decoder[0]
    assert isinstance(layer, nn.Linear)
    nn.init.constant_(layer.bias, 3e38)
    nn.init.constant_(layer.weight, 3e38)
    images = plane(10)
    result = likelihood(network, images, images, CPU)
    json.dumps(result, allow_nan=False)
    left_out = result["left_out"]
    assert isinstance(left_out, dict)
    assert left_out["elbo_nats"].startswith("expected a finite likelihood of the test images, got another")
    assert "elbo_nats" not in result
    assert "kl_nats" in result
    nn.init.constant_(network.log_variance.bias, 1e4)
    with pytest.raises(UserError, match="expected finite KL divergences"):
        likelihood(network, images, images, CPU)


class WithoutLikelihood(Autoencoder):
    """A generative family that says of its latents how far they are from the prior, and nothing of its pixels."""

    def encode(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :2]

    def decode(self, latents: Tensor) -> Tensor:
        return latents.repeat(1, 10).view(-1, 1, 4, 5)

    def divergences(self, images: Tensor) -> Tensor:
        return self.encode(images).square() / 2


def test_a_generative_family_without_a_likelihood_has_the_rest() -> None:
    result = likelihood(WithoutLikelihood((1, 4, 5), 2), plane(30), plane(20, seed=1), CPU)
    assert result.keys() == {"images", "kl_nats", "active_units", "frechet", "left_out"}
    assert result["left_out"] == {"elbo_nats": "expected a family with a likelihood of images, got one without"}


def test_only_some_of_many_images_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = linear_gaussian(0.05), plane(60, seed=1)
    whole = likelihood(network, plane(60), images[::3], CPU)
    for part in (module, realism):
        monkeypatch.setattr(part, "IMAGES", 20)
    assert likelihood(network, plane(60), images, CPU) == whole
    assert whole["images"] == 20


def by_scipy(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    difference = first.mean(axis=0) - second.mean(axis=0)
    covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    return float(difference @ difference + np.trace(sum(covariances) - 2 * sqrtm(covariances[0] @ covariances[1]).real))


def test_distances_are_those_of_the_training_images_principal_components(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realism, "COMPONENTS", 5)
    network, train, test = linear_gaussian(0.05), plane(90, seed=2), plane(45, seed=1)
    space = PCA(5, svd_solver="full").fit(flat(train).numpy())
    with torch.no_grad():
        sets = {
            "samples": network.decode(samples(45, DIRECTIONS)).clamp(0, 1),
            "reconstructions": network(scaled(test)),
            "train": scaled(train[::2]),
        }
    features = {name: space.transform(images.flatten(1).double().numpy()) for name, images in sets.items()}
    found = frechet_distances(network, train, test, CPU)
    for name, values in features.items():
        assert found.pop(name) == pytest.approx(by_scipy(values, space.transform(flat(test).numpy())), rel=1e-3), name
    assert found == {"images": 45, "components": 5}


def test_samples_of_the_right_distribution_are_as_near_as_training_images() -> None:
    centered = flat(plane(400)) - flat(plane(400)).mean(dim=0)
    network = linear_gaussian(torch.linalg.eigvalsh(centered.T @ centered / 400)[:-DIRECTIONS].mean().sqrt().item())
    right = frechet_distances(network, plane(400), plane(300, seed=1), CPU)
    assert network.linear is not None
    network.linear.deviations.mul_(2)
    wrong = frechet_distances(network, plane(400), plane(300, seed=1), CPU)
    assert right["samples"] < 20 * right["train"] < wrong["samples"]


def test_few_images_have_few_components_and_one_has_no_distance() -> None:
    assert feature_space(plane(4)).components.shape == (3, 20)
    assert feature_space(plane(400)).components.shape == (20, 20)
    network = linear_gaussian(0.05)
    with pytest.raises(ValueError, match="expected at least 2 training and 2 test images, got 9 and 1"):
        frechet_distances(network, plane(9), plane(1), CPU)
    result = likelihood(network, plane(9), plane(1), CPU)
    assert result["left_out"] == {"frechet": "expected at least 2 training and 2 test images, got 9 and 1"}
