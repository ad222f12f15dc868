"""Train with Keras 3 on TensorFlow: `model.fit` with all images in memory, and the same layers in Keras's own words."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .job import Job, Result, Stopwatch, serve

os.environ["KERAS_BACKEND"] = "tensorflow"  # read at import

import keras
import tensorflow as tf
from keras import layers

Shape = tuple[int, int, int]  # (H, W, C)


def run(job: Job) -> Result:
    """Train and validate for all epochs."""
    train, val = load(job.train), load(job.val)
    _, height, width, channels = train.shape
    keras.utils.set_random_seed(0)
    inputs = keras.Input((height, width, channels))
    families: dict[str, Callable[..., keras.KerasTensor]] = {"dense": dense, "conv": conv}
    model = keras.Model(inputs, families[job.family](inputs, **job.network))
    kind = {"adam": keras.optimizers.Adam, "adadelta": keras.optimizers.Adadelta}[job.optimizer]
    model.compile(kind(learning_rate=job.learning_rate, **job.optimizer_settings), loss="mse")
    stopwatch = Stopwatch()
    laps = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: stopwatch.lap())  # after validation
    history = model.fit(
        train,
        train,
        batch_size=job.batch_size,
        epochs=job.epochs,
        validation_data=(val, val),
        callbacks=[laps],
        verbose=0,
    )
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    software = {"keras": keras.__version__, "tensorflow": tf.__version__}
    return Result(stopwatch.laps, parameters, float(history.history["val_loss"][-1]), software)


def load(path: str) -> NDArray[np.float32]:
    """Return images (N, H, W, C) in [0, 1]."""
    images = np.ascontiguousarray(np.load(path).transpose(0, 2, 3, 1), dtype=np.float32)
    images /= 255
    return images


def dense(
    images: keras.KerasTensor,
    latent_dim: int,
    hidden: Sequence[int] = (),
    activation: str = "relu",
    latent_activation: str = "linear",
    output_activation: str = "sigmoid",
    negative_slope: float = 0.01,
) -> keras.KerasTensor:
    """Chain the layers of `hourglass.networks.dense.Dense`: (N, H, W, C) -> (N, H, W, C)."""
    shape: Shape = images.shape[1:]
    widths = [*hidden, latent_dim, *reversed(hidden), math.prod(shape)]
    inner = [activation] * len(hidden)
    values = layers.Flatten()(images)
    for width, name in zip(widths, [*inner, latent_activation, *inner, output_activation], strict=True):
        values = _activation(name, negative_slope)(layers.Dense(width)(values))
    return layers.Reshape(shape)(values)


def conv(
    images: keras.KerasTensor,
    encoder: Sequence[Mapping[str, Any]],
    decoder: Sequence[Mapping[str, Any]],
    latent_dim: int | None = None,
    activation: str = "relu",
    latent_activation: str = "linear",
    expand_activation: str = "linear",
    output_activation: str = "sigmoid",
    output_kernel: int = 3,
    negative_slope: float = 0.01,
) -> keras.KerasTensor:
    """Chain the layers of `hourglass.networks.conv.Conv`: (N, H, W, C) -> (N, H, W, C)."""
    height, width, channels = images.shape[1:]
    factor = math.prod(block.get("stride", 1) * block.get("pool", 1) for block in encoder)
    rows, columns = _halves(-height % factor), _halves(-width % factor)
    # Keras has no padding that repeats the edge; to mirror it costs the same.
    values = keras.ops.pad(images, [(0, 0), rows, columns, (0, 0)], mode="symmetric")
    for block in encoder:
        values = _block(values, lambda: _activation(activation, negative_slope), **block)
    if latent_dim is not None:
        features: Shape = values.shape[1:]
        values = layers.Dense(latent_dim)(layers.Flatten()(values))
        values = layers.Dense(math.prod(features))(_activation(latent_activation, negative_slope)(values))
        values = layers.Reshape(features)(_activation(expand_activation, negative_slope)(values))
    for block in decoder:
        values = _block(values, lambda: _activation(activation, negative_slope), **block)
    values = layers.Conv2D(channels, output_kernel, padding="same")(values)
    return layers.Cropping2D((rows, columns))(_activation(output_activation, negative_slope)(values))


def _block(
    values: keras.KerasTensor,
    make_activation: Callable[[], keras.Layer],
    filters: int,
    kernel: int = 3,
    stride: int = 1,
    padding: str = "same",
    transposed: bool = False,
    upsample: int = 1,
    norm: bool = False,
    pool: int = 1,
) -> keras.KerasTensor:
    """Upsample, convolve, activate, normalize, pool: each where asked for."""
    if upsample > 1:
        values = layers.UpSampling2D(upsample)(values)
    kind = layers.Conv2DTranspose if transposed else layers.Conv2D
    values = make_activation()(kind(filters, kernel, strides=stride, padding=padding)(values))
    if norm:
        values = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(values)  # PyTorch's settings
    return layers.MaxPooling2D(pool)(values) if pool > 1 else values


def _activation(name: str, negative_slope: float) -> keras.Layer:
    """Make an activation; Keras's own "leaky_relu" has a slope of its own."""
    return layers.LeakyReLU(negative_slope) if name == "leaky_relu" else layers.Activation(name)


def _halves(count: int) -> tuple[int, int]:
    """Share rows or columns between the two sides."""
    return count // 2, count - count // 2


if __name__ == "__main__":
    serve(run)
