"""Principal component analysis: the best linear autoencoder, and so what every other one has to beat."""

import math

import numpy as np
import sklearn.decomposition
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.errors import UserError
from stages.models.autoencoder import Autoencoder, ImageShape


class PCA(Autoencoder):
    """Projection on the `latent_dim` directions in which the training images differ most.

        image (N, C, H, W) -> flatten, minus mean -> components (D, pixels) -> latent (N, D) -> back

    Pearson, 1901. A linear autoencoder trained with squared error can at best find the same subspace (Baldi and
    Hornik, 1989). Solved, not trained: `fit` in place of gradient descent.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, image_shape: ImageShape, latent_dim: int) -> None:
        super().__init__(image_shape, latent_dim)
        pixels = math.prod(image_shape)
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("components", torch.zeros(latent_dim, pixels))

    def fit(self, images: NDArray[np.float32]) -> None:
        """Solve for the components of images (N, C, H, W) in [0, 1], with scikit-learn."""
        count, pixels = len(images), math.prod(self.image_shape)
        if self.latent_dim > min(count, pixels):
            raise UserError(
                f"expected latent_dim of at most {min(count, pixels)} for PCA of {count} training images of {pixels} "
                f"values, got {self.latent_dim}"
            )
        # Both solvers are exact and give the same bits every time; which is the faster depends on the shape.
        solver = "covariance_eigh" if count >= pixels else "full"
        projection = sklearn.decomposition.PCA(self.latent_dim, svd_solver=solver).fit(images.reshape(count, pixels))
        self.mean.copy_(torch.from_numpy(projection.mean_))
        self.components.copy_(torch.from_numpy(projection.components_))

    def encode(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, latent_dim)."""
        return (images.flatten(1) - self.mean) @ self.components.T

    def decode(self, latents: Tensor) -> Tensor:
        """(N, latent_dim) -> (N, C, H, W)."""
        return (latents @ self.components + self.mean).unflatten(1, self.image_shape)
