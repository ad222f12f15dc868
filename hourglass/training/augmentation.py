"""Random changes of training images, for small data sets."""

import torch
from torch import Tensor

from hourglass.config.types import Flag, Pixels


class Augmentation:
    """Mirrors and shifts images at random, anew for every batch.

    Draws from the device's default generator, as layers do. Where an image moves away, its edge is repeated.

    Args:
        flip: Mirror half of the images from left to right.
        shift: Move every image by up to this many pixels along each axis.
    """

    def __init__(self, *, flip: Flag = False, shift: Pixels = 0) -> None:
        self.flip, self.shift = flip, shift

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, H, W) of any type -> the same shape and type."""
        count, channels, height, width = images.shape
        device = images.device
        down, across = torch.randint(-self.shift, self.shift + 1, (2, count, 1), device=device)
        rows = (torch.arange(height, device=device) + down).clamp(0, height - 1)
        columns = (torch.arange(width, device=device) + across).clamp(0, width - 1)
        if self.flip:
            mirrored = torch.randint(2, (count, 1), device=device).bool()
            columns = torch.where(mirrored, columns.flip(1), columns)
        image = torch.arange(count, device=device)[:, None, None, None]
        channel = torch.arange(channels, device=device)[:, None, None]
        return images[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
