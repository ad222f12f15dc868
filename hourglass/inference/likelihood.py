"""How likely a variational autoencoder finds images that it has not seen.

The values of likelihood.json; nats and bits are means over at most 2,048 test images, evenly spread:

likelihood                         "bernoulli" or "gaussian", as params.yaml names it
images, k                          how many test images, and latents of each
elbo_nats                          evidence lower bound of the log likelihood: -(reconstruction_nats + kl_nats)
reconstruction_nats, kl_nats       its two parts, as in the training history
importance_weighted_nats           a closer lower bound, by all k latents of an image together
elbo_bits_per_dimension            the negative bound in bits, divided by the values of an image: of "gaussian" those of
                                   256 gray levels, of "bernoulli" the cross-entropy of values in [0, 1], which compares
                                   with no other
importance_weighted_bits_per_dimension
active_units                       dimensions whose mean divergence from the prior is more than 0.01 nats
sigma                              of "gaussian": its standard deviation, fitted to training images, at most 4,096, in
                                   [0, 1]
frechet                            what `hourglass.inference.realism.frechet_distances` returns
left_out                           what could not be computed, and why
"""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from hourglass.arrays.spread import spread_out
from hourglass.data.prepared import Images
from hourglass.files import rounded
from hourglass.inference.batches import batches
from hourglass.inference.generate import mean_divergences
from hourglass.inference.realism import frechet_distances
from hourglass.metrics.quality import SMALLEST_MSE
from hourglass.networks.base.autoencoder import Autoencoder

SAMPLES = 64
IMAGES, TRAIN_IMAGES = 2048, 4096  # at most
GRAY_STEPS = 255  # from 0 to 1
ACTIVE = 0.01  # nats, as in hourglass/networks/vae.py, which no module imports: it is code of its own models alone

NONE = "expected a family with a likelihood of images, got one without"
INFINITE = "expected a finite likelihood of the test images, got another: lower `learning_rate`, and train again"


