"""The training loop: it learns, stops where it should, restores the best epoch and repeats itself bit for bit."""

import copy
import io
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from hourglass.console.errors import UserError
from hourglass.inference.device import can_compile
from hourglass.networks.base.autoencoder import Autoencoder, Solvable
from hourglass.networks.base.families import build
from hourglass.training.augmentation import Augmentation
from hourglass.training.batches import Resident
from hourglass.training.distributed import ProcessGroup
from hourglass.training.objective import Objective, mean_losses
from hourglass.training.optimizers import OPTIMIZERS
from hourglass.training.schedules import SCHEDULES, Schedule
from hourglass.training.state import check_state
from hourglass.training.trainer import Row, Trainer

SHAPE = (3, 9, 11)
CPU = torch.device("cpu")


def as_bytes(images: NDArray[np.float32]) -> Resident:
    return Resident(np.rint(images * 255).astype(np.uint8), CPU)


def make_trainer(
    model: Autoencoder,
    epochs: int,
    patience: int | None = None,
    learning_rate: float = 3e-3,
    optimizer: str = "adam",
    clip_norm: float | None = None,
    schedule: str | None = None,
    options: Mapping[str, float] = MappingProxyType({}),
) -> Trainer:
    """Return a trainer for 30 images in batches of 8; `options` are those of the schedule."""
    rule = OPTIMIZERS[optimizer](model.parameters(), learning_rate)
    rate = SCHEDULES[schedule](rule, 4 * epochs, **options) if schedule else Schedule()
    return Trainer(model, rule, rate, epochs=epochs, batch_size=8, patience=patience, clip_norm=clip_norm)


def fit(trainer: Trainer, images: NDArray[np.float32], **hooks: Any) -> list[Row]:  # noqa: ANN401
    """Train on the first 30 images, validate on the rest."""
    return trainer.fit(as_bytes(images[:30]), as_bytes(images[30:]), **hooks)


def validate(model: Autoencoder, images: Resident, batch_size: int) -> float:
    return mean_losses(Objective(model.eval()), images, batch_size, ProcessGroup())["loss"]


def dense(latent_dim: int = 4, **network: object) -> Autoencoder:
    return build("dense", SHAPE, {"latent_dim": latent_dim, **network}, seed=0)


@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "epochs"),
    [("adam", 3e-3, 80), ("adamw", 3e-3, 80), ("adadelta", 5.0, 300), ("muon", 3e-3, 80)],
)
def test_it_learns(images: NDArray[np.float32], optimizer: str, learning_rate: float, epochs: int) -> None:
    history = fit(make_trainer(dense(hidden=[64]), epochs, None, learning_rate, optimizer), images)
    assert [row["epoch"] for row in history] == list(range(1, epochs + 1))
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 4


def test_a_linear_autoencoder_never_beats_pca_on_its_training_set(images: NDArray[np.float32]) -> None:
    training = (np.rint(images[:30] * 255) / 255).astype(np.float32)
    pca = build("pca", SHAPE, {"latent_dim": 4})
    assert isinstance(pca, Solvable)
    pca.fit([training])
    best = pca.losses(torch.from_numpy(training))["loss"].item()
    linear = dense(activation="linear", output_activation="linear")
    fit(make_trainer(linear, epochs=600, learning_rate=1e-2), images)
    reached = linear.losses(torch.from_numpy(training))["loss"].item()
    assert best < reached
    assert reached < 2 * best  # it came near, so the bound was tested


def test_what_is_trained_on_is_augmented_and_what_is_validated_is_not(images: NDArray[np.float32]) -> None:
    trainer = make_trainer(dense(), epochs=2)
    seen: list[int] = []

    def black(batch: Tensor) -> Tensor:
        seen.append(len(batch))
        return torch.zeros_like(batch)

    trainer.augment = black
    history = fit(trainer, images)
    assert seen == [8, 8, 8, 6] * 2
    zeros = trainer.network.losses(torch.zeros(1, *SHAPE))["loss"].item()
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert abs(zeros - history[-1]["train_loss"]) < history[0]["train_loss"]
    assert validate(trainer.network, as_bytes(images[30:]), 8) == pytest.approx(history[-1]["val_loss"])


