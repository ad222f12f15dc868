"""Results of a model that was never trained, for pictures."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hourglass.figures.evaluated import Evaluated, Generated


def evaluated(
    shape: tuple[int, ...] = (5, 1, 8, 6), latent_dim: int = 3, classes: int = 2, ssim: bool = True
) -> Evaluated:
    """Return a generative model's results on random images (N, C, H, W), trained for three epochs."""
    generator = np.random.default_rng(0)

    def images(*rows: int) -> NDArray[np.uint8]:
        return generator.integers(0, 256, (*rows, *shape[1:]), dtype=np.uint8)

    count = shape[0]
    labels = {"index": range(count), "label": [f"class {row % classes}" for row in range(count)]}
    scores = {"index": range(count), "mse": np.linspace(0.1, 0.2, count), "psnr_db": np.linspace(10, 7, count)}
    generated = Generated(
        images(2), images(latent_dim, 2), images(3), list(range(latent_dim)), [0.5] * latent_dim, [-1.0, 1.0]
    )
    return Evaluated(
        name="cells-vae",
        originals=images(count),
        reconstructions=images(count),
        latents=generator.normal(size=(count, latent_dim)).astype(np.float32),
        labels=pd.DataFrame(labels | {"source": [f"cells.npy[{row}]" for row in range(count)]}),
        scores=pd.DataFrame(scores | ({"ssim": np.linspace(0.8, 0.9, count)} if ssim else {})),
        history=pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2, 1], "val_loss": [4.0, 2, 3]}),
        generated=generated,
    )
