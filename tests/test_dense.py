"""The fully connected autoencoder is the published network, mirrored around the latent."""

import torch

from hourglass.networks.base.families import build


def test_dense_is_the_published_network() -> None:
    network = build(
        "dense",
        (1, 28, 28),
        {
            "latent_dim": 4,
            "hidden": (300,),
            "activation": "leaky_relu",
            "latent_activation": "leaky_relu",
            "output_activation": "leaky_relu",
            "negative_slope": 0.3,
        },
    )
    widths = [
        (layer.in_features, layer.out_features) for layer in network.modules() if isinstance(layer, torch.nn.Linear)
    ]
    assert widths == [(784, 300), (300, 4), (4, 300), (300, 784)]
    slopes = [layer.negative_slope for layer in network.modules() if isinstance(layer, torch.nn.LeakyReLU)]
    assert slopes == [0.3] * 4  # after every layer, the last included


def test_dense_is_mirrored_and_ends_as_told() -> None:
    network = build("dense", (1, 4, 4), {"latent_dim": 2, "hidden": [9, 5], "output_activation": "sigmoid"})
    assert isinstance(network.decoder, torch.nn.Sequential)
    layers = [
        layer for layer in network.modules() if isinstance(layer, torch.nn.Linear | torch.nn.ReLU | torch.nn.Sigmoid)
    ]
    shapes = [layer.out_features if isinstance(layer, torch.nn.Linear) else type(layer).__name__ for layer in layers]
    assert shapes == [9, "ReLU", 5, "ReLU", 2, 5, "ReLU", 9, "ReLU", 16, "Sigmoid"]