def test_the_history_is_of_the_weights_that_it_names(images: NDArray[np.float32]) -> None:
    model = dense()
    history = fit(make_trainer(model, epochs=3), images)
    assert validate(model, as_bytes(images[30:]), batch_size=3) == pytest.approx(history[-1]["val_loss"])
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

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        return {"loss": -self.steps if self.training else torch.tensor(next(self.val_losses))}


FOUR = Resident(np.zeros((4, *SHAPE), np.uint8), CPU)


def sgd(model: Autoencoder, learning_rate: float, epochs: int, patience: int | None = None) -> Trainer:
    """Make a trainer whose steps are the gradient times the learning rate, in batches of 8."""
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    return Trainer(model, optimizer, epochs=epochs, batch_size=8, patience=patience)


def run_scripted(val_losses: list[float], patience: int | None) -> tuple[int, float]:
    """Return how many epochs ran, and the weight afterwards: one step an epoch, each adding 1."""
    model = Scripted(val_losses)
    history = sgd(model, 1.0, len(val_losses), patience).fit(FOUR, FOUR)
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
def test_a_validation_loss_that_is_no_number_stops_and_says_what_to_try(bad: float) -> None:
    with pytest.raises(UserError, match=r"expected a finite validation loss, got .* in epoch 2: lower `learning_rate`"):
        run_scripted([1, bad, 1], patience=None)


def test_a_training_loss_that_is_no_number_names_epoch_and_step() -> None:
    class Diverging(Scripted):
        def losses(self, images: Tensor) -> dict[str, Tensor]:
            self.calls = getattr(self, "calls", 0) + self.training
            return (
                {"loss": self.steps * (math.nan if self.calls == 6 else 1)} if self.training else super().losses(images)
            )

    eight_batches = Resident(np.zeros((32, *SHAPE), np.uint8), CPU)
    with pytest.raises(UserError, match=r"got nan in epoch 2, step 2: lower .*`batch_size`, or set `clip_norm`"):
        sgd(Diverging([1.0] * 9), 1.0, epochs=3).fit(eight_batches, FOUR)


def test_what_was_saved_before_a_loss_exploded_is_good() -> None:
    class Diverging(Scripted):
        def losses(self, images: Tensor) -> dict[str, Tensor]:
            self.calls = getattr(self, "calls", 0) + self.training
            return {"loss": self.steps * (math.inf if self.calls == 6 else 1)}

    saved: list[tuple[float, int]] = []
    eight_batches = Resident(np.zeros((32, *SHAPE), np.uint8), CPU)
    trainer = sgd(Diverging([]), 1.0, epochs=3)

    def save(state: dict[str, Any], signal: int) -> None:
        saved.append((state["network"]["steps"].item(), len(state["history"]) * 4 + state["step"]))

    with pytest.raises(UserError, match="epoch 2, step 2"):
        trainer.fit(eight_batches, FOUR, should_save=lambda: True, save=save)
    assert saved[-1] == (-5, 5)  # the step before


def test_weights_that_are_no_numbers_are_never_saved() -> None:
    class Exploding(Scripted):
        def losses(self, images: Tensor) -> dict[str, Tensor]:
            return {"loss": self.steps * 3e38}  # finite, and so is its gradient: the step is what overflows

    saved = []
    with pytest.raises(UserError, match="expected finite weights, got others in epoch 1, step 1"):
        sgd(Exploding([1.0]), 1e10, epochs=1).fit(
            FOUR, FOUR, should_save=lambda: True, save=lambda *state: saved.append(state)
        )
    assert saved == []


