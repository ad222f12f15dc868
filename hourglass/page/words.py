"""How numbers and names are written on the page."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

MISSING = "\N{EN DASH}"  # in place of a value
MINUS = "\N{MINUS SIGN}"  # as wide as a plus

HEADINGS = {
    "mse": "MSE",
    "mae": "MAE",
    "psnr_db": "PSNR (dB)",
    "ssim": "SSIM",
    "ssim_gaussian": "SSIM, Gaussian window",
    "ms_ssim": "MS-SSIM",
    "knn_accuracy": "nearest neighbors, accuracy",
    "probe_accuracy": "linear probe, accuracy",
    "participation_ratio": "participation ratio",
    "elbo_bits_per_dimension": "ELBO, bits per dimension",
    "importance_weighted_nats": "importance-weighted bound (nats)",
    "importance_weighted_bits_per_dimension": "importance-weighted bound, bits per dimension",
    "k": "latents of an image for that bound",
    "images": "test images",
    "sigma": "standard deviation of a pixel",
    "frechet_train": "Fréchet distance of training images",
    "frechet_images": "images of each for that distance",
    "frechet_components": "principal components for that distance",
}
_DECIMALS = {"mse": 5, "mae": 4, "psnr_db": 2, "ssim": 3, "ssim_gaussian": 3, "ms_ssim": 3, "participation_ratio": 1}
_SPELLED = {"elbo": "ELBO", "kl": "KL divergence", "psnr": "PSNR", "ssim": "SSIM", "frechet": "Fréchet distance of"}
_UNITS = {"nats": "nats", "db": "dB", "s": "s", "percent": "%"}


def heading(key: str) -> str:
    """Return the heading of a column of values, with their unit: `kl_nats` -> KL (nats)."""
    if key in HEADINGS:
        return HEADINGS[key]
    name, _, unit = key.rpartition("_")
    text, end = (name, f" ({_UNITS[unit]})") if name and unit in _UNITS else (key, "")
    return " ".join(_SPELLED.get(word, word) for word in text.split("_")) + end


def score(metric: str, value: float | None) -> str:
    """Write a score with the decimals of its metric; a missing one is a dash."""
    return MISSING if value is None else f"{value:.{_DECIMALS.get(metric, 3)}f}"


def number(value: object) -> str:
    """Write a number with thousands separated and four digits at most behind them; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", MINUS)
    return f"{value:.4g}".replace("-", MINUS)


def size(value: float) -> str:
    """Write bytes, to a tenth below 100."""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def signed(value: float, decimals: int = 1) -> str:
    """Write a difference with its sign, a true minus."""
    return f"{value:+.{decimals}f}".replace("-", MINUS)


def prose(text: str) -> Markup:
    """Return a sentence as HTML: what stands in backticks is code, all else is escaped."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested values as rows of a dotted key and a text; lists of simple values stay on one line."""
    rows = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
            rows += flat({str(place): item for place, item in enumerate(value)}, f"{prefix}{key}.")
        else:
            text = ", ".join(map(number, value)) if isinstance(value, list) else number(value)
            rows.append((f"{prefix}{key}", text or MISSING))
    return rows
