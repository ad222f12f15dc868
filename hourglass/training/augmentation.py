"""Random changes of training images, for small data sets."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hourglass.config.types import Flag, Pixels, Side
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.losses import check_losses


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Mirrors, turns, shifts and crops images at random, anew for every batch.

    Draws from the device's default generator, as layers do. Where an image is shifted away, its edge is repeated; a
    crop lies inside the image.

    Args:
        flip: Mirror half of the images from left to right.
        flip_vertical: Mirror half of the images from top to bottom.
        transpose: Swap rows and columns of half of the images: with both flips, every turn by 90 degrees; for squares.
        shift: Move every image by up to this many pixels along each axis.
        crop: Side of the square that is cut out of every image, in pixels, for networks that take images of any size;
            the whole image unless given.

    Raises:
        ValueError: If there are both `shift` and `crop`, which moves images already.
    """

    flip: Flag = False
    flip_vertical: Flag = False
    transpose: Flag = False
    shift: Pixels = 0
    crop: Side | None = None

    def __post_init__(self) -> None:
        if self.crop is not None and self.shift:
            raise ValueError("'shift' expects whole images, and `crop` moves them already: leave one of both out")

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, H, W) of any type -> the same type and, without `crop`, the same shape."""
        count, channels, *_ = images.shape
        device = images.device
        rows, columns = self._crop(images) if self.crop else self._shift(images)  # (N, height), (N, width)
        if self.flip:
            columns = torch.where(_half(count, device), columns.flip(1), columns)
        if self.flip_vertical:
            rows = torch.where(_half(count, device), rows.flip(1), rows)
        down, across = rows[:, :, None], columns[:, None, :]
        if self.transpose:
            swapped = _half(count, device)[:, :, None]
            down, across = (
                torch.where(swapped, rows[:, None, :], down),
                torch.where(swapped, columns[:, :, None], across),
            )
        image = torch.arange(count, device=device)[:, None, None, None]
        channel = torch.arange(channels, device=device)[:, None, None]
        return images[image, channel, down[:, None], across[:, None]]

    def _shift(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Draw which rows and columns of every image are seen, those of its edge several times."""
        count, _, height, width = images.shape
        down, across = torch.randint(-self.shift, self.shift + 1, (2, count, 1), device=images.device)
        rows = (torch.arange(height, device=images.device) + down).clamp(0, height - 1)
        return rows, (torch.arange(width, device=images.device) + across).clamp(0, width - 1)

    def _crop(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Draw which rows and columns of every image are seen: those of a square inside it."""
        assert self.crop is not None
        side = torch.arange(self.crop, device=images.device)
        top, left = (
            torch.randint(size - self.crop + 1, (len(images), 1), device=images.device) for size in images.shape[2:]
        )
        return side + top, side + left


def _half(count: int, device: torch.device) -> Tensor:
    """Draw a true or a false for each of several images: (N, 1)."""
    return torch.randint(2, (count, 1), device=device).bool()


def why_not(augment: Augmentation, network: Autoencoder) -> str:
    """Return the reason why a network's images cannot be changed so, or "" if they can."""
    height, width = network.image_shape[1:]
    if network.cuts:
        return "changes whole images, and this network trains on parts of them: leave it out"
    if augment.crop is not None:
        return _why_no_crop(augment.crop, network)
    if augment.transpose and height != width:
        return f"'transpose' expects square images, or `crop`, got {height}x{width}: leave it out"
    if augment.shift >= min(height, width):
        return f"'shift' expects less than the smaller side of {height}x{width} pixels, got {augment.shift}"
    return ""


def _why_no_crop(crop: int, network: Autoencoder) -> str:
    channels, *size = network.image_shape
    if network.crop_multiple is None:
        return "'crop' expects a network of images of any size, as `overlap: true` of the family tiles: leave it out"
    if crop > min(size) or crop % network.crop_multiple:
        return (
            f"'crop' expects a multiple of {network.crop_multiple}, the side of a tile, and at most {min(size)} "
            f"pixels, got {crop}"
        )
    try:
        check_losses(network.loss, (channels, crop, crop))
    except ValueError as error:
        return f"'crop' makes images that the network's loss does not take: {error}"
    return ""