def test_the_training_loss_is_a_mean_over_images_and_not_over_batches(images: NDArray[np.float32]) -> None:
    batch = as_bytes(images[:30])
    # The weights stay, so both losses are of the same network.
    (row,) = sgd(dense(), 0.0, epochs=1).fit(batch, batch)
    assert row["train_loss"] == pytest.approx(row["val_loss"], rel=1e-6)  # 30 is 8 + 8 + 8 + 6


def test_what_a_family_loses_beside_its_loss_is_in_the_history(images: NDArray[np.float32]) -> None:
    class TwoTerms(Scripted):
        def losses(self, images: Tensor) -> dict[str, Tensor]:
            return {"loss": self.steps * 0 + 3, "half": torch.tensor(1.5)}

    (row,) = sgd(TwoTerms([]), 0.0, epochs=1).fit(as_bytes(images), FOUR)
    assert row == {"epoch": 1, "train_loss": 3, "train_half": 1.5, "val_loss": 3, "val_half": 1.5, "learning_rate": 0}


def test_clipping_bounds_the_step() -> None:
    model = Scripted([1.0])  # its gradient is -1
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    Trainer(model, optimizer, epochs=1, batch_size=8, clip_norm=0.25).fit(FOUR, FOUR)
    assert model.steps.item() == pytest.approx(0.25)


def test_a_plateau_halves_the_learning_rate(images: NDArray[np.float32]) -> None:
    model = Scripted([5, 4, 4, 4, 4, 4, 4])
    trainer = make_trainer(model, 7, learning_rate=1.0, schedule="plateau", options={"patience": 2, "minimum": 0.3})
    rates = [row["learning_rate"] for row in trainer.fit(FOUR, FOUR)]
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.3]  # after two epochs without gain each; 0.25 is below the minimum


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing(images: NDArray[np.float32]) -> None:
    rates: list[float] = []
    trainer = make_trainer(dense(), 5, learning_rate=0.1, schedule="one_cycle", options={"warmup": 0.25})
    fit(trainer, images, on_batch=lambda count: rates.append(trainer.optimizer.param_groups[0]["lr"]))
    assert len(rates) == 20
    assert max(rates) == pytest.approx(0.1, rel=0.02)
    assert rates.index(max(rates)) in (4, 5)
    assert rates[-1] < 1e-5


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0.3), (1, 0.5), (3, 0.25), (4, 0.1), (9, 0.1)])
def test_one_cycle_has_room_in_a_few_steps(steps: int, warmup: float) -> None:
    optimizer = OPTIMIZERS["adamw"](dense().parameters(), 0.1)
    schedule = SCHEDULES["one_cycle"](optimizer, steps, warmup=warmup)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.after_step()
    assert rates[0] == pytest.approx(0.1 / 25)  # torch's div_factor
    assert max(rates[1:], default=0.1) == pytest.approx(0.1)


def test_optimizers_get_what_the_recipe_says() -> None:
    parameters = list(dense().parameters())
    assert OPTIMIZERS["adadelta"](parameters, 1.0, rho=0.8).defaults["rho"] == 0.8
    assert OPTIMIZERS["adadelta"](parameters, 1.0).defaults["rho"] == 0.9
    adam = OPTIMIZERS["adam"](parameters, 0.5, betas=(0.5, 0.6))
    assert (adam.defaults["lr"], adam.defaults["betas"]) == (0.5, (0.5, 0.6))
    assert OPTIMIZERS["adam"](parameters, 0.5).defaults["betas"] == (0.9, 0.999)

    assert OPTIMIZERS["adamw"](parameters, 0.5, weight_decay=0.2).defaults["weight_decay"] == 0.2
    muon = OPTIMIZERS["muon"](parameters, 0.5, momentum=0.7, weight_decay=0.2, betas=(0.5, 0.6))
    expected = {"lr": 0.5, "momentum": 0.7, "weight_decay": 0.2, "betas": (0.5, 0.6)}
    assert {key: muon.defaults[key] for key in expected} == expected


