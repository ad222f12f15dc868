"""Export a model to ONNX, for programs that have no torch.

encoder.onnx          images (N, C, H, W) float32 in [0, 1] -> latents (N, D) float32
decoder.onnx          latents (N, D) float32 -> reconstructions (N, C, H, W) float32 in [0, 1]
preprocessing.json    what makes images of files, and files of reconstructions
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hourglass.codec.codec import Codec, Images
from hourglass.codec.onnx_check import DECODER, ENCODER, Differences, check, import_package, require_packages
from hourglass.console.errors import UserError
from hourglass.console.progress import progress
from hourglass.data.image import Preparation
from hourglass.files import whole_folder, write_json
from hourglass.inference.store import DIGEST, weights_file
from hourglass.networks.base.autoencoder import Autoencoder

PREPROCESSING = "preprocessing.json"
FORMAT = 1  # of preprocessing.json
MOST_FOLDED = 1 << 12  # numbers of a constant that the exporter computes
EXAMPLES = 2  # images in the batch that is traced: torch takes a batch of one for a constant

COLORS = {"gray": "to gray, ITU-R 601 luma: 0.299 R + 0.587 G + 0.114 B", "rgb": "to RGB, red first"}
RESIZES = {
    "crop": "cut out the middle in the shape of `size`, then scale that to it",
    "stretch": "scale the whole image to `size`",
    "pad": "scale the whole image so that it fits into `size`, and center it on black",
}


def export(codec: Codec, folder: Path, images: Images = ()) -> Differences:
    """Write encoder.onnx, decoder.onnx and preprocessing.json, once they have been compared with torch.

    Both take batches of any size. Each file holds its weights; torch puts those of more than 1.5 GB beside it, in
    encoder.onnx.data or decoder.onnx.data.

    Args:
        codec: The model.
        folder: Does not exist yet, or is empty. Appears whole or not at all.
        images: What to compare both on, as `Codec.transform` takes them; without any, latents are drawn from the
            distribution that the quantizer has of each number, and decoded.

    Returns:
        The largest differences between what onnxruntime and torch compute.

    Raises:
        UserError: If there are files in the folder, a package of `hourglass[onnx]` is missing, the network cannot be
            exported, or what is exported computes something else: see `hourglass.codec.onnx_check`.
    """
    require_packages()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"expected a new or an empty folder, got {folder}, which has files: name another")
    # torch's exporter leaves marks in the modules, and the codec may compute on a GPU.
    network = copy.deepcopy(codec.network).cpu().eval()
    assert isinstance(network, Autoencoder)
    with whole_folder(folder.absolute()) as partial:
        with progress(2, "export", "graph") as bar:
            for name, half in ((ENCODER, Encoder(network)), (DECODER, Decoder(network))):
                _write(half, partial / name)
                bar.update()
        write_json(partial / PREPROCESSING, preprocessing(codec))
        return check(partial, codec, network, images)


class Half(nn.Module):
    """Half of an autoencoder, as a module whose `forward` it is.

    Attributes:
        names: Of what comes in and what comes out.
    """

    names: ClassVar[tuple[str, str]]

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def example(self) -> Tensor:
        """Return a batch of what comes in."""
        raise NotImplementedError


class Encoder(Half):
    """The encoder."""

    names = "images", "latents"

    def example(self) -> Tensor:
        """Return gray images (N, C, H, W)."""
        return torch.full((EXAMPLES, *self.network.image_shape), 0.5)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D)."""
        return self.network.encode(images)


