"""Rows of images in one picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from hourglass.figures.evaluated import Bytes
from hourglass.figures.style import new_figure, show_image


def draw_rows(images: Bytes, rows: Sequence[str], columns: Sequence[str], title: str, note: str = "") -> Figure:
    """Draw images (R, S, C, H, W), a label beside each row and over each column."""
    count, steps, _, height, width = images.shape
    gap = 1 + min(height, width) // 16
    cell = 1.0 if count == 1 else 0.75 if count <= 10 else 0.5  # inches, so that many rows still fit a screen
    if any(rows):
        cell = max(cell, 0.35 * width / height)  # room for two lines beside a row
    beside = 1.4 if any(rows) else 0.2
    figure = new_figure(cell * steps + beside, cell * height / width * count + 0.4 + 0.3 * (any(columns) + bool(note)))
    axis = figure.subplots()
    # One picture, not one for each: matplotlib takes a tenth of a second for every axis.
    show_image(axis, mosaic(images, gap))
    axis.set_yticks(np.arange(count) * (height + gap) + (height - 1) / 2, rows, fontsize=8)
    axis.set_xticks(np.arange(steps) * (width + gap) + (width - 1) / 2, columns, fontsize=8)
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    axis.spines[:].set_visible(False)
    axis.set_xlabel(note, fontsize=8)
    figure.suptitle(title)
    return figure


def mosaic(images: Bytes, gap: int) -> Bytes:
    """Put images (R, S, C, H, W) side by side, white between them: (C, R * (H + gap) - gap, S * (W + gap) - gap)."""
    count, steps, channels, height, width = images.shape
    padded = np.pad(images, [(0, 0), (0, 0), (0, 0), (0, gap), (0, gap)], constant_values=255)
    whole = padded.transpose(2, 0, 3, 1, 4).reshape(channels, count * (height + gap), steps * (width + gap))
    return whole[:, :-gap, :-gap]
