"""What plots and reports say of a model beside its scores; `hourglass.metrics.results.About` is for who reads it."""

import math

from hourglass.metrics.scores import left_out


def about(
    dataset: str,
    family: str,
    image_shape: tuple[int, int, int],
    tile: tuple[int, int],
    latent_dim: int,
    bits: int,
    bytes_per_image: float,
) -> dict[str, object]:
    """Return the values of about.json.

    Args:
        dataset: The name of the data set.
        family: The name of the family.
        image_shape: (C, H, W).
        tile: Height and width of what the network sees at once.
        latent_dim: Numbers in the latent of an image.
        bits: Of each number in a file.
        bytes_per_image: In a file of many images.
    """
    return {
        "dataset": dataset,
        "family": family,
        "tile": None if tile == image_shape[1:] else tile,
        "left_out": left_out(image_shape),
        "latent_dim": latent_dim,
        "bits": bits,
        "bytes_per_image": bytes_per_image,
        "compression_ratio": math.prod(image_shape) / bytes_per_image,
    }
