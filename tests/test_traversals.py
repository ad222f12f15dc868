"""Latents that come from no image are samples, variations and interpolations as described."""

import torch

from hourglass.inference.traversals import farthest, interpolation, samples, variations


def test_samples_are_of_the_standard_normal_distribution_and_the_same_every_time() -> None:
    drawn = samples(4000, 3)
    assert torch.equal(drawn, samples(4000, 3))
    assert not torch.equal(drawn, samples(4000, 3, seed=1))
    torch.testing.assert_close(drawn.mean(0), torch.zeros(3), atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.ones(3), atol=0.05, rtol=0)


def test_a_variation_changes_one_dimension() -> None:
    assert variations(1, 3, torch.tensor([-3.0, 0.0, 3.0])).tolist() == [[0, -3, 0], [0, 0, 0], [0, 3, 0]]


def test_an_interpolation_goes_straight_from_one_to_the_other() -> None:
    first, last = torch.tensor([0.0, 4.0]), torch.tensor([1.0, 0.0])
    assert interpolation(first, last, 5).tolist() == [[0, 4], [0.25, 3], [0.5, 2], [0.75, 1], [1, 0]]


def test_the_farthest_is_the_farthest_from_the_first() -> None:
    assert farthest(torch.tensor([[1.0, 1.0], [2.0, 1.0], [-3.0, 1.0], [1.0, 3.0]])) == 2
