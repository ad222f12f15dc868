"""What `network` and `training` of a model in params.yaml may hold, by family."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from stages.common.sections import FROZEN, Activation, Beta, Count, Flag, Fraction, Odd, Positive, Section, Seed


@dataclass(frozen=True, config=FROZEN)
class DenseNetwork(Section):
    """See `stages.models.dense.Dense`."""

    latent_dim: Count
    hidden: tuple[Count, ...] = ()
    activation: Activation = "relu"
    latent_activation: Activation = "linear"
    output_activation: Activation = "sigmoid"
    negative_slope: Positive = 0.01


@dataclass(frozen=True, config=FROZEN)
class ConvBlock(Section):
    """What blocks of encoders and decoders have in common."""

    filters: Count
    kernel: Odd = 3
    stride: Count = 1
    padding: Literal["same", "valid"] = "same"
    norm: Flag = False
    residual: Annotated[int, Field(strict=True, ge=0)] = 0


@dataclass(frozen=True, config=FROZEN)
class EncoderBlock(ConvBlock):
    """See `stages.models.base.layers.encoder_block`."""

    pool: Count = 1


@dataclass(frozen=True, config=FROZEN)
class DecoderBlock(ConvBlock):
    """See `stages.models.base.layers.decoder_block`."""

    transposed: Flag = False
    upsample: Count = 1
    shuffle: Count = 1

    def __post_init__(self) -> None:
        if self.shuffle > 1 and self.transposed:
            raise ValueError("'shuffle' expects a plain convolution, got `transposed: true`")
        if self.stride > 1 and not self.transposed:
            raise ValueError("'stride' in a decoder expects `transposed: true`; to enlarge without, use 'upsample'")


@dataclass(frozen=True, config=FROZEN)
class ConvNetwork(Section):
    """See `stages.models.conv.Conv`."""

    encoder: Annotated[tuple[EncoderBlock, ...], Field(min_length=1)]
    decoder: tuple[DecoderBlock, ...]
    latent_dim: Count | None = None
    activation: Activation = "relu"
    latent_activation: Activation = "linear"
    expand_activation: Activation = "linear"
    output_activation: Activation = "sigmoid"
    output_kernel: Odd = 3
    negative_slope: Positive = 0.01
    ssim_weight: Annotated[float, Field(strict=True, ge=0)] = 0.0

    def __post_init__(self) -> None:
        if self.latent_dim is None and (self.latent_activation, self.expand_activation) != ("linear", "linear"):
            raise ValueError("'latent_activation' and 'expand_activation' are of a dense latent: expected `latent_dim`")


@dataclass(frozen=True, config=FROZEN)
class PCANetwork(Section):
    """See `stages.models.pca.PCA`."""

    latent_dim: Count | None = None
    tile: tuple[Count, Count] | None = None
    tile_latent_dim: Count | None = None

    def __post_init__(self) -> None:
        if (self.tile is None, self.tile_latent_dim is None) != ((whole := self.latent_dim is not None), whole):
            raise ValueError("expected `latent_dim`, or `tile` and `tile_latent_dim`")


@dataclass(frozen=True, config=FROZEN)
class TilesNetwork(Section):
    """See `stages.models.tiles.Tiles`."""

    tile: tuple[Count, Count]
    tile_latent_dim: Count | None = None
    hidden: tuple[Count, ...] = ()
    encoder: tuple[EncoderBlock, ...] = ()
    decoder: tuple[DecoderBlock, ...] = ()
    activation: Activation = "relu"
    latent_activation: Activation = "linear"
    output_activation: Activation = "sigmoid"
    negative_slope: Positive = 0.01

    def __post_init__(self) -> None:
        dense, conv = bool(self.hidden), bool(self.encoder or self.decoder)
        if (self.tile_latent_dim is None) != conv or (conv and (dense or not self.encoder)):
            raise ValueError(
                "expected `hidden` and `tile_latent_dim`, or `encoder` and `decoder`: a tile has one network"
            )
        if conv and self.latent_activation != "linear":
            raise ValueError("'latent_activation' is of a dense latent: expected `tile_latent_dim`")


@dataclass(frozen=True, config=FROZEN)
class VAENetwork(Section):
    """See `stages.models.vae.VAE`."""

    latent_dim: Count
    encoder: Annotated[tuple[EncoderBlock, ...], Field(min_length=1)]
    decoder: tuple[DecoderBlock, ...]
    beta: Annotated[float, Field(strict=True, ge=0)] = 1.0
    activation: Activation = "relu"
    expand_activation: Activation = "linear"
    negative_slope: Positive = 0.01


@dataclass(frozen=True, config=FROZEN)
class Plateau(Section):
    """See `stages.training.schedules.Plateau`."""

    factor: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.5
    patience: Count = 3
    minimum: Fraction = 0.0


@dataclass(frozen=True, config=FROZEN)
class OneCycle(Section):
    """See `stages.training.schedules.OneCycle`."""

    warmup: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.3


@dataclass(frozen=True, config=FROZEN)
class Augmentation(Section):
    """See `stages.training.augmentation.Augmentation`."""

    flip: Flag = False
    shift: Annotated[int, Field(strict=True, ge=0)] = 0


@dataclass(frozen=True, config=FROZEN)
class GradientDescent(Section):
    """The recipe of a network. See `stages.training.trainer`."""

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    learning_rate_batch: Count | None = None
    optimizer: Literal["adam", "adamw", "adadelta"] = "adam"
    betas: tuple[Beta, Beta] | None = None
    rho: Fraction | None = None
    weight_decay: Annotated[float, Field(strict=True, ge=0)] | None = None
    plateau: Plateau | None = None
    one_cycle: OneCycle | None = None
    clip_norm: Positive | None = None
    augment: Augmentation | None = None
    patience: Count | None = None
    save_every: Count | None = None
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    compile: Flag = False

    def __post_init__(self) -> None:
        owners = {"betas": ("adam", "adamw"), "rho": ("adadelta",), "weight_decay": ("adamw",)}
        for key, owner in owners.items():
            if getattr(self, key) is not None and self.optimizer not in owner:
                raise ValueError(f"'{key}' belongs to optimizer {' or '.join(owner)}, got optimizer {self.optimizer}")
        if self.plateau is not None and self.one_cycle is not None:
            raise ValueError("expected one of 'plateau' and 'one_cycle', got both: the learning rate has one schedule")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"'seeds' expects different numbers, got {list(self.seeds)}")

    @property
    def scaled_learning_rate(self) -> float:
        """The learning rate for this batch size, where it is given for another."""
        return self.learning_rate * self.batch_size / (self.learning_rate_batch or self.batch_size)


@dataclass(frozen=True, config=FROZEN)
class ClosedForm(Section):
    """The recipe of a family that is solved, not trained: nothing to choose."""


NETWORKS = {
    "conv": ConvNetwork,
    "dense": DenseNetwork,
    "pca": PCANetwork,
    "tiles": TilesNetwork,
    "vae": VAENetwork,
}
RECIPES = {family: ClosedForm if family == "pca" else GradientDescent for family in NETWORKS}
