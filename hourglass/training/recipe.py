"""How a network is trained: the section `training` of a model, and the section `train` of all models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from hourglass.config.keywords import Keywords, OneOf
from hourglass.config.types import Command, Count, Epochs, Flag, NonNegative, Positive, Seed
from hourglass.training.augmentation import Augmentation
from hourglass.training.optimizers import OPTIMIZERS
from hourglass.training.schedules import SCHEDULES


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one network is trained by gradient descent.

    Args:
        epochs: Passes over the training images, at most.
        batch_size: Images in an optimizer step, over all processes; for the family `tiles` without `overlap`, tiles.
        learning_rate: Step size of the optimizer, the highest one if there is a schedule.
        learning_rate_batch: Batch size that `learning_rate` is meant for: the rate is multiplied by `batch_size` / it.
        optimizer: The optimizer and its options; adam unless given.
        schedule: How the learning rate changes; it stays as it is unless given.
        clip_norm: Largest norm of all gradients together; larger ones are scaled down. No limit unless given.
        augment: Random changes of the training images; none unless given.
        patience: Stop after `patience` epochs without a lower validation loss, and keep the best epoch's weights.
            Unless given, every epoch runs and the last one's weights are kept.
        save_every: Also keep the weights after every `save_every` epochs, in `epoch-<n>.safetensors`.
        seeds: Seeds of the first weights and of all random draws. With several, the network is trained once with each:
            the first is the model, and all give the mean and the standard deviation of the scores.
        compile: Hand the network to `torch.compile`, which needs a C++ compiler: slower to start; whether an epoch
            is faster depends on the network and the hardware.
    """

    epochs: Epochs
    batch_size: Count
    learning_rate: Positive
    learning_rate_batch: Count | None = None
    optimizer: Annotated[Mapping[str, Any], OneOf(OPTIMIZERS)] | None = None
    schedule: Annotated[Mapping[str, Any], OneOf(SCHEDULES)] | None = None
    clip_norm: Positive | None = None
    augment: Annotated[Mapping[str, Any], Keywords(Augmentation)] | None = None
    patience: Epochs | None = None
    save_every: Epochs | None = None
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)] = (0,)
    compile: Flag = False

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: expected different numbers, got {list(self.seeds)}")

    @property
    def scaled_learning_rate(self) -> float:
        """The learning rate for `batch_size`, where it is stated for another batch size."""
        return self.learning_rate * self.batch_size / (self.learning_rate_batch or self.batch_size)


@dataclass(frozen=True, kw_only=True)
class NoRecipe:
    """The recipe of a family that is solved, not trained: no keys."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How, and on what, all models are trained.

    Args:
        launch: Command that starts a training: `python`, or `torchrun --standalone --nproc-per-node=gpu` for one
            process a GPU, each with its share of every batch.
        deterministic: Compute the same bits in every run on the same machine with the same number of threads; false
            computes by the fastest algorithms.
        precision: Of products: auto is bfloat16 on GPUs that have it and float32 elsewhere.
        channels_last: Store images channels last, the memory format in which convolutions are fastest.
        data: Where images are kept: on the device (resident), or read from their file batch by batch (streaming); auto
            is resident if they fit in half of the device's free memory. Changes no result.
        checkpoint_seconds: Time between checkpoints, from which a killed training goes on. Changes no result.
    """

    launch: Command = "python"
    deterministic: Flag = True
    precision: Literal["auto", "bfloat16", "tf32", "float32"] = "auto"
    channels_last: Flag = True
    data: Literal["auto", "resident", "streaming"] = "auto"
    checkpoint_seconds: NonNegative = 60.0
