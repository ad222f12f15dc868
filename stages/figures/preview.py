"""A sheet of images with their labels, to see at a glance what a data set is."""

import math

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from stages.figures.style import new_figure, show_image

COLUMNS = 8


def thumbnail(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink an image (C, H, W) until neither side is longer than `side`."""
    step = math.ceil(max(image.shape[1:]) / side)
    if step == 1:
        return image
    pillow = Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1))
    small = np.asarray(pillow.reduce(step))
    return small[None] if small.ndim == 2 else np.moveaxis(small, -1, 0)


def draw_preview(images: list[NDArray[np.uint8]], captions: list[str], title: str) -> Figure:
    """Draw images (C, H, W), each over its caption."""
    _, height, width = images[0].shape
    rows = math.ceil(len(images) / COLUMNS)
    figure = new_figure(COLUMNS * 1.35, rows * (1.35 * height / width + 0.25) + 0.4)
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, images, captions, strict=False):
        show_image(axis, image)
        axis.set_title(caption, fontsize=8)
    figure.suptitle(title)
    return figure
