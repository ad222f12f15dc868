"""A trained model as a transformer of scikit-learn and as a codec of files."""

import os
import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags

from hourglass.codec.compute import bounded_memory, choose, device_of, exact, one_thread
from hourglass.codec.images import ImageLike, ImageList, channels_last
from hourglass.codec.source import local_folder
from hourglass.codec.unpack import Package, unpack
from hourglass.coding import file
from hourglass.coding.quantizer import Latents, Quantizer, check_bits
from hourglass.console.errors import UserError
from hourglass.data.image import Preparation
from hourglass.data.prepared import Bytes
from hourglass.inference.batches import batch_size, to_bytes
from hourglass.inference.store import weights_file
from hourglass.metrics.scores import join, score
from hourglass.networks.base.autoencoder import scale

Images = ImageLike | Sequence[ImageLike]


def load(model: str | os.PathLike[str], bits: int | None = None, device: str | torch.device = "auto") -> "Codec":
    """Load a trained model.

    Args:
        model: Its folder; a zip file of that; or a folder in a git repository that DVC tracks it in,
            `https://host/team/project.git@v1.0:data/models/<model>`, which needs `hourglass[pipeline]`.
        bits: Of each number in a file, 4 to 16; as many as the model was given unless named.
        device: Where to compute: `cpu`, `cuda`, or `auto` for a GPU where there is one.

    Raises:
        UserError: If it is no model, or damaged.
    """
    return Codec(os.fspath(model), bits=bits, device=device).fit()


