"""Compare exported graphs with the network that they come from."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hourglass.codec.codec import Codec, Images
from hourglass.codec.images import ImageList
from hourglass.coding.quantizer import Latents, Quantizer
from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.networks.base.autoencoder import Autoencoder, scale

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LIMIT = 1e-4  # of the range of the values
FIRST, NEXT = 1, 5  # images in the first batch, and in each that follows: what is frozen to either fails at the other
ERRORS_ONLY = 3  # of onnxruntime's levels of severity

Pair = tuple[Tensor, Tensor]  # images (n, C, H, W) and latents (n, D)


@dataclass(frozen=True)
class Differences:
    """How much what onnxruntime computes differs from torch.

    Attributes:
        latents: The largest absolute difference between latents of the same image, divided by the range of all that
            torch computed, the largest minus the smallest.
        reconstructions: The largest absolute difference between reconstructions of the same latents; these are in
            [0, 1].
        images: How many were compared.
    """

    latents: float
    reconstructions: float
    images: int

    def __str__(self) -> str:
        """Return all as the end of a sentence."""
        return (
            f"on {self.images} images at most {self.latents:.1e} of their range in the latents, and "
            f"{self.reconstructions:.1e} in the reconstructions, which are in [0, 1]"
        )


def require_packages() -> None:
    """Raise UserError if a package of `hourglass[onnx]` is missing."""
    for name in PACKAGES:
        import_package(name)


def check(folder: Path, codec: Codec, network: Autoencoder, images: Images) -> Differences:
    """Compare encoder.onnx and decoder.onnx with the codec's network, on the CPU, in batches of 1 and of 5.

    Raises:
        UserError: If one does not run, or differs from torch by more than 1e-4: in latents of their range, in
            reconstructions of 1.
    """
    given = codec.prepare(images)
    count = max(len(given), FIRST + NEXT)
    pairs = _given(given, network, count) if len(given) else _drawn(codec.quantizer, network, count)
    differences = Differences(*_compare(folder, network, pairs, count), images=len(given) or count)
    for name, what, difference in (
        (ENCODER, "the latents' range", differences.latents),
        (DECODER, "the images' range", differences.reconstructions),
    ):
        if not difference <= LIMIT:  # nor NaN
            raise UserError(
                f"{name}: expected what torch computes within {LIMIT:.0e} of {what}, got a difference of "
                f"{difference:.1e}: this model cannot be exported"
            )
    return differences


@torch.no_grad()
def _compare(folder: Path, network: Autoencoder, pairs: Iterator[Pair], count: int) -> tuple[float, float]:
    """Return the differences of `Differences`, in latents and in reconstructions, over `count` images and latents."""
    encoder, decoder = _Graph(folder / ENCODER), _Graph(folder / DECODER)
    with progress(count, "compare", "image") as bar:
        for images, latents in pairs:
            encoder.compare(images, network.encode(images))
            decoder.compare(latents, network.decode(latents).clamp(0, 1))
            bar.update(len(images))
    return encoder.difference / (encoder.high - encoder.low or 1.0), decoder.difference


class _Graph:
    """An exported graph, its largest difference from torch, and the range of what torch computed."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.difference, self.low, self.high = 0.0, np.inf, -np.inf
        runtime = import_package("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = ERRORS_ONLY
        with _named(self.name):
            self.session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def compare(self, inputs: Tensor, expected: Tensor) -> None:
        """Compute the outputs of a batch, and compare them with those of torch."""
        wanted, got = expected.numpy(), self.run(inputs.numpy())
        if got.shape != wanted.shape:
            raise UserError(f"{self.name}: expected outputs of {wanted.shape}, got {got.shape}")
        self.difference = float(np.maximum(self.difference, np.abs(wanted - got).max()))  # which keeps NaN
        self.low, self.high = min(self.low, float(wanted.min())), max(self.high, float(wanted.max()))

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the outputs of a batch."""
        (name,) = (end.name for end in self.session.get_inputs())
        with _named(self.name):
            (outputs,) = self.session.run(None, {name: inputs})
        return outputs


@torch.no_grad()
def _given(images: ImageList, network: Autoencoder, count: int) -> Iterator[Pair]:
    """Yield images, over again where there are fewer than `count`, and their latents."""
    for start, stop in _batches(count):
        pixels = np.stack([images.prepared(index % len(images)) for index in range(start, stop)])
        batch = scale(torch.from_numpy(pixels))
        yield batch, network.encode(batch)


@torch.no_grad()
def _drawn(quantizer: Quantizer, network: Autoencoder, count: int) -> Iterator[Pair]:
    """Yield `count` latents as those of training images are distributed, and what they are decoded to."""
    latents = torch.from_numpy(draw(quantizer, count, network.latent_dim))
    for start, stop in _batches(count):
        batch = latents[start:stop]
        yield network.decode(batch).clamp(0, 1), batch


def _batches(count: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last index, exclusive, of each batch of `count` images."""
    yield 0, FIRST
    for start in range(FIRST, count, NEXT):
        yield start, min(start + NEXT, count)


def draw(quantizer: Quantizer, count: int, latent_dim: int) -> Latents:
    """Return latents (N, D), each number drawn on its own, and the same every time.

    Between two of its quantiles, which are at equal distances in probability, a number is uniform.
    """
    rows, segments = len(quantizer.mean), quantizer.knots.shape[1] - 1
    places = np.random.default_rng(0).uniform(0, segments, (count * latent_dim // rows, rows))
    lower = places.astype(np.int64)
    row = np.arange(rows)
    start, end = quantizer.knots[row, lower], quantizer.knots[row, lower + 1]
    ticks = np.rint(start + (places - lower) * (end - start)).astype(np.int64)
    return quantizer.latents(ticks.reshape(count, latent_dim))


def import_package(name: str) -> ModuleType:
    """Import a package that only an export needs; raise UserError if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"expected the package {name}, got: {reason}: pip install 'hourglass[onnx]'") from None


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn the errors of onnxruntime, whose classes have no common name, into a UserError of one line."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{name}: expected a graph that onnxruntime computes, got: {reason}") from None
