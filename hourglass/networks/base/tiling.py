"""Split images into tiles, and join tiles to images."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ImageShape = tuple[int, int, int]  # (C, H, W)
ImageBatches = Iterable[NDArray[np.float32]]  # of images (N, C, H, W) in [0, 1]


def tiles_per_image(image_shape: ImageShape, tile: tuple[int, int]) -> int:
    """Count the tiles (height, width) that cover an image (C, H, W).

    Raises:
        ValueError: If a tile is larger than the image, and so for the most part a copy of its edge.
    """
    if any(side > size for size, side in zip(image_shape[1:], tile, strict=True)):
        largest, got = (f"{height}x{width}" for height, width in (image_shape[1:], tile))
        raise ValueError(f"expected a tile of at most {largest}, the size of an image, got {got}")
    return math.prod(math.ceil(size / side) for size, side in zip(image_shape[1:], tile, strict=True))


def split(images: Tensor, tile: tuple[int, int]) -> Tensor:
    """Split images (N, C, H, W), of any dtype, into tiles (N * rows * columns, C, h, w), row by row.

    Tiles that reach beyond an image repeat the pixels of its edge.
    """
    (height, width), count = tile, len(images)
    rows, columns = (math.ceil(size / side) for size, side in zip(images.shape[2:], tile, strict=True))
    down = torch.arange(rows * height, device=images.device).clamp(max=images.shape[2] - 1)
    across = torch.arange(columns * width, device=images.device).clamp(max=images.shape[3] - 1)
    grid = images[:, :, down[:, None], across].unflatten(3, (columns, width)).unflatten(2, (rows, height))
    return grid.permute(0, 2, 4, 1, 3, 5).reshape(count * rows * columns, -1, height, width)


def join(tiles: Tensor, image_shape: ImageShape) -> Tensor:
    """Join tiles (N * rows * columns, C, h, w) to images (N, C, H, W), and crop what reaches beyond them."""
    _, height, width = image_shape
    rows, columns = math.ceil(height / tiles.shape[2]), math.ceil(width / tiles.shape[3])
    grid = tiles.unflatten(0, (-1, rows, columns)).permute(0, 3, 1, 4, 2, 5)
    return grid.flatten(4).flatten(2, 3)[:, :, :height, :width]


class Parts:
    """Batches of images (N, C, H, W), or of their tiles, flattened to (M, pixels), as often as `batches` are."""

    def __init__(self, batches: ImageBatches, tile: tuple[int, int] | None) -> None:
        self.batches, self.tile = batches, tile

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for images in self.batches:
            parts = images if self.tile is None else split(torch.from_numpy(images), self.tile).numpy()
            yield parts.reshape(len(parts), -1)
