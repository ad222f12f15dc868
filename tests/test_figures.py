"""The pictures show the numbers that they are given."""

import numpy as np
import pytest

from stages.figures.comparison import Bar, draw_comparison
from stages.figures.latents import draw_latents, project
from stages.figures.reconstructions import draw_reconstructions
from stages.figures.training_curves import draw_training_curves
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
    figure = draw_training_curves([3, 2, 1, 0.5], [4, 2, 3, 5], "title")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert "best validation: 2, epoch 2" in [text.get_text() for text in legend.get_texts()]


def test_the_error_map_is_of_values_from_0_to_1() -> None:
    black, white = np.zeros((1, 1, 4, 4), np.uint8), np.full((1, 1, 4, 4), 255, np.uint8)
    figure = draw_reconstructions(black, white, ["SSIM 0"], "title")
    assert [np.max(np.asarray(figure.axes[row].images[0].get_array())) for row in range(3)] == [0, 255, 1]


def test_a_published_figure_stands_in_the_report_and_in_its_picture() -> None:
    metrics = {"mse": 0.5, "mae": 0.25, "psnr_db": 3.0, "latent_dim": 4, "bytes_per_image": 16, "compression_ratio": 2}
    result = Result("cells-dense", "cells", "dense", metrics, {"ssim": "too small"}, {"mse": 0.75}, "their paper")
    page = to_markdown("Cells", [result])
    assert "| cells | cells-dense | 4 | 16 | 2.0 | 0.50000 | 0.2500 | 3.00 | - | MSE 0.75 |" in page
    assert "cells-dense: the published figure is of their paper." in page
    assert "cells-dense: no SSIM: too small." in page
    figure = draw_comparison({"cells": [Bar("cells-dense", metrics, {"mse": 0.75}, baseline=False)]}, "title")
    assert [np.asarray(line.get_xdata()).tolist() for line in figure.axes[0].lines] == [[0.75]]
