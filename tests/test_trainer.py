"""The training loop: it learns, stops where it should, restores the best epoch and repeats itself bit for bit."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.errors import UserError
from stages.models.autoencoder import Autoencoder, Solvable
from stages.models.families import build
from stages.training.optimizers import make_optimizer
from stages.training.trainer import Epoch, train, validate

SHAPE = (3, 9, 11)


def as_bytes(images: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.rint(images * 255).astype(np.uint8))


def fit(
    model: Autoencoder,
    images: NDArray[np.float32],
    epochs: int,
    patience: int | None = None,
    learning_rate: float = 3e-3,
    optimizer: str = "adam",
) -> list[Epoch]:
    """Train on the first 30 images, validate on the rest."""
    return train(
        model,
        make_optimizer(optimizer, model.parameters(), learning_rate),
        as_bytes(images[:30]),
        as_bytes(images[30:]),
        epochs=epochs,
        batch_size=8,
        patience=patience,
        generator=torch.Generator().manual_seed(0),
    )


def dense(latent_dim: int = 4, **network: object) -> Autoencoder:
    return build("dense", SHAPE, {"latent_dim": latent_dim, **network}, seed=0)


@pytest.mark.parametrize(("optimizer", "learning_rate", "epochs"), [("adam", 3e-3, 80), ("adadelta", 5.0, 300)])
def test_it_learns(images: NDArray[np.float32], optimizer: str, learning_rate: float, epochs: int) -> None:
    history = fit(dense(hidden=[64]), images, epochs, optimizer=optimizer, learning_rate=learning_rate)
    assert [row.epoch for row in history] == list(range(1, epochs + 1))
    assert history[-1].train_loss < history[0].train_loss / 4


def test_a_linear_autoencoder_never_beats_pca_on_its_training_set(images: NDArray[np.float32]) -> None:
    training = (np.rint(images[:30] * 255) / 255).astype(np.float32)
    pca = build("pca", SHAPE, {"latent_dim": 4})
    assert isinstance(pca, Solvable)
    pca.fit(training)
    best = pca.loss(torch.from_numpy(training)).item()
    linear = dense(activation="linear", output_activation="linear")
    fit(linear, images, epochs=600, learning_rate=1e-2)
    reached = linear.loss(torch.from_numpy(training)).item()
    assert best < reached
    assert reached < 2 * best  # it came near, so the bound was tested


def test_the_history_is_of_the_weights_that_it_names(images: NDArray[np.float32]) -> None:
    model = dense()
    history = fit(model, images, epochs=3)
    assert validate(model, as_bytes(images[30:]), batch_size=3) == pytest.approx(history[-1].val_loss)
    assert not model.training


class Scripted(Autoencoder):
    """Its validation losses are given in advance, its weight counts the steps."""

    def __init__(self, val_losses: list[float]) -> None:
        super().__init__(SHAPE, latent_dim=1)
        self.steps = torch.nn.Parameter(torch.zeros(()))
        self.val_losses = iter(val_losses)

    def encode(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :1]

    def decode(self, latents: Tensor) -> Tensor:
        return latents

    def loss(self, images: Tensor) -> Tensor:
        return -self.steps if self.training else torch.tensor(next(self.val_losses))


def run_scripted(val_losses: list[float], patience: int | None) -> tuple[int, float]:
    """Give how many epochs ran, and the weight afterwards: one step an epoch, each adding 1."""
    model = Scripted(val_losses)
    images = torch.zeros(4, *SHAPE, dtype=torch.uint8)
    history = train(
        model,
        torch.optim.SGD(model.parameters(), lr=1.0),
        images,
        images,
        epochs=len(val_losses),
        batch_size=4,
        patience=patience,
        generator=torch.Generator(),
    )
    return len(history), model.steps.item()


def test_early_stopping_restores_the_best_epoch() -> None:
    assert run_scripted([5, 3, 4, 2, 6, 7, 1], patience=2) == (6, 4)  # stops after 6 and 7, keeps the 4th's weights


def test_the_best_epoch_is_restored_when_time_runs_out_too() -> None:
    assert run_scripted([5, 2, 3], patience=9) == (3, 2)


def test_the_same_loss_again_is_no_gain() -> None:
    assert run_scripted([3, 2, 2, 2, 2, 2], patience=2) == (4, 2)


def test_without_patience_the_last_epoch_is_kept() -> None:
    assert run_scripted([1, 2, 3], patience=None) == (3, 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_and_says_what_to_try(bad: float) -> None:
    with pytest.raises(UserError, match=r"expected a finite loss, got .* in epoch 2: lower `learning_rate`"):
        run_scripted([1, bad, 1], patience=None)


def test_a_training_loss_that_is_no_number_stops_too(images: NDArray[np.float32]) -> None:
    class Diverging(Scripted):
        def loss(self, images: Tensor) -> Tensor:
            return self.steps * math.nan if self.training else super().loss(images)

    model, batch = Diverging([1.0]), as_bytes(images[:4])
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(UserError, match="got train nan and validation 1"):
        train(model, optimizer, batch, batch, epochs=1, batch_size=4, patience=None, generator=torch.Generator())


def test_the_training_loss_is_a_mean_over_images_and_not_over_batches(images: NDArray[np.float32]) -> None:
    model = dense()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)  # the weights stay, so both losses are of the same network
    batch = as_bytes(images[:30])
    (row,) = train(model, optimizer, batch, batch, epochs=1, batch_size=8, patience=None, generator=torch.Generator())
    assert row.train_loss == pytest.approx(row.val_loss, rel=1e-6)  # 30 is 8 + 8 + 8 + 6


def test_optimizers_get_what_the_recipe_says() -> None:
    parameters = list(dense().parameters())
    assert make_optimizer("adadelta", parameters, 1.0, rho=0.8).defaults["rho"] == 0.8
    assert make_optimizer("adadelta", parameters, 1.0).defaults["rho"] == 0.9
    adam = make_optimizer("adam", parameters, 0.5, betas=(0.5, 0.6))
    assert (adam.defaults["lr"], adam.defaults["betas"]) == (0.5, (0.5, 0.6))
    assert make_optimizer("adam", parameters, 0.5).defaults["betas"] == (0.9, 0.999)


def test_same_seed_same_bits(images: NDArray[np.float32]) -> None:
    first, again = dense(), dense()
    assert fit(first, images, epochs=5) == fit(again, images, epochs=5)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in first.state_dict().items())


def test_every_image_is_seen_once_an_epoch(images: NDArray[np.float32]) -> None:
    seen: list[Tensor] = []

    class Watching(Scripted):
        def loss(self, images: Tensor) -> Tensor:
            if self.training:
                seen.append(images[:, 0, 0, 0])
            return super().loss(images)

    numbered = torch.arange(30, dtype=torch.uint8)[:, None, None, None].expand(30, *SHAPE)
    model = Watching([1.0] * 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    train(model, optimizer, numbered, numbered[:1], epochs=2, batch_size=8, patience=None, generator=torch.Generator())
    epochs = torch.cat(seen).mul(255).round().int().view(2, 30)
    assert [sorted(epoch.tolist()) for epoch in epochs] == [list(range(30))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()  # in another order each time