class Decoder(Half):
    """The decoder, and what `Codec.inverse_transform` does next."""

    names = "latents", "reconstructions"

    def example(self) -> Tensor:
        """Return latents (N, D)."""
        return torch.zeros(EXAMPLES, self.network.latent_dim)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, D) -> (N, C, H, W) in [0, 1]."""
        return self.network.decode(latents).clamp(0, 1)


def preprocessing(codec: Codec) -> dict[str, Any]:
    """Return what preprocessing.json says: all between an image file and the encoder, and between decoder and image."""
    prepare = codec.preparation
    images, latents = ["batch", *codec.image_shape], ["batch", codec.latent_dim]
    layout = "NHW" if prepare.channels == 1 else "NHWC"
    return {
        "format": FORMAT,
        "model": codec.name,
        "weights_sha256": codec.config.get(DIGEST, {}).get(weights_file()),
        "encoder": {"file": ENCODER, **_ends(Encoder, images, latents)},
        "decoder": {"file": DECODER, **_ends(Decoder, latents, images)},
        "prepare": prepare.values()
        | {"transparent": "white", "scale": 1 / 255, "range": [0, 1], "dtype": "float32", "layout": "NCHW"},
        "restore": {"scale": 255, "round": "half to even", "range": [0, 255], "dtype": "uint8", "layout": layout},
        "steps": {"prepare": _prepare_steps(prepare), "restore": _restore_steps(prepare)},
    }


def _ends(half: type[Half], inputs: list[Any], outputs: list[Any]) -> dict[str, Any]:
    """Return the names, types and shapes of what comes in and what comes out."""
    return {
        end: {"name": name, "dtype": "float32", "shape": shape}
        for end, name, shape in zip(("input", "output"), half.names, (inputs, outputs), strict=True)
    }


def _prepare_steps(preparation: Preparation) -> list[str]:
    """Return, for people, how a file becomes the input of the encoder."""
    axes = "(height, width)" if preparation.channels == 1 else "(height, width, channel)"
    return [
        "Decode the file to 8 bits a channel; of 16 bits, 65535 becomes 255.",
        "Turn it as the orientation in its EXIF data says.",
        "Lay it on white where it is transparent.",
        f"Convert it {COLORS[preparation.color]}.",
        f"Unless it is as large as `size`, (height, width) in pixels, {RESIZES[preparation.resize]}, "
        f"by Pillow's filter {preparation.resample}, and round to 8 bits.",
        f"Multiply the bytes by `scale`, and reorder {axes} to (1, channel, height, width).",
    ]


def _restore_steps(preparation: Preparation) -> list[str]:
    """Return, for people, how the output of the decoder becomes an image."""
    axes = "(height, width)" if preparation.channels == 1 else "(height, width, channel)"
    return [
        "Multiply by `scale`, and round to 8 bits, halves to the even number.",
        f"Reorder (1, channel, height, width) to {axes}.",
    ]


def _write(half: Half, path: Path) -> None:
    """Export half of an autoencoder to a file.

    Raises:
        UserError: If torch cannot.
    """
    batch = torch.export.Dim("batch")
    try:
        with torch.no_grad(), _quiet():
            # Strict, because what the other mode makes of `len(images)` is a constant, and of the batch with it.
            traced = torch.export.export(half, (half.example(),), dynamic_shapes=({0: batch},), strict=True)
            program = torch.onnx.export(
                traced,
                input_names=half.names[:1],
                output_names=half.names[1:],
                dynamic_shapes=({0: "batch"},),  # only names it: otherwise the name is a number that torch counts up
                dynamo=True,
                optimize=False,
                verbose=False,
            )
            assert program is not None
            # Tiles are cut by indices of all pixels: computed when a program loads the graph, they need no megabyte.
            import_package("onnxscript.optimizer").optimize(program.model, output_size_limit=MOST_FOLDED)
    except MemoryError:
        raise
    except Exception as error:  # the exporter's many kinds, and whatever a family's code raises when it is traced
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"expected a network that torch can export to {path.name}, got: {reason}") from None
    _strip(program.model)
    program.save(path)


def _strip(model: Any) -> None:  # noqa: ANN401 - onnx_ir is no requirement
    """Remove what the exporter notes of every node: paths and lines of code on this machine."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says of itself: that torchvision is missing, and that torch deprecates its own code."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        logger.setLevel(before)
