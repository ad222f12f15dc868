"""Cut images into tiles, and put them together again."""

import math

import torch
from torch import Tensor

from stages.models.base.autoencoder import ImageShape


def split(images: Tensor, tile: tuple[int, int]) -> Tensor:
    """Cut images (N, C, H, W), of any type, into tiles (N * rows * columns, C, h, w), row by row.

    Where the tiles do not fit, the image is continued by its edge.
    """
    (height, width), count = tile, len(images)
    rows, columns = (math.ceil(size / side) for size, side in zip(images.shape[2:], tile, strict=True))
    down = torch.arange(rows * height, device=images.device).clamp(max=images.shape[2] - 1)
    across = torch.arange(columns * width, device=images.device).clamp(max=images.shape[3] - 1)
    grid = images[:, :, down[:, None], across].unflatten(3, (columns, width)).unflatten(2, (rows, height))
    return grid.permute(0, 2, 4, 1, 3, 5).reshape(count * rows * columns, -1, height, width)


def join(tiles: Tensor, image_shape: ImageShape) -> Tensor:
    """Put tiles (N * rows * columns, C, h, w) together to images (N, C, H, W); what lies beyond the edge is cropped."""
    _, height, width = image_shape
    rows, columns = math.ceil(height / tiles.shape[2]), math.ceil(width / tiles.shape[3])
    grid = tiles.unflatten(0, (-1, rows, columns)).permute(0, 3, 1, 4, 2, 5)
    return grid.flatten(4).flatten(2, 3)[:, :, :height, :width]
