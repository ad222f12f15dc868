"""The pictures show the numbers that they are given."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hourglass.arrays.principal_axes import plane, principal_coordinates
from hourglass.console.errors import UserError
from hourglass.figures import latents, training, variations, whole
from hourglass.figures.comparison import Bar, draw_comparison
from hourglass.figures.evaluated import Evaluated
from hourglass.figures.rows import draw_rows, mosaic
from hourglass.figures.style import save
from stages.plot import drawings, read_history

from .evaluations import evaluated

FIGURES = dict(drawings())


def test_the_figures_are_the_files_that_draw() -> None:
    names = {path.stem for path in Path(training.__file__).parent.glob("*.py")}
    assert set(FIGURES) == names - {"__init__", "columns", "comparison", "evaluated", "rows", "style"}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "model",
    [
        evaluated(),
        evaluated((4, 3, 9, 11)),
        evaluated((1, 1, 1, 1), latent_dim=1, ssim=False),
        evaluated((3, 1, 4, 4), latent_dim=1, ssim=False),
        evaluated((40, 3, 120, 4), classes=40),
        evaluated((30, 1, 8, 8), classes=1),
    ],
    ids=["gray", "color", "one pixel", "one number", "large", "no classes"],
)
def test_every_figure_is_a_picture_of_every_model(name: str, model: Evaluated, tmp_path: Path) -> None:
    figure = FIGURES[name](model)
    if figure is None:
        assert name == "whole"  # of large images alone
        return
    pictures = []
    for _ in range(2):
        save(figure, tmp_path / "picture.png")
        pictures.append((tmp_path / "picture.png").read_bytes())
        figure = FIGURES[name](model)
        assert figure is not None
    assert pictures[0] == pictures[1]


def test_figures_are_left_out_where_they_do_not_apply() -> None:
    model = replace(evaluated(), generated=None, history=evaluated().history[:1])
    drawn = {name for name, draw in FIGURES.items() if draw(model)}
    assert {"latents", "reconstructions"} <= drawn
    assert not drawn & {"training", "whole", "samples", "variations", "interpolation"}


def test_a_latent_stands_with_the_label_of_its_image() -> None:
    model = evaluated((6, 1, 8, 8), classes=3)
    points, _ = plane(principal_coordinates(model.latents)[0])
    figure = latents.draw(model)
    drawn = {dots.get_label(): np.asarray(dots.get_offsets()) for dots in figure.axes[0].collections}
    assert sorted(map(str, drawn)) == ["class 0", "class 1", "class 2"]
    np.testing.assert_allclose(drawn["class 1"], points[[1, 4]])


def test_of_many_classes_the_largest_have_a_color_and_none_is_written_over_another() -> None:
    model = evaluated((60, 1, 8, 8), classes=12)
    sizes = dict.fromkeys(range(12), 1) | {2: 30, 10: 10, 11: 4}
    sizes[0] += 60 - sum(sizes.values())
    model.labels["label"] = [f"class {label}" for label, count in sizes.items() for _ in range(count)]
    axis = latents.draw(model).axes[0]
    legend = axis.get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "9 of 12 classes"
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown == ["all others", *(f"class {index}" for index in (0, 1, 2, 3, 4, 5, 6, 10, 11))]
    counts = {str(dots.get_label()): len(np.asarray(dots.get_offsets())) for dots in axis.collections}
    assert (counts["all others"], counts["class 2"], counts["class 10"]) == (3, 30, 10)
    colors = [tuple(np.ravel(dots.get_facecolor())[:3]) for dots in axis.collections]
    assert len(set(colors)) == 10
    assert not axis.texts


def test_without_labels_the_color_is_the_position_in_the_file() -> None:
    model = evaluated((3, 1, 8, 8), classes=1)
    model.labels["source"] = ["frames.mat[5]", "frames.mat[2]", "frames.mat[9]"]
    assert np.asarray(latents.draw(model).axes[0].collections[0].get_array()).tolist() == [5, 2, 9]
    assert latents.positions(pd.Series(["frames.mat[5]", "photo.png"])) is None


def test_the_best_epoch_is_that_of_the_smallest_validation_loss() -> None:
    losses = {"train_loss": [3.0, 2, 1, 0.5], "train_ssim": [0.5, 0.6, 0.7, 0.8]}
    losses |= {"val_loss": [4.0, 2, 3, 5], "val_ssim": [0.4, 0.5, 0.6, 0.55]}
    figure = training.draw(replace(evaluated(), history=pd.DataFrame({"epoch": [1, 2, 3, 4]} | losses)))
    assert figure is not None
    texts = [[text.get_text() for text in legend.get_texts()] for axis in figure.axes if (legend := axis.get_legend())]
    assert [text[-1] for text in texts] == ["2 in the best epoch, 2", "0.5 in the best epoch, 2"]
    assert [axis.get_yscale() for axis in figure.axes] == ["log", "linear"]


def test_training_that_starts_at_pca_has_an_epoch_0() -> None:
    losses = {"train_loss": [3.0, 2, 1], "val_loss": [1.0, 2, 3]}
    figure = training.draw(replace(evaluated(), history=pd.DataFrame({"epoch": [0, 1, 2]} | losses)))
    assert figure is not None
    (axis,) = figure.axes
    train, val, *_ = axis.lines
    assert np.asarray(train.get_xdata()).tolist() == np.asarray(val.get_xdata()).tolist() == [0, 1, 2]
    legend = axis.get_legend()
    assert legend is not None
    assert legend.get_texts()[-1].get_text() == "1 in the best epoch, 0"


@pytest.mark.parametrize("first", [0, 1])
def test_a_history_begins_with_epoch_0_or_1(first: int, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    history = pd.DataFrame({"epoch": range(first, 4), "train_loss": -1.5, "val_loss": -2.5})
    history.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_history(path, "train it"), history)
    for lost in history.index[1:-1]:
        history.drop(index=lost).to_csv(path, index=False)
        with pytest.raises(UserError, match=f"^{path}: expected "):
            read_history(path, "train it")


@pytest.mark.parametrize(("losses", "grid"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))])
def test_more_than_three_losses_stand_on_two_rows(losses: int, grid: tuple[int, int]) -> None:
    names = [f"loss_{index}" for index in range(losses)]
    history = {f"{split}_{name}": [2.0, 1.0] for name in names for split in ("train", "val")}
    figure = training.draw(replace(evaluated(), history=pd.DataFrame({"epoch": [1, 2]} | history)))
    assert figure is not None
    assert [axis.get_ylabel() for axis in figure.axes] == names
    assert {place.get_gridspec().get_geometry() for axis in figure.axes if (place := axis.get_subplotspec())} == {grid}
    panel = figure.get_size_inches() / (grid[1], grid[0])
    assert (panel >= (4.5, 4)).all()


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([9.0, 4, 1], "log"), ([9.0, 4, 0], "linear"), ([9.0, 4, -1], "linear"), ([-1.0, -4, -9], "linear")],
)
def test_only_positive_losses_have_a_logarithmic_scale(losses: list[float], scale: str, tmp_path: Path) -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": losses, "val_loss": losses})
    figure = training.draw(replace(evaluated(), history=history))
    assert figure is not None
    save(figure, tmp_path / "training.png")
    (axis,) = figure.axes
    assert axis.get_yscale() == scale
    bottom, top = axis.get_ylim()
    assert bottom <= min(losses) < max(losses) <= top


def test_a_whole_image_shows_the_grid_of_its_tiles() -> None:
    model = evaluated((1, 3, 10, 9))
    figure = whole.draw(replace(model, tile=(4, 3)))
    assert figure is not None
    grid = figure.axes[0].collections
    across, down = ([segment[0].tolist() for segment in lines.get_segments()] for lines in grid)  # type: ignore[attr-defined]
    assert across == [[-0.5, 3.5], [-0.5, 7.5]]
    assert down == [[2.5, -0.5], [5.5, -0.5]]
    assert whole.draw(model) is None
    large = whole.draw(evaluated((1, 1, 100, 5)))
    assert large is not None
    assert not large.axes[0].collections


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_of_images_stand_in_their_order(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, channels, 4, 5), dtype=np.uint8)
    together = mosaic(images, 2)
    assert together.shape == (channels, 2 * 6 - 2, 3 * 7 - 2)
    for row in range(2):
        for column in range(3):
            top, left = 6 * row, 7 * column
            assert np.array_equal(together[:, top : top + 4, left : left + 5], images[row, column])
    assert (together[:, 4:6] == 255).all()
    axis = draw_rows(images, ["a", "b"], ["x", "y", "z"], "title").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["x", "y", "z"]


def test_a_row_of_variations_is_labeled_with_its_dimension() -> None:
    figure = variations.draw(evaluated(latent_dim=2))
    assert figure is not None
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "dimension 0\n0.50 nats",
        "dimension 1\n0.50 nats",
    ]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["-1", "1"]


def test_a_published_score_is_a_mark_beside_the_bar() -> None:
    bars = {"cells": [Bar("cells-dense", {"mse": 0.5}, {}, {"mse": 0.75}, baseline=False)]}
    figure = draw_comparison(bars, {"mse": "MSE (lower is better)", "ssim": "SSIM (higher is better)"}, "title")
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "cells: MSE (lower is better)",
        "cells: SSIM (higher is better)",
    ]
    assert [np.asarray(line.get_xdata()).tolist() for line in figure.axes[0].lines] == [[0.75]]
    assert [text.get_text() for text in figure.axes[1].texts] == [" does not apply"]


def test_several_seeds_are_an_interval_at_the_end_of_the_bar() -> None:
    one = Bar("cells-pca", {"mse": 0.75}, {}, {}, baseline=True)
    several = Bar("cells-dense", {"mse": 0.5}, {"mse": 0.125}, {}, baseline=False)
    figure = draw_comparison({"cells": [one, several]}, {"mse": "MSE (lower is better)"}, "title")
    intervals = [line.get_segments() for line in figure.axes[0].collections]  # type: ignore[attr-defined]
    assert np.asarray(intervals).tolist() == [[[[0.375, 1], [0.625, 1]]]]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["PCA", "autoencoder", "± standard deviation over seeds"]


@pytest.mark.parametrize("metrics", [1, 3])
def test_a_comparison_has_a_panel_for_each_metric(metrics: int) -> None:
    names = {f"metric {index}": f"Metric {index}" for index in range(metrics)}
    bars = {"cells": [Bar("cells-pca", dict.fromkeys(names, 0.5), {}, {}, baseline=True)]}
    assert len(draw_comparison(bars, names, "title").axes) == metrics