class Noisy(Scripted):
    """Its loss draws noise, as dropout and the sampling of a VAE do."""

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.steps * torch.randn(())) if self.training else self.steps}


def weights_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.parametrize("model", [dense, lambda: Noisy([])])
def test_same_seed_same_bits(images: NDArray[np.float32], model: Any) -> None:  # noqa: ANN401
    first, again = make_trainer(model(), epochs=5), make_trainer(model(), epochs=5)
    rows = fit(first, images)
    torch.rand(3)  # what others drew in between does not matter
    assert fit(again, images) == rows
    assert_same(weights_of(first), weights_of(again))


NORMED = {
    "latent_dim": 4,
    "encoder": [{"filters": 4, "norm": True, "pool": 2}],
    "decoder": [{"filters": 4, "upsample": 2}],
}


@pytest.mark.parametrize(
    "stop", [*range(6), *range(18, 24)]
)  # of six places in an epoch: four steps, two of validation
@pytest.mark.parametrize(
    "schedule", [{}, {"schedule": "plateau", "options": {"patience": 1}}, {"schedule": "one_cycle"}], ids=str
)
def test_a_run_that_goes_on_from_a_state_ends_with_the_same_bits(
    images: NDArray[np.float32], stop: int, schedule: dict[str, Any]
) -> None:
    def trainer() -> Trainer:
        return make_trainer(build("conv", SHAPE, NORMED), 6, patience=5, learning_rate=0.1, **schedule)

    whole = trainer()
    history = fit(whole, images)
    states: list[dict[str, Any]] = []
    broken = trainer()

    def save(state: dict[str, Any], signal: int) -> None:
        states.append(state)
        raise KeyboardInterrupt

    steps = iter(range(stop))
    with pytest.raises(KeyboardInterrupt):
        fit(broken, images, should_save=lambda: next(steps, None) is None, save=save)
    resumed = trainer()
    resumed.load_state_dict(states[0])
    assert fit(resumed, images) == history
    assert_same(weights_of(resumed), weights_of(whole))


OVERLAP = {"tile": (3, 3), "tile_latent_dim": 4, "hidden": [8], "residual": 1, "linear": "pca", "overlap": True}
GAUSSIAN = {"latent_dim": 4, "hidden": [9], "likelihood": "gaussian", "linear": "pca"}


def solved(family: str, images: NDArray[np.float32], network: Mapping[str, object]) -> Autoencoder:
    """Build a network whose linear path, if it has one, is solved."""
    model = build(family, SHAPE, network)
    if model.linear is not None:
        model.linear.fit([images[:30]], tiled=family == "tiles")
    return model


