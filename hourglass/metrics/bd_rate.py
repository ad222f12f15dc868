"""Bjøntegaard-delta rate: how many percent more bytes one curve of rate and distortion takes than another.

Bjøntegaard (2001), Calculation of average PSNR differences between RD-curves, ITU-T VCEG-M33: the mean distance of the
two curves of log rate over PSNR, where both have a PSNR. Between their points they are piecewise cubic Hermite
polynomials that keep their monotony (Fritsch and Carlson, 1980, as JCT-VC and AOMedia's common test conditions have it)
in place of one cubic through four points, which more points would bend.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

MIN_OVERLAP = 0.5  # dB; fewer say nothing of two curves

Values = NDArray[np.float64]


def bd_rate(rate: ArrayLike, psnr: ArrayLike, anchor_rate: ArrayLike, anchor_psnr: ArrayLike) -> float | None:
    """Return the mean difference of rate at equal PSNR in percent of the anchor's; below zero, the curve is better.

        100 (10^mean(log10 rate(p) - log10 anchor_rate(p)) - 1), over all PSNR p that both curves have

    Args:
        rate: Of the curve, bytes or bits, (n,).
        psnr: Of its points in dB, (n,).
        anchor_rate: Of the curve to compare with, (m,).
        anchor_psnr: Of its points in dB, (m,).

    Returns:
        None where the curves have less than 0.5 dB in common, or one of them fewer than two points.
    """
    curves = pareto_front(rate, psnr), pareto_front(anchor_rate, anchor_psnr)
    low, high = max(points[0] for _, points in curves), min(points[-1] for _, points in curves)
    if min(len(points) for _, points in curves) < 2 or high - low < MIN_OVERLAP:
        return None
    areas = [PchipInterpolator(points, np.log10(rates)).integrate(low, high) for rates, points in curves]
    return float(100 * (10 ** ((areas[0] - areas[1]) / (high - low)) - 1))


def pareto_front(rate: ArrayLike, psnr: ArrayLike) -> tuple[Values, Values]:
    """Return rates and PSNR of the points, in order, that no other has with less rate or more PSNR: both grow.

    Raises:
        ValueError: If there is no point, a rate is not above zero, or a value is not finite.
    """
    rates, points = np.asarray(rate, np.float64), np.asarray(psnr, np.float64)
    if rates.ndim != 1 or rates.shape != points.shape or not len(rates):
        raise ValueError(f"expected a rate for each PSNR, one or more, got shapes {rates.shape} and {points.shape}")
    if not (np.isfinite(rates).all() and np.isfinite(points).all() and rates.min() > 0):
        raise ValueError("expected finite rates above zero and finite PSNR")
    order = np.lexsort((-points, rates))
    rates, points = rates[order], points[order]
    kept = points > np.concatenate([[-np.inf], np.maximum.accumulate(points)[:-1]])
    return rates[kept], points[kept]
