"""Other views of the same images, for sets that are small."""

import torch
from torch import Tensor


class Augmentation:
    """Mirrors half of the images if `flip`, and moves each by up to `shift` pixels; edges go on where it left.

    Drawn anew for every batch, from the device's own generator, as what layers draw.
    """

    def __init__(self, flip: bool = False, shift: int = 0) -> None:
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
        of_image = torch.arange(count, device=device)[:, None, None, None]
        of_channel = torch.arange(channels, device=device)[:, None, None]
        return images[of_image, of_channel, rows[:, None, :, None], columns[:, None, None, :]]
