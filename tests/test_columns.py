"""Reconstructions below their images: straight, named, and the worst of them found."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hourglass.figures import interpolation, reconstructions, worst
from hourglass.figures.style import save

from .evaluations import evaluated


def test_the_error_map_is_of_values_from_0_to_1() -> None:
    black, white = np.zeros((1, 1, 4, 4), np.uint8), np.full((1, 1, 4, 4), 255, np.uint8)
    figure = reconstructions.draw(replace(evaluated((1, 1, 4, 4)), originals=black, reconstructions=white))
    assert [np.max(np.asarray(figure.axes[row].images[0].get_array())) for row in range(3)] == [0, 255, 1]


def test_the_caption_is_the_score_of_the_image_its_class_and_its_source() -> None:
    model = evaluated((3, 1, 8, 8))
    model.labels["source"] = ["a/b.png", "an/image-with-a-long-name-7.png", "c.png"]
    model.labels["label"] = ["1", "", "a class with a long name"]
    figure = reconstructions.draw(model)
    captions = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert captions == [
        "SSIM 0.800\n1\nb.png",
        "SSIM 0.850\n…g-name-7.png",
        "SSIM 0.900\na class with…\nc.png",
    ]
    assert evaluated(ssim=False).caption(0) == "MSE 0.100"


@pytest.mark.parametrize("images", [1, 2, 3, 12])
@pytest.mark.parametrize("size", [(8, 8), (28, 20), (10, 30)], ids=lambda size: "x".join(map(str, size)))
def test_an_error_stands_under_its_image(images: int, size: tuple[int, int], tmp_path: Path) -> None:
    figure = reconstructions.draw(evaluated((images, 1, *size)))
    save(figure, tmp_path / "picture.png")  # lays it out
    rows = np.array([axis.get_position().bounds for axis in figure.axes[: 3 * images]]).reshape(3, images, 4)
    np.testing.assert_allclose(rows[1:, :, [0, 2, 3]], np.broadcast_to(rows[:1, :, [0, 2, 3]], (2, images, 3)))
    assert (rows[:-1, :, 1] > rows[1:, :, 1] + rows[1:, :, 3]).all()
    bar = figure.axes[-1].get_position()
    assert bar.x0 > rows[:, -1, 0].max() + rows[0, 0, 2]
    assert 0 <= bar.x0 < bar.x1 <= 1


@pytest.mark.parametrize("label", ["MMMMMMMMMMMMMMMMMMMM", "class"])
def test_no_caption_meets_another(label: str) -> None:
    model = evaluated((12, 1, 8, 8), classes=1)
    model.labels["label"] = label
    figure = reconstructions.draw(model)
    FigureCanvasAgg(figure).draw()  # lays it out
    boxes = sorted(
        (axis.xaxis.label.get_window_extent() for axis in figure.axes if axis.get_xlabel()), key=lambda box: box.x0
    )
    assert len(boxes) == 12
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_the_worst_images_come_lowest_first() -> None:
    model = evaluated((20, 1, 8, 8), classes=20)
    model.scores["psnr_db"] = [float(30 - index if index != 3 else 5) for index in range(20)]
    figure = worst.draw(model)
    captions = [axis.get_xlabel().split("\n") for axis in figure.axes if axis.get_xlabel()]
    expected = [3, *range(19, 8, -1)]
    assert [caption[0] for caption in captions] == [f"{model.scores['psnr_db'][index]:.1f} dB" for index in expected]
    assert [caption[1:] for caption in captions] == [[f"class {index}", f"cells.npy[{index}]"] for index in expected]
    shown = [np.asarray(axis.images[0].get_array()) for axis in figure.axes[:24]]
    for column, index in enumerate(expected):
        np.testing.assert_array_equal(shown[column], model.originals[index][0])
        np.testing.assert_array_equal(shown[12 + column], model.reconstructions[index][0])


def test_an_interpolation_stands_between_both_originals() -> None:
    model = evaluated((4, 1, 8, 8))
    far = model.latents.copy()
    far[2] = far[0] + 100
    model = replace(model, latents=far)
    assert model.generated is not None
    figure = interpolation.draw(model)
    assert figure is not None
    axis = figure.axes[0]
    shown = np.asarray(axis.images[0].get_array())
    np.testing.assert_array_equal(shown[:, :8], model.originals[0][0])
    np.testing.assert_array_equal(shown[:, -8:], model.originals[2][0])
    np.testing.assert_array_equal(shown[:, 9:17], model.generated.interpolation[0][0])
    assert [label.get_text() for label in axis.get_xticklabels()] == [
        "class 0\ncells.npy[0]\noriginal",
        "reconstruction",
        "",
        "reconstruction",
        "class 0\ncells.npy[2]\noriginal",
    ]
