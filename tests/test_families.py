"""One contract over all families: any image size, colour or grey; weights that all learn, and survive the file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.decomposition
import torch
from numpy.typing import NDArray

from stages.common.errors import UserError
from stages.common.recipes import NETWORKS
from stages.metrics.ssim import ssim
from stages.models.base.autoencoder import Autoencoder, Solvable, TrainsOnParts, scale
from stages.models.base.families import FAMILIES, build
from stages.models.base.layers import Permute, Residual
from stages.models.base.store import load_model, save_model
from stages.models.base.tiling import join, split
from stages.models.conv import Conv, mean_ssim

SHAPES = [(1, 8, 8), (1, 9, 7), (3, 5, 13), (1, 1, 4)]
NETWORK: dict[str, dict[str, Any]] = {
    "conv": {
        "latent_dim": 3,
        "encoder": [{"filters": 4, "norm": True, "pool": 2}, {"filters": 5, "stride": 2}],
        "decoder": [{"filters": 4, "transposed": True, "stride": 2, "norm": True}, {"filters": 3, "upsample": 2}],
        "activation": "leaky_relu",
    },
    "dense": {"latent_dim": 3, "hidden": [11, 6]},
    "pca": {"latent_dim": 3},
    "tiles": {"tile": [3, 4], "tile_latent_dim": 3, "hidden": [9], "activation": "leaky_relu"},
    "vae": {
        "latent_dim": 3,
        "encoder": [{"filters": 4, "pool": 2}, {"filters": 5, "pool": 2}],
        "decoder": [{"filters": 4, "transposed": True, "stride": 2}],
    },
}

VARIANTS: dict[str, dict[str, Any]] = {  # of a family, so named: what comes after the colon
    "pca: tiles": {"tile": [3, 4], "tile_latent_dim": 3},
    "tiles: conv": {
        "tile": [4, 4],
        "encoder": [{"filters": 4, "pool": 2}, {"filters": 1}],
        "decoder": [{"filters": 4, "transposed": True, "stride": 2}],
        "activation": "leaky_relu",
    },
    "conv: residual": {
        "latent_dim": 3,
        "encoder": [{"filters": 4, "stride": 2, "norm": True, "residual": 1}],
        "decoder": [{"filters": 4, "shuffle": 2, "norm": True, "residual": 1}],
        "activation": "leaky_relu",
    },
}

every_family = pytest.mark.parametrize("family", [*NETWORK, *VARIANTS])
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def make(family: str, shape: tuple[int, int, int], seed: int = 0) -> tuple[Autoencoder, torch.Tensor]:
    """Build a small model, solved if it has a closed form, and 20 random images for it."""
    model = build(family.partition(":")[0], shape, (NETWORK | VARIANTS)[family], seed).eval()
    images = torch.rand(20, *shape, generator=torch.Generator().manual_seed(1))
    if isinstance(model, Solvable):
        model.fit([images.numpy()])
    return model, images


def examples(model: Autoencoder, images: torch.Tensor) -> torch.Tensor:
    """Give what a model trains on."""
    return model.examples(images) if isinstance(model, TrainsOnParts) else images


def test_every_family_can_be_configured_and_is_tested() -> None:
    assert FAMILIES.keys() == NETWORKS.keys() == NETWORK.keys()


@every_family
@every_shape
def test_shapes(family: str, shape: tuple[int, int, int]) -> None:
    model, images = make(family, shape)
    latents = model.encode(images)
    assert latents.shape == (20, model.latent_dim)
    assert model.latent_dim == 3 or "tiles" in family
    assert latents.dtype == torch.float32
    assert model.decode(latents).shape == images.shape
    assert torch.equal(model(images), model.decode(latents))
    assert model.losses(examples(model, images))["loss"].shape == ()


@every_family
@every_shape
def test_gradients_reach_every_parameter(family: str, shape: tuple[int, int, int]) -> None:
    model, images = make(family, shape)
    if isinstance(model, Solvable):
        assert not list(model.parameters())  # nothing to train
        return
    for module in model.modules():
        if isinstance(module, Residual):  # as after its first step: before, it adds nothing
            torch.nn.init.ones_(module.change[3].weight)  # type: ignore[arg-type]
    model.train().losses(examples(model, images))["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every_family
@every_shape
def test_weights_survive_the_file_bit_for_bit(family: str, shape: tuple[int, int, int], tmp_path: Path) -> None:
    model, images = make(family, shape)
    save_model(
        tmp_path,
        model,
        {"family": family.partition(":")[0], "network": (NETWORK | VARIANTS)[family], "image_shape": shape},
    )
    again, config = load_model(tmp_path, torch.device("cpu"))
    assert config["family"] == family.partition(":")[0]
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert torch.equal(again(images), model.eval()(images))


@every_family
def test_first_weights_depend_on_the_seed_alone(family: str) -> None:
    torch.rand(7)  # whatever was drawn before does not matter
    state = torch.get_rng_state()
    first = make(family, SHAPES[0], seed=5)[0].state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    assert all(
        torch.equal(first[name], tensor) for name, tensor in make(family, SHAPES[0], seed=5)[0].state_dict().items()
    )


def test_other_seed_other_weights() -> None:
    first, other = (make("dense", SHAPES[0], seed)[0].state_dict() for seed in (1, 2))
    assert not any(torch.equal(first[name], other[name]) for name in first if name.endswith("weight"))


@pytest.mark.parametrize("family", ["conv", "dense", "tiles", "vae"])
def test_first_weights_are_glorots(family: str) -> None:
    model = make(family, SHAPES[1])[0].requires_grad_(requires_grad=False)
    layers = [
        layer
        for layer in model.modules()
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    ]
    assert layers
    for layer in layers:
        reference = torch.nn.init.xavier_uniform_(layer.weight.clone())
        largest, expected = layer.weight.abs().max().item(), reference.abs().max().item()
        assert largest == pytest.approx(expected, rel=0.4)  # uniform, so the largest are near the limit
        assert layer.bias is not None
        assert not layer.bias.any()


def test_dense_is_the_published_network() -> None:
    model = build(
        "dense",
        (1, 28, 28),
        {
            "latent_dim": 4,
            "hidden": (300,),
            "activation": "leaky_relu",
            "latent_activation": "leaky_relu",
            "output_activation": "leaky_relu",
            "negative_slope": 0.3,
        },
    )
    widths = [
        (layer.in_features, layer.out_features) for layer in model.modules() if isinstance(layer, torch.nn.Linear)
    ]
    assert widths == [(784, 300), (300, 4), (4, 300), (300, 784)]
    slopes = [layer.negative_slope for layer in model.modules() if isinstance(layer, torch.nn.LeakyReLU)]
    assert slopes == [0.3] * 4  # after every layer, the last included


FASHION: dict[str, dict[str, Any]] = {
    "baseline": {
        "latent_dim": 128,
        "encoder": [{"filters": 32}, {"filters": 32, "pool": 2}],
        "decoder": [{"filters": 32, "upsample": 2}, {"filters": 32}],
    },
    "modified": {
        "latent_dim": 128,
        "encoder": [{"filters": 32}, {"filters": 64, "stride": 2}, {"filters": 128, "stride": 2}],
        "decoder": [
            {"filters": 128, "transposed": True, "stride": 2},
            {"filters": 64, "transposed": True, "stride": 2},
        ],
        "latent_activation": "relu",
        "expand_activation": "relu",
    },
}


def layers_of(model: Autoencoder) -> list[str]:
    """Name every layer that has weights or changes what goes through, with its sizes."""
    described = []
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            described.append(f"dense {layer.out_features}")
        elif isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            kind = "conv" if isinstance(layer, torch.nn.Conv2d) else "transposed"
            described.append(
                f"{kind} {layer.out_channels} {layer.kernel_size[0]}x{layer.kernel_size[1]} /{layer.stride[0]}"
            )
        elif not isinstance(layer, Autoencoder | torch.nn.Sequential | Permute):
            described.append(type(layer).__name__)
    return described


def test_conv_is_the_published_baseline() -> None:
    assert layers_of(build("conv", (1, 28, 28), FASHION["baseline"])) == [
        *["conv 32 3x3 /1", "ReLU", "conv 32 3x3 /1", "ReLU", "MaxPool2d", "Flatten", "dense 128", "Identity"],
        *["dense 6272", "Identity", "Unflatten", "Upsample", "conv 32 3x3 /1", "ReLU", "conv 32 3x3 /1", "ReLU"],
        *["conv 1 3x3 /1", "Sigmoid"],
    ]


def test_conv_is_the_published_modified_network() -> None:
    assert layers_of(build("conv", (1, 28, 28), FASHION["modified"])) == [
        *[
            "conv 32 3x3 /1",
            "ReLU",
            "conv 64 3x3 /2",
            "ReLU",
            "conv 128 3x3 /2",
            "ReLU",
            "Flatten",
            "dense 128",
            "ReLU",
        ],
        *["dense 6272", "ReLU", "Unflatten", "transposed 128 3x3 /2", "ReLU", "transposed 64 3x3 /2", "ReLU"],
        *["conv 1 3x3 /1", "Sigmoid"],
    ]


def test_conv_without_a_dense_layer_keeps_feature_maps() -> None:
    network = {
        "encoder": [{"filters": filters, "norm": True, "pool": 2} for filters in (128, 64, 32)],
        "decoder": [{"filters": filters, "norm": True, "transposed": True, "stride": 2} for filters in (32, 64, 128)],
    }
    with torch.device("meta"):
        model = build("conv", (3, 1000, 800), network)
    assert model.latent_dim == 125 * 100 * 32  # six times fewer numbers than 1000 x 800 x 3
    small = build("conv", (3, 25, 20), network).eval()  # padded to 32x24
    images = torch.rand(2, 3, 25, 20)
    assert small.encode(images).shape == (2, small.latent_dim) == (2, 4 * 3 * 32)
    assert small(images).shape == images.shape
    assert layers_of(small)[:4] == ["conv 128 3x3 /1", "ReLU", "BatchNorm2d", "MaxPool2d"]


def test_padding_is_cropped_where_it_was_put() -> None:
    network = {"encoder": [{"filters": 1, "pool": 4}], "decoder": [{"filters": 1, "upsample": 4}]}
    model = build("conv", (1, 6, 5), network)
    seen: list[torch.Tensor] = []
    model.encoder[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))  # type: ignore[index,union-attr]
    images = torch.rand(2, 1, 6, 5)
    model.encode(images)
    (padded,) = seen
    assert padded.shape == (2, 1, 8, 8)
    assert isinstance(model, Conv)
    left, _, top, _ = model.padding
    assert torch.equal(padded[:, :, top : top + 6, left : left + 5], images)
    assert torch.equal(padded[:, :, 0, left : left + 5], images[:, :, 0])  # by the edge


def test_valid_convolutions_shrink_and_grow() -> None:
    network = {
        "encoder": [{"filters": 64, "padding": "valid"}, {"filters": 1}],
        "decoder": [{"filters": 64, "padding": "valid", "transposed": True}],
    }
    model = build("conv", (1, 8, 8), network)
    assert model.latent_dim == 36
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 1, 8, 8)


def test_a_decoder_that_does_not_fit_is_one_line() -> None:
    network = {"encoder": [{"filters": 4, "pool": 2}], "decoder": [{"filters": 4}]}
    with pytest.raises(UserError, match="expected a decoder that gives 8x8 back, got 4x4"):
        build("conv", (1, 8, 8), network)


def test_layers_that_do_not_fit_the_image_are_one_line() -> None:
    network = {"encoder": [{"filters": 4, "kernel": 11, "padding": "valid"}], "decoder": []}
    with pytest.raises(UserError, match=r"expected layers that fit 1x8x8 values, got: .*[Kk]ernel") as refused:
        build("conv", (1, 8, 8), network)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("shape", [(1, 9, 9), (3, 20, 30)], ids=str)
def test_the_ssim_of_the_loss_is_that_of_the_scores(shape: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(0)
    images = generator.random((4, *shape), dtype=np.float32)
    noisy = (0.7 * images + 0.3 * generator.random((4, *shape), dtype=np.float32)).astype(np.float32)
    expected = ssim(images, noisy).mean()
    assert mean_ssim(torch.from_numpy(images), torch.from_numpy(noisy)).item() == pytest.approx(expected, abs=1e-5)


RESIDUAL: dict[str, Any] = {
    "latent_dim": 5,
    "encoder": [{"filters": 4, "stride": 2, "residual": 2}],
    "decoder": [{"filters": 3, "shuffle": 2, "residual": 1}],
}


def test_the_ssim_term_is_in_the_loss_with_its_weight() -> None:
    images = torch.rand(3, 1, 8, 8)
    plain, weighted = (build("conv", (1, 8, 8), RESIDUAL | {"ssim_weight": weight}) for weight in (0.0, 0.1))
    assert plain.losses(images).keys() == {"loss"}
    losses = weighted.losses(images)
    assert losses["mse"].item() == pytest.approx(plain.losses(images)["loss"].item())
    assert losses["loss"].item() == pytest.approx(losses["mse"].item() + 0.1 * (1 - losses["ssim"].item()))
    with pytest.raises(UserError, match="`ssim_weight` expects images of at least 7x7, got 6x9"):
        build("conv", (1, 6, 9), RESIDUAL | {"ssim_weight": 0.1})


def test_residual_blocks_add_to_what_goes_through_them() -> None:
    model = build("conv", (1, 7, 5), RESIDUAL)  # padded to 8x6
    blocks = [module for module in model.modules() if isinstance(module, Residual)]
    assert len(blocks) == 3
    values = torch.rand(2, 4, 3, 3)
    assert torch.equal(blocks[0](values), values)  # at first they add nothing
    torch.nn.init.ones_(blocks[0].change[3].bias)  # type: ignore[arg-type]
    assert torch.allclose(blocks[0](values), values + 1)
    assert model(torch.rand(2, 1, 7, 5)).shape == (2, 1, 7, 5)


def test_dense_is_mirrored_and_ends_as_told() -> None:
    model = build("dense", (1, 4, 4), {"latent_dim": 2, "hidden": [9, 5], "output_activation": "sigmoid"})
    assert isinstance(model.decoder, torch.nn.Sequential)
    layers = [
        layer for layer in model.modules() if isinstance(layer, torch.nn.Linear | torch.nn.ReLU | torch.nn.Sigmoid)
    ]
    shapes = [layer.out_features if isinstance(layer, torch.nn.Linear) else type(layer).__name__ for layer in layers]
    assert shapes == [9, "ReLU", 5, "ReLU", 2, 5, "ReLU", 9, "ReLU", 16, "Sigmoid"]


def test_a_damaged_weights_file_is_one_line(tmp_path: Path) -> None:
    model, _ = make("dense", SHAPES[0])
    save_model(tmp_path, model, {"family": "dense", "network": NETWORK["dense"], "image_shape": SHAPES[0]})
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="expected a trained model") as refused:
        load_model(tmp_path, torch.device("cpu"))
    assert "\n" not in str(refused.value)


def test_pca_reconstructs_as_scikit_learn_does(images: NDArray[np.float32]) -> None:
    model = build("pca", (3, 9, 11), {"latent_dim": 5})
    assert isinstance(model, Solvable)
    model.fit([images])
    reference = sklearn.decomposition.PCA(5, svd_solver="full").fit(images.reshape(len(images), -1))
    expected = reference.inverse_transform(reference.transform(images.reshape(len(images), -1)))
    np.testing.assert_allclose(model(torch.from_numpy(images)).flatten(1), expected, atol=1e-5)


def test_both_pca_solvers_find_the_same_subspace(images: NDArray[np.float32]) -> None:
    few_pixels = images[:, :, :2, :3]  # fewer values than images: the solver by covariance
    count, pixels = len(few_pixels), math.prod(few_pixels.shape[1:])
    assert count > pixels
    model = build("pca", (3, 2, 3), {"latent_dim": 4})
    assert isinstance(model, Solvable)
    model.fit([few_pixels])
    centred = few_pixels.reshape(count, pixels) - few_pixels.reshape(count, pixels).mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:4]
    assert isinstance(model.components, torch.Tensor)
    components = model.components.numpy()
    np.testing.assert_allclose(components.T @ components, directions.T @ directions, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 7)], ids=str)
def test_pca_by_tiles_is_that_of_all_tiles(shape: tuple[int, int, int]) -> None:
    images = torch.rand(10, *shape, generator=torch.Generator().manual_seed(0))
    tiles = split(images, (4, 4)).flatten(1)
    directions = tiles.shape[1]
    every = build("pca", shape, {"tile": (4, 4), "tile_latent_dim": directions})
    some = build("pca", shape, {"tile": (4, 4), "tile_latent_dim": 3})
    assert isinstance(every, Solvable)
    assert isinstance(some, Solvable)
    for model in (every, some):
        model.fit([images[:3].numpy(), images[3:].numpy()])  # in batches
    torch.testing.assert_close(every(images), images, atol=1e-4, rtol=0)  # with all directions nothing is lost
    reference = sklearn.decomposition.PCA(3, svd_solver="full").fit(tiles.numpy())
    expected = reference.inverse_transform(reference.transform(tiles.numpy()))
    expected = join(torch.from_numpy(expected).view(-1, shape[0], 4, 4), shape)
    torch.testing.assert_close(some(images), expected, atol=1e-4, rtol=0)
    few = build("pca", (1, 4, 4), {"tile": (2, 2), "tile_latent_dim": 5})
    assert isinstance(few, Solvable)
    with pytest.raises(UserError, match="expected tile_latent_dim of at most 4 for PCA of 4 training tiles"):
        few.fit([images[:1, :1, :4, :4].numpy()])


def test_pca_of_too_few_images_is_one_line(images: NDArray[np.float32]) -> None:
    model = build("pca", (3, 9, 11), {"latent_dim": 50})
    assert isinstance(model, Solvable)
    with pytest.raises(UserError, match="latent_dim of at most 40 for PCA of 40 training images"):
        model.fit([images])


def test_scale_gives_float32_from_0_to_1() -> None:
    scaled = scale(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert scaled.dtype == torch.float32
    assert scaled.tolist() == pytest.approx([0, 0.2, 1])
