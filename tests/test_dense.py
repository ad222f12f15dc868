"""The fully connected autoencoder is mirrored around the latent."""

import torch

from hourglass.networks.base.families import build


def test_dense_is_mirrored_and_ends_as_told() -> None:
    network = build("dense", (1, 4, 4), {"latent_dim": 2, "hidden": [9, 5], "output_activation": "sigmoid"})
    assert isinstance(network.decoder, torch.nn.Sequential)
    layers = [
        layer for layer in network.modules() if isinstance(layer, torch.nn.Linear | torch.nn.ReLU | torch.nn.Sigmoid)
    ]
    shapes = [layer.out_features if isinstance(layer, torch.nn.Linear) else type(layer).__name__ for layer in layers]
    assert shapes == [9, "ReLU", 5, "ReLU", 2, 5, "ReLU", 9, "ReLU", 16, "Sigmoid"]
