"""A linear path starts as PCA of the same images, and a training that keeps its best epoch is never worse."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hourglass.console.errors import StoppedError, UserError
from hourglass.networks.base.autoencoder import Autoencoder, Solvable
from hourglass.networks.base.families import build
from hourglass.networks.tiles import Tiles
from hourglass.training.batches import Resident
from hourglass.training.distributed import ProcessGroup
from hourglass.training.objective import Objective, mean_losses
from hourglass.training.recipe import Recipe, Settings
from hourglass.training.run import Run, solve_linear, train
from hourglass.training.trainer import Trainer

from .test_families import LINEAR, NETWORK, SHAPES, make

CPU = torch.device("cpu")
SHAPE = (3, 9, 11)
every_linear = pytest.mark.parametrize("name", LINEAR)
every_shape = pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for name, network in LINEAR.items()
        for shape in (SHAPE, *SHAPES)
        if all(side <= size for side, size in zip(network.get("tile", ()), shape[1:], strict=False))
    ],
    ids=str,
)


def as_bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(images * 255).astype(np.uint8)


def pca_of(network: Autoencoder, images: Tensor) -> Autoencoder:
    """Return PCA of as many numbers, solved on the same images (N, C, H, W) in [0, 1]."""
    keywords: dict[str, object] = {"latent_dim": network.latent_dim}
    if isinstance(network, Tiles):
        keywords = {"tile": network.tile, "tile_latent_dim": network.tile_latent_dim}
    pca = build("pca", network.image_shape, keywords)
    assert isinstance(pca, Solvable)
    pca.fit([images.numpy()])
    return pca


def trained(name: str, images: NDArray[np.float32], folder: Path, **recipe: Any) -> list[Run]:  # noqa: ANN401
    """Train on the first 30 images (N, C, H, W), validate on the rest."""
    splits = as_bytes(images[:30]), as_bytes(images[30:])
    whole = Recipe(**{"epochs": 3, "batch_size": 8, "learning_rate": 1e-3, "patience": 3} | recipe)
    family = name.partition(":")[0]
    runs, _ = train(
        name,
        lambda seed: build(family, images.shape[1:], LINEAR[name], seed),
        splits,
        whole,
        Settings(),
        folder,
        {"network": LINEAR[name]},
        CPU,
        ProcessGroup(),
    )
    return runs


def clipped_error(network: Autoencoder, pca: Autoencoder, images: Tensor) -> float:
    """Return PCA's mean squared error on what a network trains on: images, or tiles that may reach beyond them."""
    cut = images
    if network.cuts:
        assert isinstance(network, Tiles)
        parts = build("pca", (images.shape[1], *network.tile), {"latent_dim": network.tile_latent_dim})
        parts.load_state_dict(pca.state_dict())
        pca, cut = parts, network.examples(images)
    return functional.mse_loss(pca(cut).clamp(0, 1), cut).item()


@every_shape
def test_it_starts_as_pca(name: str, shape: tuple[int, int, int]) -> None:
    network, images = make(name, shape)
    pca = pca_of(network, images)
    torch.testing.assert_close(network(images), pca(images), atol=1e-5, rtol=0)
    ours, theirs = (functional.mse_loss(one(images), images).item() for one in (network, pca))
    assert ours == pytest.approx(theirs, abs=1e-6)


@every_shape
@pytest.mark.parametrize("high", [False, True], ids=["low rate", "high rate"])
def test_a_training_that_keeps_its_best_epoch_is_never_worse_than_pca(
    name: str, shape: tuple[int, int, int], high: bool, images: NDArray[np.float32], tmp_path: Path
) -> None:
    images = np.pad(images, ((0, 0), (0, 0), (0, 0), (0, 2)), mode="reflect")[:, : shape[0], : shape[1], : shape[2]]
    rate = 1e-3 if not high else 0.1 if name.startswith("vae") else 3.0
    (run,) = trained(name, images, tmp_path, learning_rate=rate, epochs=1 if high else 3)
    network, start = run.network, run.history[0]
    fitted, held_back = (torch.from_numpy(as_bytes(part) / np.float32(255)) for part in (images[:30], images[30:]))
    pca = pca_of(network, fitted)
    assert [row["epoch"] for row in run.history] == list(range(run.epochs + 1))
    if not name.startswith("vae"):
        assert start["val_loss"] == pytest.approx(clipped_error(network, pca, held_back), abs=1e-6)
        assert start["train_loss"] == pytest.approx(clipped_error(network, pca, fitted), abs=1e-6)
    examples = Resident(network.examples(torch.from_numpy(as_bytes(images[30:]))).numpy(), CPU)
    kept = mean_losses(Objective(network), examples, 8, ProcessGroup())["loss"]
    assert kept == pytest.approx(run.val_loss, rel=1e-6)
    assert run.val_loss == min(row["val_loss"] for row in run.history)
    if high and not (name.startswith("vae") and shape == (1, 1, 4)):  # of so few pixels that this rate may gain
        assert run.kept_epoch == 0
        torch.testing.assert_close(network(held_back), pca(held_back), atol=1e-5, rtol=0)


