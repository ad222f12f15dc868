"""What a group calls what is no model of its own."""

from collections.abc import Sequence


def twin_title(latent_dim: int, tile: Sequence[int] | None) -> str:
    """Return the name of PCA of as many numbers, by the same tiles: one for all models that have it as their twin."""
    return f"PCA of {latent_dim:,} numbers" + (f", {tile[0]}x{tile[1]} tiles" if tile else "")