@runtime_checkable
class Variational(Protocol):
    """A family that encodes an image as a normal distribution, and decodes latents to a likelihood of images.

    Its private methods are named here because they have no public ones: every training depends on the file where they
    are, so that another name for them there would train all models again.
    """

    likelihood: str

    def _distribution(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the means and the logarithms of the variances, (N, latent_dim) each."""

    def _logits(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W), of which the sigmoid is the probability of white."""


@torch.no_grad()
def likelihood(network: Autoencoder, train: Images, test: Images, device: torch.device) -> dict[str, object]:
    """Return the values listed above, of a generative network and uint8 images (N, C, H, W).

    The network has to be on `device` and in evaluation mode.

    Raises:
        UserError: If its divergence from the prior is not finite.
    """
    images = spread_out(test, IMAGES)
    divergences = mean_divergences(network, images, device)
    kl, active_units = divergences.sum().item(), int((divergences > ACTIVE).sum())
    values: dict[str, object] = {"images": len(images), "active_units": active_units, "kl_nats": rounded(kl)}
    left_out: dict[str, str] = {}
    try:
        values["frechet"] = frechet_distances(network, train, test, device)
    except ValueError as error:
        left_out["frechet"] = str(error)
    if isinstance(network, Variational):
        bounds = _bounds(network, spread_out(train, TRAIN_IMAGES), images, kl, device)
        finite = {name: rounded(value) for name, value in bounds.items() if math.isfinite(value)}
        values |= {"likelihood": network.likelihood, "k": SAMPLES} | finite
        left_out |= dict.fromkeys(bounds.keys() - finite.keys(), INFINITE)
    else:
        left_out["elbo_nats"] = NONE
    return values | {"left_out": left_out}


@torch.no_grad()
def log_weights(
    network: Autoencoder, images: Images, device: torch.device, sigma: float | None = None, count: int = SAMPLES
) -> Tensor:
    """Return log p(x | z) + log p(z) - log q(z | x) in nats, of `count` latents z of each image x: (N, count), float64.

    Their mean is the evidence lower bound, which is that of one latent. The logarithm of the mean of all weights of an
    image is a closer one, the more of them the closer: Burda, Grosse and Salakhutdinov (2016), Importance weighted
    autoencoders, arXiv:1509.00519.

    Args:
        network: A variational autoencoder on `device` and in evaluation mode.
        images: uint8 (N, C, H, W).
        device: Where to compute.
        sigma: Standard deviation of a Gaussian likelihood, of images in [0, 1]; None for a Bernoulli one.
        count: Latents of each image.
    """
    assert isinstance(network, Variational)
    generator = torch.Generator().manual_seed(0)  # on the CPU, so that every device draws the same
    weights = []
    for originals in batches(images, device):
        mean, log_variance = network._distribution(originals)
        drawn = []
        for _ in range(count):  # one latent of each image at a time: as much memory as a batch takes anywhere else
            noise = torch.randn(mean.shape, generator=generator).to(mean)
            latents = mean + (log_variance / 2).exp() * noise
            # log p(z) - log q(z | x), in which the constants of two normal distributions cancel.
            prior = (noise.double().square() - latents.double().square() + log_variance.double()).sum(dim=1) / 2
            drawn.append(prior + _log_likelihood(network, originals, latents, sigma))
        weights.append(torch.stack(drawn, dim=1).cpu())
    return torch.cat(weights)


@torch.no_grad()
def fit_sigma(network: Autoencoder, images: Images, device: torch.device) -> float:
    """Return the standard deviation with which images are most likely, given a latent of each: their root error."""
    assert isinstance(network, Variational)
    generator = torch.Generator().manual_seed(1)
    total = 0.0
    for originals in batches(images, device):
        mean, log_variance = network._distribution(originals)
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        decoded = network.bounded(network.decode(mean + (log_variance / 2).exp() * noise))
        total += (originals.double() - decoded.double()).square().sum().item()
    return math.sqrt(max(total / math.prod(images.shape), SMALLEST_MSE))


def _log_likelihood(network: Autoencoder, images: Tensor, latents: Tensor, sigma: float | None) -> Tensor:
    """Return log p(x | z) in nats, summed over the values of each image: (N,), float64."""
    assert isinstance(network, Variational)
    if sigma is None:
        logits = network._logits(latents).double()
        return -functional.binary_cross_entropy_with_logits(logits, images.double(), reduction="none").flatten(1).sum(1)
    errors = (images.double() - network.bounded(network.decode(latents)).double()).square().flatten(1)
    return -(errors / sigma**2 + math.log(2 * math.pi * sigma**2)).sum(dim=1) / 2


def _bounds(network: Autoencoder, train: Images, images: Images, kl: float, device: torch.device) -> dict[str, float]:
    """Return sigma, if there is one, and the bounds in nats and in bits, given the divergence in nats."""
    assert isinstance(network, Variational)
    gaussian = network.likelihood == "gaussian"
    fitted = {"sigma": fit_sigma(network, train, device)} if gaussian else {}
    weights = log_weights(network, images, device, fitted.get("sigma"))
    elbo = weights.mean().item()
    closer = (weights.logsumexp(dim=1) - math.log(SAMPLES)).mean().item()
    nats_per_bit = math.log(2) * math.prod(network.image_shape)
    step = math.log2(GRAY_STEPS) if gaussian else 0.0  # a density times a step is the probability of a gray level
    return fitted | {
        "elbo_nats": elbo,
        # Less noisy than the mean of -log p(x | z), and it adds up: the divergence is known, not drawn.
        "reconstruction_nats": -elbo - kl,
        "importance_weighted_nats": closer,
        "elbo_bits_per_dimension": step - elbo / nats_per_bit,
        "importance_weighted_bits_per_dimension": step - closer / nats_per_bit,
    }
