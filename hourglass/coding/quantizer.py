"""Latents as integers: a step and the distribution of each dimension, fitted once and stored with the model.

    latents (N, D) -> ticks, of the finest step -> symbols, of 2^(16 - bits) ticks each -> ticks -> latents

All that decides which bytes stand for which latent is integers, products and sums: these have the same bits on every
machine, as a table that a network or a logarithm computes has not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from hourglass.console.errors import UserError
from hourglass.files import whole_file

Latents = NDArray[np.float32]  # (N, D)
Ticks = NDArray[np.int64]  # (N, D)
Values = NDArray[np.float64]  # (P,)

QUANTIZER = "quantizer.safetensors"
MIN_BITS, MAX_BITS = 4, 16
KNOTS = 256  # segments of a distribution, at most
PER_KNOT = 8  # latents in each, at least
LARGEST_TICK = 1 << 30
SMALLEST_WEIGHT = 1e-6  # of a dimension against that of the heaviest: no step is a million times as long as another


@dataclass(frozen=True)
class Quantizer:
    """How the latents of a model become integers. Row p of each array is of the dimensions p, p + P, p + 2P, ...

    Attributes:
        mean: What tick 0 stands for, (P,) float64.
        step: The length of a tick, (P,) float64.
        knots: Quantiles of the ticks of the training images' latents, at equal distances in probability, in ascending
            order: (P, K + 1) int64.
    """

    mean: Values
    step: Values
    knots: Ticks

    @classmethod
    def fit(cls, latents: Latents, sensitivity: Values) -> "Quantizer":
        """Fit steps and distributions to the latents of training images.

        An error of one tick in any dimension changes the reconstruction by the same amount, so that no dimension is
        stored more finely than it is worth. The dimension that moves the reconstruction most has 2^16 ticks from the
        smallest to the largest of its latents, and others fewer.

        Args:
            latents: (N, D).
            sensitivity: The length by which a reconstruction moves when a dimension moves by 1, (P,); P divides D.
        """
        values = latents.astype(np.float64).reshape(-1, len(sensitivity))  # (M, P)
        mean, spread = values.mean(axis=0), np.ptp(values, axis=0)
        weight = sensitivity * spread
        heaviest = weight.max() if weight.max() > 0 else 1.0
        weight = np.maximum(weight, SMALLEST_WEIGHT * heaviest)
        step = np.where(spread > 0, spread, 1.0) / (weight / heaviest * (1 << MAX_BITS))
        ticks = np.sort(_to_ticks(values, mean, step), axis=0)
        segments = min(KNOTS, max(1, len(ticks) // PER_KNOT))
        places = np.arange(segments + 1) * (len(ticks) - 1) // segments
        return cls(mean, step, np.ascontiguousarray(ticks[places].T))

    def ticks(self, latents: Latents) -> Ticks:
        """(N, D) latents -> (N, D) ticks.

        Raises:
            UserError: If a latent is not finite.
        """
        if not np.isfinite(latents).all():
            raise UserError("expected finite latents, got NaN or infinity among them")
        rows = latents.astype(np.float64).reshape(-1, len(self.mean))
        return _to_ticks(rows, self.mean, self.step).reshape(latents.shape)

    def latents(self, ticks: Ticks) -> Latents:
        """(N, D) ticks -> (N, D) latents."""
        scaled = ticks.reshape(-1, len(self.mean)) * self.step
        scaled += self.mean  # not in one expression: a product and a sum in one rounding differ between machines
        return scaled.astype(np.float32).reshape(ticks.shape)

    def quantize(self, latents: Latents, bits: int) -> Latents:
        """Return the latents as they are after a file of `bits` a number: (N, D)."""
        return self.latents(from_symbols(to_symbols(self.ticks(latents), bits), bits))

    def save(self, path: Path) -> None:
        """Write all to a safetensors file, the same bytes for the same values."""
        arrays = {"mean": self.mean, "step": self.step, "knots": self.knots}
        with whole_file(path) as partial:
            partial.write_bytes(save(arrays))

    @classmethod
    def load(cls, path: Path, latent_dim: int) -> "Quantizer":
        """Read what `save` wrote; the model has `latent_dim` numbers.

        Raises:
            UserError: If the file is missing, or no quantizer of such latents.
        """
        try:
            arrays = load_file(path)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: expected a quantizer, got: {error}") from None
        if reason := _why_not(arrays, latent_dim):
            raise UserError(f"{path}: expected a quantizer of {latent_dim} numbers, got {reason}")
        return cls(arrays["mean"], arrays["step"], arrays["knots"])


def to_symbols(ticks: Ticks, bits: int) -> Ticks:
    """Round ticks to symbols of `bits`: half up, as a shift does on every machine."""
    shift = MAX_BITS - bits
    return (ticks + ((1 << shift) >> 1)) >> shift


def from_symbols(symbols: Ticks, bits: int) -> Ticks:
    """Return the ticks in the middle of each symbol."""
    return symbols << (MAX_BITS - bits)


def _to_ticks(rows: NDArray[np.float64], mean: Values, step: Values) -> Ticks:
    return np.clip(np.rint((rows - mean) / step), -LARGEST_TICK, LARGEST_TICK).astype(np.int64)


def _why_not(arrays: Mapping[str, NDArray[Any]], latent_dim: int) -> str:
    """Return why arrays are no quantizer, "" if they are one."""
    if arrays.keys() != {"mean", "step", "knots"}:
        return f"the arrays {', '.join(sorted(arrays)) or 'none'}"
    mean, step, knots = arrays["mean"], arrays["step"], arrays["knots"]
    rows = len(mean) if mean.ndim == 1 else 0
    if not rows or latent_dim % rows or step.shape != (rows,) or knots.ndim != 2 or len(knots) != rows:
        return f"arrays of {mean.shape}, {step.shape} and {knots.shape}"
    if [array.dtype.name for array in (mean, step, knots)] != ["float64", "float64", "int64"]:
        return f"{mean.dtype}, {step.dtype} and {knots.dtype}"
    if not (2 <= knots.shape[1] <= KNOTS + 1 and np.isfinite(mean).all() and np.isfinite(step).all()):
        return "numbers that are not finite, or too many"
    if not (step > 0).all() or (np.diff(knots) < 0).any() or knots.min() < -LARGEST_TICK or knots.max() > LARGEST_TICK:
        return "steps or quantiles that are none"
    return ""


def check_bits(bits: int) -> None:
    """Raise UserError unless there are so many bits."""
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not MIN_BITS <= bits <= MAX_BITS:
        raise UserError(f"expected {MIN_BITS} to {MAX_BITS} bits, got {bits}")
