"""Latents in two dimensions, to be looked at."""

import numpy as np
import pandas as pd

from hourglass.arrays.principal_axes import Coordinates, Rows, plane, principal_coordinates
from hourglass.arrays.spread import spread
from hourglass.files import rounded

POINTS = 1000  # latents, at most
AXES = 50  # that t-SNE sees of them, as its authors advise, at most
PERPLEXITY = 30.0  # about how many neighbors of a point t-SNE keeps near
FEWEST = 10  # latents, below which there are no neighborhoods to show
INITIAL_DEVIATION = 1e-4  # of the points that t-SNE starts from


def projection(latents: Rows) -> tuple[pd.DataFrame, dict[str, str]]:
    """Project at most 1,000 of the latents (N, D), evenly spread, on planes.

    Returns:
        A table of index, pca_1, pca_2, tsne_1 and tsne_2, and why "tsne" is left out, if it is.
    """
    chosen = spread(len(latents), POINTS)
    coordinates, _ = principal_coordinates(latents[chosen])
    planes, left_out = {"pca": plane(coordinates)[0]}, {}
    if len(chosen) < FEWEST:
        left_out["tsne"] = f"expected at least {FEWEST} images, got {len(chosen)}"
    elif not coordinates.shape[1]:
        left_out["tsne"] = "expected numbers that differ from image to image, got the same for all"
    else:
        planes["tsne"] = tsne(coordinates[:, :AXES])
    columns = {
        f"{name}_{axis + 1}": [rounded(value) for value in points[:, axis].tolist()]
        for name, points in planes.items()
        for axis in range(2)
    }
    return pd.DataFrame({"index": chosen} | columns), left_out


def tsne(coordinates: Coordinates) -> Coordinates:
    """Place points (N, 2) so that near neighbors of the principal coordinates (N, R) stay near: t-SNE.

    Van der Maaten and Hinton (2008), Visualizing data using t-SNE. It starts from the principal plane (Kobak and
    Berens, 2019, The art of using t-SNE for single-cell transcriptomics), so that what is far apart stays so, and
    nothing is random. One thread, because sums in another order would end in another picture.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    start, _ = plane(coordinates)
    perplexity = min(PERPLEXITY, (len(coordinates) - 1) / 3)
    initial = (start / start[:, 0].std() * INITIAL_DEVIATION).astype(np.float32)
    with threadpool_limits(1):
        points = TSNE(perplexity=perplexity, init=initial, random_state=0, n_jobs=1).fit_transform(coordinates)
    return points.astype(np.float64)
