"""Augmented images are the same images, mirrored, turned and moved, or pieces of them."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest
import torch

from hourglass.networks.base.families import build
from hourglass.training.augmentation import Augmentation, why_not

IMAGES = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).view(2, 3, 4, 5)


def views(image: torch.Tensor, *, flip: bool, shift: int) -> list[torch.Tensor]:
    """Make all that an augmentation may make of an image (C, H, W), by padding and cropping."""
    found = []
    for one in (image, image.flip(2)) if flip else (image,):
        padded = torch.nn.functional.pad(one[None].float(), [shift] * 4, mode="replicate")[0].to(image.dtype)
        found += [
            padded[:, top : top + image.shape[1], left : left + image.shape[2]]
            for top in range(2 * shift + 1)
            for left in range(2 * shift + 1)
        ]
    return found


def test_every_image_becomes_each_of_its_views_and_nothing_else() -> None:
    augment = Augmentation(flip=True, shift=1)
    torch.manual_seed(0)
    drawn = torch.stack([augment(IMAGES) for _ in range(300)], dim=1)  # (2, 300, C, H, W)
    assert drawn.dtype == torch.uint8
    for image, of_image in zip(IMAGES, drawn, strict=True):
        expected = {tuple(view.flatten().tolist()) for view in views(image, flip=True, shift=1)}
        assert {tuple(one.flatten().tolist()) for one in of_image} == expected
        assert len(expected) == 18


def test_images_of_a_batch_are_changed_independently() -> None:
    torch.manual_seed(0)
    same = IMAGES[:1].expand(64, 3, 4, 5)
    many = Augmentation(flip=True)(same)
    mirrored = (many == IMAGES[0].flip(2)).flatten(1).all(1)
    assert 0 < mirrored.sum() < 64
    assert torch.equal(many[~mirrored], same[~mirrored])
    for augment in (Augmentation(shift=1), Augmentation(crop=2)):
        assert len(values(augment(same))) > 2


def test_without_either_nothing_changes() -> None:
    assert torch.equal(Augmentation()(IMAGES), IMAGES)


def symmetries(image: torch.Tensor) -> list[torch.Tensor]:
    """Return a square (C, H, H) mirrored and turned in all eight ways."""
    return [turned for turns in range(4) for turned in (image.rot90(turns, (1, 2)), image.rot90(turns, (1, 2)).flip(2))]


def values(images: Iterable[torch.Tensor]) -> set[tuple[int, ...]]:
    return {tuple(image.flatten().tolist()) for image in images}


@pytest.mark.parametrize("side", [1, 2, 4])
def test_every_piece_of_an_image_is_seen_in_all_eight_symmetries_and_nothing_else(side: int) -> None:
    augment = Augmentation(flip=True, flip_vertical=True, transpose=True, crop=side)
    torch.manual_seed(0)
    for image in IMAGES:
        drawn = augment(image.expand(2000, 3, 4, 5))
        assert (drawn.shape, drawn.dtype) == ((2000, 3, side, side), torch.uint8)
        places = product(range(4 - side + 1), range(5 - side + 1))
        pieces = [image[:, top : top + side, left : left + side] for top, left in places]
        expected = values(view for piece in pieces for view in symmetries(piece))
        assert len(expected) == len(pieces) * (8 if side > 1 else 1)
        assert values(drawn) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"flip": True}, lambda image: [image, image.flip(2)]),
        ({"flip_vertical": True}, lambda image: [image, image.flip(1)]),
        ({"transpose": True}, lambda image: [image, image.mT]),
    ],
    ids=("flip", "flip_vertical", "transpose"),
)
def test_each_change_is_its_own(
    changes: dict[str, Any], expected: Callable[[torch.Tensor], list[torch.Tensor]]
) -> None:
    image = IMAGES[0, :, :, :4]
    torch.manual_seed(0)
    assert values(Augmentation(**changes)(image.expand(64, 3, 4, 4))) == values(expected(image))


def test_crop_and_shift_together_are_refused() -> None:
    with pytest.raises(ValueError, match="'shift' expects whole images, and `crop` moves them already"):
        Augmentation(crop=2, shift=1)


TILES: dict[str, Any] = {"tile": (2, 3), "tile_latent_dim": 2}
OVERLAP = TILES | {"linear": "pca", "overlap": True}
PARTS = "changes whole images, and this network trains on parts of them: leave it out"
SQUARE = "'transpose' expects square images, or `crop`, got 12x18: leave it out"
FREE = "'crop' expects a network of images of any size, as `overlap: true` of the family tiles: leave it out"
FAR = "'shift' expects less than the smaller side of 12x18 pixels, got 12"
SMALL = (
    "'crop' makes images that the network's loss does not take: loss 'ssim': expected images of at least 7x7 for its "
    "window, got 6x6"
)
SIDE = "'crop' expects a multiple of 6, the side of a tile, and at most 12 pixels, got {}"


@pytest.mark.parametrize(
    ("changes", "family", "network", "reason"),
    [
        ({"flip": True, "flip_vertical": True, "shift": 3}, "dense", {"latent_dim": 2}, ""),
        ({"crop": 12, "transpose": True}, "tiles", OVERLAP, ""),
        ({"crop": 6, "flip": True}, "tiles", OVERLAP, ""),
        ({"flip": True}, "tiles", OVERLAP, ""),
        ({"flip": True}, "tiles", TILES, PARTS),
        ({"transpose": True}, "dense", {"latent_dim": 2}, SQUARE),
        ({"transpose": True}, "tiles", OVERLAP, SQUARE),
        ({"crop": 6}, "dense", {"latent_dim": 2}, FREE),
        ({"shift": 11}, "dense", {"latent_dim": 2}, ""),
        ({"shift": 12}, "dense", {"latent_dim": 2}, FAR),
        ({"crop": 12}, "tiles", OVERLAP | {"loss": {"ssim": 1}}, ""),
        ({"crop": 6}, "tiles", OVERLAP | {"loss": {"mse": 1, "ssim": 0.1}}, SMALL),
        ({"crop": 8}, "tiles", OVERLAP, SIDE.format(8)),
        ({"crop": 18}, "tiles", OVERLAP, SIDE.format(18)),
    ],
    ids=str,
)
def test_what_a_network_cannot_train_on_is_refused(
    changes: dict[str, Any], family: str, network: dict[str, Any], reason: str
) -> None:
    assert why_not(Augmentation(**changes), build(family, (1, 12, 18), network)) == reason


def test_squares_may_be_transposed() -> None:
    assert why_not(Augmentation(transpose=True), build("dense", (1, 4, 4), {"latent_dim": 2})) == ""
