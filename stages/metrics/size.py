"""How small the latents are."""

import math

FLOAT32 = 4  # bytes


def size(latent_dim: int, image_shape: tuple[int, ...]) -> dict[str, float]:
    """Count the numbers and bytes that stand for an image of bytes (C, H, W), stored as float32."""
    stored = latent_dim * FLOAT32
    return {
        "latent_dim": latent_dim,
        "bytes_per_image": stored,
        "compression_ratio": math.prod(image_shape) / stored,
    }
