"""Bjøntegaard-delta rate, against closed forms and an integral of another kind."""

from math import exp, inf, nan

import numpy as np
import pytest
from scipy.integrate import quad

from hourglass.metrics.bd_rate import MIN_OVERLAP, bd_rate, pareto_front

PSNR = np.array([24.0, 27.5, 31.0, 33.0, 38.0, 41.0])
RATE = np.array([90.0, 150.0, 260.0, 420.0, 900.0, 2000.0])


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.25, 3.0])
def test_a_constant_factor_is_that_many_percent(factor: float) -> None:
    assert bd_rate(factor * RATE, PSNR, RATE, PSNR) == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_lines_in_log_rate_have_a_closed_form() -> None:
    # log rate: 1 + 0.10 p and 0.5 + 0.12 p; their mean distance from 25 to 35 dB is 0.5 - 0.02 * 30.
    wide, narrow = np.linspace(20, 35, 4), np.linspace(25, 40, 7)
    found = bd_rate(np.exp(1 + 0.10 * wide), wide, np.exp(0.5 + 0.12 * narrow), narrow)
    assert found == pytest.approx(100 * (exp(0.5 - 0.02 * 30) - 1), rel=1e-9)


def test_the_other_way_round_is_the_inverse() -> None:
    other = PSNR[::2] + 1.5, RATE[::2] * 1.1
    there, back = bd_rate(*other[::-1], RATE, PSNR), bd_rate(RATE, PSNR, *other[::-1])
    assert there is not None
    assert back is not None
    assert there < 0 < back
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def hermite(p: float, psnr: np.ndarray, rate: np.ndarray) -> float:
    """Return the log rate at a PSNR by the formulas of Fritsch and Butland (1984) for the slopes, in plain floats."""
    h, y = np.diff(psnr), np.log(rate)
    d = np.diff(y) / h
    slopes = [edge(h[0], h[1], d[0], d[1])]
    for i in range(1, len(d)):
        a, b = 2 * h[i] + h[i - 1], h[i] + 2 * h[i - 1]
        slopes.append((a + b) / (a / d[i - 1] + b / d[i]))
    slopes.append(edge(h[-1], h[-2], d[-1], d[-2]))
    i = min(int(np.searchsorted(psnr, p, side="right")) - 1, len(h) - 1)
    t = (p - psnr[i]) / h[i]
    ends = (1 + 2 * t) * (1 - t) ** 2 * y[i] + t**2 * (3 - 2 * t) * y[i + 1]
    return float(ends + h[i] * (t * (1 - t) ** 2 * slopes[i] - t**2 * (1 - t) * slopes[i + 1]))


def edge(h0: float, h1: float, d0: float, d1: float) -> float:
    """Return the slope at the end of a rising curve, from three points, at most three times that of the first piece."""
    return min(max(((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1), 0), 3 * d0)


def test_it_is_the_integral_between_the_curves() -> None:
    anchor_rate, anchor_psnr = np.array([70.0, 100.0, 500.0, 1500.0]), np.array([21.0, 26.0, 35.0, 39.5])
    low, high = PSNR[0], anchor_psnr[-1]
    area, _ = quad(
        lambda p: hermite(p, PSNR, RATE) - hermite(p, anchor_psnr, anchor_rate), low, high, points=PSNR[1:5], limit=200
    )
    expected = 100 * (exp(area / (high - low)) - 1)
    assert abs(expected) > 5
    assert bd_rate(RATE, PSNR, anchor_rate, anchor_psnr) == pytest.approx(expected, rel=1e-6)


def test_curves_that_do_not_overlap_have_none() -> None:
    assert bd_rate(RATE, PSNR, RATE, PSNR + 100) is None
    assert bd_rate(RATE, PSNR, RATE, PSNR + np.ptp(PSNR) - 0.9 * MIN_OVERLAP) is None
    assert bd_rate(RATE, PSNR, RATE, PSNR + np.ptp(PSNR) - 1.1 * MIN_OVERLAP) is not None


def test_one_point_is_no_curve() -> None:
    assert bd_rate([100], [30], RATE, PSNR) is None
    assert bd_rate([100, 200, 300], [30, 29, 28], RATE, PSNR) is None  # two of them are worse and larger


def test_dominated_points_change_nothing() -> None:
    rate, psnr = [*RATE, 300.0, 2500.0, 150.0], [*PSNR, 30.5, 41.0, 27.0]
    front = pareto_front(rate, psnr)
    np.testing.assert_array_equal(front[0], RATE)
    np.testing.assert_array_equal(front[1], PSNR)
    assert bd_rate(rate, psnr, 2 * RATE, PSNR) == pytest.approx(-50)


def test_the_unit_of_the_rate_does_not_matter() -> None:
    assert bd_rate(8 * RATE[1:], PSNR[1:], 8 * RATE, PSNR + 1) == pytest.approx(
        bd_rate(RATE[1:], PSNR[1:], RATE, PSNR + 1)
    )


@pytest.mark.parametrize(
    ("rate", "psnr", "message"),
    [
        ([], [], "one or more, got shapes"),
        ([1, 2], [3], "a rate for each PSNR"),
        ([0, 2], [3, 4], "rates above zero"),
        ([1, 2], [3, nan], "finite PSNR"),
        ([1, inf], [3, 4], "finite rates"),
    ],
)
def test_what_is_no_curve_is_refused(rate: list[float], psnr: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bd_rate(rate, psnr, RATE, PSNR)