@pytest.mark.parametrize("stop", [0, 5, 10, 11])  # in the first and the second epoch
@pytest.mark.parametrize("schedule", [None, "one_cycle"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
@pytest.mark.parametrize(
    ("family", "network", "augment"),
    [
        ("conv", NORMED, {"flip": True, "shift": 1}),
        ("dense", {"latent_dim": 4, "hidden": [9], "linear": "pca", "train_linear": True}, None),
        ("tiles", OVERLAP, {"crop": 6, "flip": True, "flip_vertical": True, "transpose": True}),
        ("vae", GAUSSIAN, None),
    ],
    ids=["conv", "linear", "overlap", "vae"],
)
def test_all_that_a_training_has_survives_the_file(
    images: NDArray[np.float32],
    family: str,
    network: dict[str, object],
    augment: dict[str, Any] | None,
    optimizer: str,
    schedule: str | None,
    stop: int,
) -> None:
    def trainer() -> Trainer:
        made = make_trainer(solved(family, images, network), 3, 3, 1e-2, optimizer, schedule=schedule)
        made.augment = Augmentation(**augment) if augment else None
        return made

    whole = trainer()
    history = fit(whole, images)
    assert [row["epoch"] for row in history] == list(range(0 if whole.network.linear else 1, 4))
    saved = io.BytesIO()
    broken = trainer()

    def save(state: dict[str, Any], signal: int) -> None:
        torch.save(state, saved)
        raise KeyboardInterrupt

    steps = iter(range(stop))
    with pytest.raises(KeyboardInterrupt):
        fit(broken, images, should_save=lambda: next(steps, None) is None, save=save)
    resumed = trainer()
    saved.seek(0)
    state = torch.load(saved, weights_only=True)
    check_state(state, resumed.state_dict(), resumed.network, resumed.optimizer, steps=4)
    resumed.load_state_dict(state)
    assert fit(resumed, images) == history
    assert_same(weights_of(resumed), weights_of(whole))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch.compile itself
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_compiled_run_that_goes_on_ends_with_the_same_bits(images: NDArray[np.float32], optimizer: str) -> None:
    if not can_compile(CPU):
        pytest.skip("torch.compile does not work here")

    def trainer() -> Trainer:
        model = dense(latent_dim=8)
        rule = OPTIMIZERS[optimizer](model.parameters(), 1e-2)
        return Trainer(model, rule, epochs=3, batch_size=8, compiled=True)

    states: list[dict[str, Any]] = []
    whole = trainer()
    history = fit(
        whole,
        images,
        should_save=lambda: whole.epoch == 2 and whole.step == 3,
        save=lambda state, _: states.append(copy.deepcopy(state)),
    )
    resumed = trainer()
    check_state(states[0], resumed.state_dict(), resumed.network, resumed.optimizer, steps=4)
    resumed.load_state_dict(states[0])
    assert fit(resumed, images) == history
    assert_same(weights_of(resumed), weights_of(whole))
    eager = make_trainer(dense(latent_dim=8), 3, learning_rate=1e-2, optimizer=optimizer)
    assert fit(eager, images)[-1]["val_loss"] == pytest.approx(history[-1]["val_loss"], rel=1e-4)


def test_no_two_steps_draw_the_same(images: NDArray[np.float32]) -> None:
    drawn: list[float] = []

    def augment(batch: Tensor) -> Tensor:
        drawn.append(torch.rand(()).item())
        return batch

    trainer = make_trainer(dense(), epochs=3)
    trainer.augment = augment
    fit(trainer, images)
    assert len(set(drawn)) == len(drawn) == 3 * 4


def test_every_image_is_seen_once_an_epoch(images: NDArray[np.float32]) -> None:
    seen: list[Tensor] = []

    class Watching(Scripted):
        def losses(self, images: Tensor) -> dict[str, Tensor]:
            if self.training:
                seen.append(images[:, 0, 0, 0])
            return super().losses(images)

    numbered = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None, None], (30, *SHAPE))
    sgd(Watching([1.0] * 10), 0.0, epochs=2).fit(Resident(numbered, CPU), FOUR)
    epochs = torch.cat(seen).mul(255).round().int().view(2, 30)
    assert [sorted(epoch.tolist()) for epoch in epochs] == [list(range(30))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()  # in another order each time


def test_memory_is_flat_over_epochs(images: NDArray[np.float32]) -> None:
    resident: list[int] = []
    fit(
        make_trainer(dense(hidden=[64]), 300),
        images,
        on_epoch=lambda row: resident.append(psutil.Process().memory_info().rss),
    )
    assert resident[-1] - resident[50] < 2 * 2**20


def test_channels_last_computes_the_same(images: NDArray[np.float32]) -> None:
    def train(channels_last: bool) -> list[Row]:
        model = build("conv", SHAPE, NORMED)
        rule = OPTIMIZERS["adam"](model.parameters(), 1e-3)
        trainer = Trainer(model, rule, epochs=3, batch_size=8, channels_last=channels_last)
        assert model.encoder[0].weight.is_contiguous(memory_format=torch.channels_last) == channels_last  # type: ignore[index,union-attr]
        return fit(trainer, images)

    for ours, theirs in zip(train(True), train(False), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
