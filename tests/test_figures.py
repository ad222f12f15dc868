"""The pictures show the numbers that they are given."""

import numpy as np
import pytest

from stages.figures.comparison import Bar, draw_comparison
from stages.figures.generated import draw_rows, mosaic
from stages.figures.latents import draw_latents, project
from stages.figures.reconstructions import draw_reconstructions
from stages.figures.training_curves import draw_training_curves
from stages.figures.whole import draw_whole
from stages.report import Result, to_markdown


def test_latents_are_projected_on_the_directions_of_most_variance() -> None:
    generator = np.random.default_rng(0)
    spread = generator.normal(size=(500, 3)) * [1, 10, 5]
    points, shares = project((spread + 100).astype(np.float32))
    assert points.std(axis=0) == pytest.approx(spread.std(axis=0)[[1, 2]], rel=0.05)
    assert points.mean(axis=0) == pytest.approx([0, 0], abs=1e-3)
    variance = spread.var(axis=0)
    assert shares == pytest.approx(variance[[1, 2]] / variance.sum(), rel=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (7, 1)])
def test_few_images_and_few_numbers_can_be_drawn(shape: tuple[int, int]) -> None:
    latents = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    assert project(latents)[0].shape == (shape[0], 2)
    draw_latents(latents, ["a"] * shape[0], "title").canvas.draw()


def test_the_best_epoch_is_that_of_the_smallest_validation_loss() -> None:
    losses = {"loss": ([3.0, 2, 1, 0.5], [4.0, 2, 3, 5]), "ssim": ([0.5, 0.6, 0.7, 0.8], [0.4, 0.5, 0.6, 0.55])}
    figure = draw_training_curves(losses, "title")
    texts = [[text.get_text() for text in legend.get_texts()] for axis in figure.axes if (legend := axis.get_legend())]
    assert [text[-1] for text in texts] == ["2 in the best epoch, 2", "0.5 in the best epoch, 2"]
    assert [axis.get_yscale() for axis in figure.axes] == ["log", "linear"]


def test_the_error_map_is_of_values_from_0_to_1() -> None:
    black, white = np.zeros((1, 1, 4, 4), np.uint8), np.full((1, 1, 4, 4), 255, np.uint8)
    figure = draw_reconstructions(black, white, ["SSIM 0"], "title")
    assert [np.max(np.asarray(figure.axes[row].images[0].get_array())) for row in range(3)] == [0, 255, 1]


def test_a_whole_image_shows_the_grid_of_its_tiles() -> None:
    image = np.zeros((3, 10, 9), np.uint8)
    grid = draw_whole(image, image, "title", "SSIM 1", tile=(4, 3)).axes[0].collections
    across, down = ([segment[0].tolist() for segment in lines.get_segments()] for lines in grid)  # type: ignore[attr-defined]
    assert across == [[-0.5, 3.5], [-0.5, 7.5]]
    assert down == [[2.5, -0.5], [5.5, -0.5]]
    assert not draw_whole(image, image, "title", "SSIM 1").axes[0].collections


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_of_images_stand_in_their_order(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, channels, 4, 5), dtype=np.uint8)
    whole = mosaic(images, 2)
    assert whole.shape == (channels, 2 * 6 - 2, 3 * 7 - 2)
    for row in range(2):
        for column in range(3):
            top, left = 6 * row, 7 * column
            assert np.array_equal(whole[:, top : top + 4, left : left + 5], images[row, column])
    assert (whole[:, 4:6] == 255).all()
    axis = draw_rows(images, ["a", "b"], ["x", "y", "z"], "title").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["x", "y", "z"]


def test_without_labels_the_colour_is_the_position_in_the_file() -> None:
    latents = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    figure = draw_latents(latents, [""] * 3, "title", [5, 2, 9])
    assert np.asarray(figure.axes[0].collections[0].get_array()).tolist() == [5, 2, 9]


def test_a_published_figure_stands_in_the_report_and_in_its_picture() -> None:
    metrics = {"mse": 0.5, "mae": 0.25, "psnr_db": 3.0, "latent_dim": 4, "bytes_per_image": 16, "compression_ratio": 2}
    result = Result("cells-dense", "cells", "dense", metrics, {"ssim": "too small"}, {"mse": 0.75}, "their paper")
    page = to_markdown("Cells", [result])
    assert "| cells | cells-dense | 4 | 16 | 2.0 | 0.50000 | 0.2500 | 3.00 | - | MSE 0.75 |" in page
    assert "cells-dense: the published figure is of their paper." in page
    assert "cells-dense: no SSIM: too small." in page
    figure = draw_comparison({"cells": [Bar("cells-dense", metrics, {"mse": 0.75}, baseline=False)]}, "title")
    assert [np.asarray(line.get_xdata()).tolist() for line in figure.axes[0].lines] == [[0.75]]