class Codec(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """A trained autoencoder: images to latents, (N, D) float32, and to files of compressed images; and back.

    A transformer of scikit-learn that is fitted already: `fit` only loads the model. Images are paths, Pillow images
    or arrays of uint8, (N, H, W) or (N, H, W, C); also (N, H * W * C), as scikit-learn's data sets have them. Files,
    and arrays of another size than the model's, are prepared as the training images were.

    Args:
        model: See `load`.
        bits: See `load`.
        device: See `load`.

    >>> codec = load("data/models/digits-dense")  # doctest: +SKIP
    >>> codec.inverse_transform(codec.transform(images))  # doctest: +SKIP
    """

    def __init__(
        self, model: str | os.PathLike[str], *, bits: int | None = None, device: str | torch.device = "auto"
    ) -> None:
        self.model = model
        self.bits = bits
        self.device = device

    def fit(self, X: object = None, y: object = None) -> Self:  # noqa: N803 - scikit-learn's names
        """Load the model; the images are not looked at."""
        self.__dict__.pop("_loaded", None)  # of the parameters before `set_params`
        self._package  # noqa: B018 - which loads it
        return self

    def transform(self, X: Images) -> Latents:  # noqa: N803
        """Encode images: (N, D) float32.

        In batches of bounded memory. The last digits depend on the size of the batch and on the device: latents of the
        same image differ by less than 1e-4 of their range.

        Raises:
            UserError: If one is no image.
        """
        images = self.prepare(X)
        encoded = [self._encode(pixels).cpu().numpy() for pixels in images.batches(batch_size(self.image_shape))]
        _warn(images, further=1)  # scikit-learn's `set_output` is in between
        return np.concatenate(encoded) if encoded else np.empty((0, self.latent_dim), np.float32)

    def inverse_transform(self, X: NDArray[np.floating[Any]]) -> Bytes:  # noqa: N803
        """Decode latents (N, D) to images, (N, H, W) or (N, H, W, C) uint8.

        Raises:
            UserError: If they are no latents of this model.
        """
        latents = self._latents(X)
        step = batch_size(self.image_shape)
        decoded = [self._decode(latents[start : start + step]) for start in range(0, len(latents), step)]
        return channels_last(np.concatenate(decoded) if decoded else np.empty((0, *self.image_shape), np.uint8))

    def compress(self, image: ImageLike) -> bytes:
        """Return one image as the bytes of an .hg file: the same bytes whatever the number of threads."""
        images = self.prepare([image])
        latents = self.encode_each(images)
        _warn(images)
        return self.to_file(latents, sizes=[images.sizes[0]] if images.sizes else [])

    def decompress(self, data: bytes) -> Bytes:
        """Return the image (H, W[, C]) of an .hg file; of a file of many images, (N, H, W[, C]).

        Raises:
            UserError: If it is no such file, a damaged one, or one of another model.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise UserError(f"expected the bytes of an .hg file, got {type(data).__name__}: Path(file).read_bytes()")
        images = self.decode_each(self.from_file(bytes(data)).latents)
        return images[0] if len(images) == 1 else images

    def score(self, X: Images, y: object = None) -> pd.DataFrame:  # noqa: N803
        """Return the mse, mae, psnr_db and, where the images are large enough, ssim of every image's reconstruction."""
        images = self.prepare(X)
        if not len(images):
            raise UserError("expected images to score, got none")
        names = [images.name(index) for index in range(len(images))]
        batches = images.batches(batch_size(self.image_shape))
        scores = [self.scores_of(pixels, self._decode(self._encode(pixels))) for pixels in batches]
        _warn(images)
        return pd.DataFrame(join(scores), index=pd.Index(names, name="image"))

    def scores_of(self, originals: Bytes, reconstructions: Bytes) -> dict[str, NDArray[np.float64]]:
        """Return every metric of each reconstruction, both uint8 (N, C, H, W)."""
        return score(_unit(originals), _unit(reconstructions))

    def to_file(
        self,
        latents: Latents,
        names: Sequence[str] = (),
        sizes: Sequence[file.Size | None] = (),
        bits: int | None = None,
    ) -> bytes:
        """Return latents (N, D) as the bytes of one .hg file: see `hourglass.coding.file`.

        Args:
            latents: Of the images.
            names: Of the images.
            sizes: Height and width of each before it was made as large as the model's, None where they are the same.
            bits: Of each number, if not `file_bits`.
        """
        own = self.image_shape[1], self.image_shape[2]
        known = [size or own for size in sizes] if any(sizes) else []
        return file.write(latents, self.quantizer, bits or self.file_bits, self._package.identity, names, known)

    def from_file(self, data: bytes, title: str = "the file") -> file.Compressed:
        """Return what the bytes of an .hg file hold; `title` is what messages call it."""
        return file.read(data, self.quantizer, self.latent_dim, self._package.identity, title)

    def encode_each(self, images: ImageList) -> Latents:
        """Encode images one by one on one thread, so that an image has the same bits wherever it stands: (N, D)."""
        with one_thread():
            rows = [self._encode(images.prepared(index)[None]).cpu().numpy() for index in range(len(images))]
        return np.concatenate(rows)

    def decode_each(self, latents: Latents) -> Bytes:
        """Decode latents (N, D) one by one on one thread: (N, H, W) or (N, H, W, C)."""
        with one_thread():
            return channels_last(np.concatenate([self._decode(row) for row in latents[:, None]]))

    def prepare(self, images: Images) -> ImageList:
        """Return images as the model takes them."""
        return ImageList(images, self.preparation, self.image_shape)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the model's images."""
        return self._package.network.image_shape

    @property
    def latent_dim(self) -> int:
        """Numbers in a latent."""
        return self._package.network.latent_dim

    @property
    def name(self) -> str:
        """The model's name."""
        return self._package.identity.name

    @property
    def weights_id(self) -> str:
        """The model's name and a hash of its weights; a model of the same id has the same latents."""
        return f"{self.name} {self.config.get('sha256', {}).get(weights_file(), '')[:16]}".rstrip()

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says of the model."""
        return self._package.config

    @property
    def preparation(self) -> Preparation:
        """What the training images went through."""
        return Preparation.of({**self.config["preparation"], "size": list(self.image_shape[1:])})

    @property
    def has_files(self) -> bool:
        """Whether the model has a quantizer, which it gets after its training."""
        return self._package.quantizer is not None

    @property
    def quantizer(self) -> Quantizer:
        """Of the latents in files; raises UserError if the model has none."""
        if self._package.quantizer is None:
            raise UserError(
                f"{self.model}: expected a model with a quantizer, got one that is only trained: evaluate it"
            )
        return self._package.quantizer

    @property
    def file_bits(self) -> int:
        """Bits of each number in a file."""
        if self.bits is None:
            return self._package.bits
        check_bits(self.bits)
        return self.bits

    @property
    def network(self) -> torch.nn.Module:
        """The network, on its device and in evaluation mode."""
        return self._package.network

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim

    @property
    def _package(self) -> Package:
        """The model, loaded when it is first needed."""
        if "_loaded" not in self.__dict__:
            if self.bits is not None:
                check_bits(self.bits)
            with local_folder(os.fspath(self.model)) as folder:
                self._loaded = unpack(folder, choose(self.device))
        return self._loaded

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        """Say that it takes images besides tables of their pixels, and is fitted already."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = tags.input_tags.string = True
        tags.requires_fit, tags.no_validation = False, True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: it loads the model itself."""
        return {key: value for key, value in super().__getstate__().items() if key != "_loaded"}

    def _latents(self, latents: Any) -> Latents:  # noqa: ANN401 - anything may come
        try:
            array = np.asarray(latents, dtype=np.float32)
        except (TypeError, ValueError):
            raise UserError(f"expected latents (N, {self.latent_dim}), got {type(latents).__name__}") from None
        if array.ndim != 2 or array.shape[1] != self.latent_dim:
            raise UserError(f"expected latents (N, {self.latent_dim}), got an array of {array.shape}")
        if not np.isfinite(array).all():
            raise UserError("expected finite latents, got NaN or infinity among them")
        return array

    @torch.no_grad()
    def _encode(self, pixels: Bytes) -> torch.Tensor:
        """(N, C, H, W) -> (N, D)."""
        network = self._package.network
        with exact(), bounded_memory():
            return network.encode(scale(torch.from_numpy(np.require(pixels, requirements="W")).to(device_of(network))))

    @torch.no_grad()
    def _decode(self, latents: Latents | torch.Tensor) -> Bytes:
        """(N, D) -> (N, C, H, W)."""
        network = self._package.network
        with exact(), bounded_memory():
            return to_bytes(network.decode(torch.as_tensor(latents).to(device_of(network))).clamp(0, 1))


def _unit(pixels: Bytes) -> NDArray[np.float32]:
    return scale(torch.from_numpy(np.require(pixels, requirements=["C", "W"]))).numpy()


def _warn(images: ImageList, further: int = 0) -> None:
    """Warn at the line that called the codec's method, or `further` calls above that."""
    if line := images.change():
        warnings.warn(line, stacklevel=3 + further)
