"""How small the latents are."""

import math

FLOAT32 = 4  # bytes


def size(latent_dim: int, image_shape: tuple[int, ...]) -> dict[str, float]:
    """Return the numbers and bytes of an image's latent, stored as float32, against an image of bytes (C, H, W)."""
    stored = latent_dim * FLOAT32
    return {
        "latent_dim": latent_dim,
        "bytes_per_image": stored,
        "compression_ratio": math.prod(image_shape) / stored,
    }
