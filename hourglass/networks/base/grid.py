"""Networks of a grid of tiles: what a tile needs to know of its neighbors, and what of itself."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from hourglass.networks.base.layers import Residual, glorot
from hourglass.networks.base.linear_path import zeroed


class Grid(nn.Module):
    """Half of an autoencoder of tiles that overlap: the sum of a lapped linear transform and a network of each tile.

        grid (N, inputs, rows, columns) -> 3x3 convolution ------------------------------------------------> sum
                                        -> 1x1 convolutions `hidden` -> residual blocks -> 1x1 convolution -> sum

    Each place of the grid is a tile. The convolution of 3x3 sees the tile and its eight neighbors, and so learns a
    lapped transform (Malvar and Staelin, 1989, The LOT: transform coding without blocking effects), which a transform
    of single tiles cannot be. Both parts end in zeros: whatever they are added to, they start as nothing.

    Args:
        inputs: Channels that come in.
        hidden: Channels of the network's layers; none: the lapped transform is all there is.
        outputs: Channels that come out.
        residual: Residual blocks of 1x1 convolutions behind the last hidden layer.
        activation: Makes the layer that follows each hidden one.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        residual: int,
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.lapped = zeroed(nn.Conv2d(inputs, outputs, 3, padding="same"))
        layers: list[nn.Module] = []
        for before, after in pairwise([inputs, *hidden]):
            layers += [glorot(nn.Conv2d(before, after, 1)), activation()]
        if hidden:
            layers += [Residual(hidden[-1], activation, norm=False, kernel=1) for _ in range(residual)]
            layers.append(zeroed(nn.Conv2d(hidden[-1], outputs, 1)))
        self.network = nn.Sequential(*layers) if hidden else None

    def forward(self, grid: Tensor) -> Tensor:
        """(N, inputs, rows, columns) -> (N, outputs, rows, columns)."""
        return self.lapped(grid) if self.network is None else self.lapped(grid) + self.network(grid)
