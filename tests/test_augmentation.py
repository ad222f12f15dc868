"""Augmented images are the same images, mirrored and moved."""

import torch

from hourglass.training.augmentation import Augmentation

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
    many = Augmentation(flip=True)(IMAGES[:1].expand(64, 3, 4, 5))
    mirrored = (many == IMAGES[0].flip(2)).flatten(1).all(1)
    assert 0 < mirrored.sum() < 64
    assert torch.equal(many[~mirrored], IMAGES[:1].expand(64, 3, 4, 5)[~mirrored])


def test_without_either_nothing_changes() -> None:
    assert torch.equal(Augmentation()(IMAGES), IMAGES)