@every_linear
def test_it_starts_as_pca_in_bfloat16_too(name: str) -> None:
    """Rounded to bfloat16, the components would leave an error a hundred times as large."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(2, 1, *SHAPE, generator=generator)
    images = (torch.rand(2, 40, 1, 1, 1, generator=generator) * patterns).sum(dim=0) / 2
    network = build(name.partition(":")[0], SHAPE, LINEAR[name]).eval()
    assert network.linear is not None
    network.linear.fit([images.numpy()], tiled=isinstance(network, Tiles))
    with torch.autocast("cpu", torch.bfloat16):
        reduced = network(images)
    torch.testing.assert_close(reduced, network(images), atol=1e-5, rtol=0)


def arc(count: int) -> Tensor:
    """Draw images (N, 1, 5, 4) on a curve in a plane, which a linear projection to one number cannot follow."""
    generator = torch.Generator().manual_seed(0)
    angles = torch.rand(count, 1, generator=generator) * 4
    directions = torch.linalg.qr(torch.randn(20, 2, generator=generator))[0].T
    return (0.5 + 0.3 * torch.cat([angles.cos(), angles.sin()], dim=1) @ directions).view(-1, 1, 5, 4)


def test_the_network_learns_what_pca_leaves() -> None:
    images = arc(200)
    network = build("dense", (1, 5, 4), {"latent_dim": 1, "hidden": [32], "activation": "silu", "linear": "pca"})
    assert network.linear is not None
    network.linear.fit([images.numpy()], tiled=False)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = [descend(network, images, optimizer) for _ in range(150)]
    assert losses[0] == pytest.approx(network.linear.residual.square().item(), rel=1e-4)
    assert losses[-1] < losses[0] / 10


def descend(network: Autoencoder, images: Tensor, optimizer: torch.optim.Optimizer) -> float:
    """Take a step on all images; return the loss before it."""
    optimizer.zero_grad()
    loss = network.losses(images)["loss"]
    loss.backward()
    optimizer.step()
    return loss.item()


def test_without_patience_the_last_epoch_is_kept(images: NDArray[np.float32], tmp_path: Path) -> None:
    (run,) = trained("dense: linear", images, tmp_path, learning_rate=1.0, patience=None)
    assert (run.best_epoch, run.kept_epoch) == (0, 3)
    assert run.val_loss > run.history[0]["val_loss"]


def test_every_seed_starts_with_the_same_components(images: NDArray[np.float32], tmp_path: Path) -> None:
    runs = trained("dense: linear, trained", images, tmp_path, epochs=1, seeds=(0, 1))
    first, other = (run.network.state_dict() for run in runs)
    assert runs[0].computed["solver"] == "full"  # fewer images than values
    assert runs[0].history[0] == runs[1].history[0]
    assert torch.equal(first["linear.components"], other["linear.components"])
    assert not torch.equal(first["linear.into.weight"], other["linear.into.weight"])  # what they learn is their own
    assert not torch.equal(first["encoder.1.weight"], other["encoder.1.weight"])


def test_latents_have_variance_one(images: NDArray[np.float32]) -> None:
    network = build("dense", SHAPE, {"latent_dim": 3, "linear": "pca"})
    assert solve_linear(network, as_bytes(images)) is not None
    latents = network.encode(torch.from_numpy(as_bytes(images) / np.float32(255)))
    torch.testing.assert_close(latents.mean(dim=0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.square().mean(dim=0), torch.ones(3), atol=1e-4, rtol=0)


def test_its_units_are_those_of_the_images_and_of_what_pca_leaves(images: NDArray[np.float32]) -> None:
    network, values = build("dense", SHAPE, {"latent_dim": 3, "linear": "pca"}), torch.from_numpy(images)
    path = network.linear
    assert path is not None
    path.fit([images[:10], images[10:]], tiled=False)
    assert path.residual.item() == pytest.approx((network(values) - values).square().mean().sqrt().item(), rel=1e-4)
    assert path.normalize(values).square().mean().item() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("gray", [0.0, 0.3])
def test_images_without_any_variance_are_reconstructed(gray: float) -> None:
    network = build("tiles", (1, 4, 5), {"tile": (2, 3), "tile_latent_dim": 2, "hidden": [3], "linear": "pca"})
    images = torch.full((9, 1, 4, 5), gray)
    assert network.linear is not None
    network.linear.fit([images.numpy()], tiled=True)
    torch.testing.assert_close(network(images), images)


@pytest.mark.parametrize("name", ["dense: linear", "dense: linear, trained"])
def test_components_learn_if_they_are_told_to(name: str, images: NDArray[np.float32], tmp_path: Path) -> None:
    network = trained(name, images, tmp_path, patience=None)[0].network
    solved = build("dense", SHAPE, LINEAR[name])
    solve_linear(solved, as_bytes(images[:30]))
    assert network.linear is not None
    assert solved.linear is not None
    for key, tensor in network.linear.state_dict().items():
        learned = key in ("into.weight", "out_of.weight")
        assert torch.equal(tensor, solved.linear.state_dict()[key]) != learned, key
    assert bool(list(network.linear.parameters())) == (name == "dense: linear, trained")


def test_components_that_learn_adapt_to_other_images() -> None:
    network = build("dense", (1, 5, 4), {"latent_dim": 2, "linear": "pca", "train_linear": True})
    images = arc(200)
    assert network.linear is not None
    network.linear.fit([images.numpy()], tiled=False)
    network.linear.residual.fill_(0.1)  # of these images PCA leaves nothing
    others = images.roll(7, dims=2).roll(3, dims=3).flip(2)
    optimizer = torch.optim.Adam(network.linear.parameters(), 0.03)
    losses = [descend(network, others, optimizer) for _ in range(150)]
    assert losses[-1] < losses[0] / 10


def test_reconstructions_are_clipped_in_evaluation_alone() -> None:
    network, images = make("dense: linear", SHAPES[1])
    images = (images > 0.5).float()  # PCA goes beyond 0 and 1
    error = (network(images) - images).square().mean()
    clipped = (network(images).clamp(0, 1) - images).square().mean()
    assert clipped < error
    assert network.eval().losses(images)["loss"].item() == pytest.approx(clipped.item())
    assert network.train().losses(images)["loss"].item() == pytest.approx(error.item())


CONV = {key: value for key, value in NETWORK["conv"].items() if key != "latent_dim"}


@pytest.mark.parametrize(
    ("family", "keywords", "message"),
    [
        (
            "dense",
            {"latent_dim": 2, "train_linear": True},
            "'train_linear' is of a linear path: expected `linear: pca`",
        ),
        (
            "dense",
            {"latent_dim": 2, "linear": "pca", "output_activation": "sigmoid"},
            "'output_activation' is linear beside a linear path, got sigmoid: leave it out",
        ),
        (
            "tiles",
            NETWORK["tiles"] | {"linear": "pca", "latent_activation": "relu"},
            "'latent_activation' is linear beside a linear path, got relu: leave it out",
        ),
        ("conv", CONV | {"linear": "pca"}, "'linear' is of whole images: expected `latent_dim`, or the family `tiles`"),
    ],
    ids=["train_linear", "output_activation", "latent_activation", "latent_dim"],
)
def test_keywords_that_do_not_go_with_it_are_one_line(family: str, keywords: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=f"^network: {message}$"):
        build(family, (1, 8, 8), keywords)


def test_too_few_images_are_one_line() -> None:
    network = build("dense", (1, 8, 8), {"latent_dim": 5, "linear": "pca"})
    with pytest.raises(UserError, match="latent_dim of at most 4 for PCA of 4 training images"):
        solve_linear(network, np.zeros((4, 1, 8, 8), np.uint8))


def test_how_images_are_batched_changes_nothing_but_rounding(images: NDArray[np.float32]) -> None:
    first, again = (build("dense", SHAPE, {"latent_dim": 3, "linear": "pca"}).linear for _ in range(2))
    assert first is not None
    assert again is not None
    first.fit([images], tiled=False)
    again.fit(np.array_split(images, 7), tiled=False)
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(tensor, again.state_dict()[name])


def test_a_signal_ends_it_before_the_losses_of_pca_are_known(images: NDArray[np.float32]) -> None:
    def save(state: dict[str, Any], signal: int) -> None:
        assert (state["history"], state["step"], signal) == ([], 0, 15)
        raise StoppedError("stopped", signal)

    network = build("dense", SHAPE, {"latent_dim": 3, "linear": "pca"})
    trainer = Trainer(network, torch.optim.Adam(network.parameters()), epochs=1, batch_size=8)
    split = Resident(as_bytes(images), CPU)
    with pytest.raises(StoppedError):
        trainer.fit(split, split, stop_signal=lambda: 15, save=save)
