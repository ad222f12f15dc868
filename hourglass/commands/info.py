"""hourglass info MODEL: say what a model is."""

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hourglass.commands.options import add_command, load_codec

if TYPE_CHECKING:
    from hourglass.codec.codec import Codec

DESCRIPTION = """\
Say what a model is: what it was trained on, which images it takes, how many numbers it makes of one, what wrote it.
All of its files are checked by the way.
"""
WIDTH = 120
RESIZE = {
    "crop": "the middle is cut out in the shape {size}, then scaled",
    "stretch": "stretched to {size}",
    "pad": "scaled to fit into {size}, on black",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `info` to the commands."""
    add_command(
        commands, "info", run, "say what a model is", DESCRIPTION, "hourglass info data/models/fashion-residual"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print what config.json says of the model."""
    rows = _rows(load_codec(arguments)) | _sizes(Path(arguments.model).expanduser())
    indent = max(map(len, rows)) + 2
    for label, value in rows.items():
        for number, line in enumerate(value.split("\n")):
            start = f"{'' if number else label:<{indent}}"
            print(textwrap.fill(line, WIDTH, initial_indent=start, subsequent_indent=" " * indent))


def _rows(codec: "Codec") -> dict[str, str]:
    config = codec.config
    channels, height, width = codec.image_shape
    numbers, values = codec.latent_dim, channels * height * width
    return {
        "model": codec.name,
        "family": config["family"],
        "data set": config.get("dataset", "not stated"),
        "images": f"{height}x{width} {'gray' if channels == 1 else 'RGB'} (height x width), {values:,} bytes",
        "preparation": _preparation(config["preparation"], f"{height}x{width}"),
        "latent": f"{numbers:,} numbers, one for {values / numbers:.3g} of an image",
        "files": _files(codec),
        "network": _network(config["network"]) or "no options",
        "training": ", ".join(f"{_words(key)} {value}" for key, value in config.get("training", {}).items()) or "none",
        "versions": ", ".join(f"{name} {version}" for name, version in config.get("versions", {}).items())
        or "not stated",
        "data SHA-256": config.get("dataset_sha256", "not stated"),
    }


def _preparation(preparation: dict[str, Any], size: str) -> str:
    resize = RESIZE[preparation["resize"]].format(size=size)
    return f"{preparation['color']}, turned as EXIF says; {resize} ({preparation['resample']})"


def _files(codec: "Codec") -> str:
    if not codec.has_files:
        return "none: the model is only trained, evaluate it"
    return f"{codec.file_bits} bits a number before entropy coding"


def _sizes(path: Path) -> dict[str, str]:
    """Return the size of the folder or the zip file; nothing where the model is elsewhere."""
    if path.is_file():
        return {"size": f"{path.stat().st_size:,} bytes, zipped"}
    if not path.is_dir():
        return {}
    files = {file.name: file.stat().st_size for file in sorted(path.iterdir()) if file.is_file()}
    listed = ", ".join(f"{name} {size:,}" for name, size in files.items())
    return {"size": f"{sum(files.values()):,} bytes: {listed}"}


def _network(options: dict[str, Any]) -> str:
    """Return the options of the network: a line of all that are plain, then a line a layer."""
    lines = [", ".join(f"{_words(key)} {_plain(value)}" for key, value in options.items() if not _is_layers(value))]
    for key, layers in options.items():
        if _is_layers(layers):
            lines += [
                f"{_words(key)} {number}: " + ", ".join(f"{name} {value}" for name, value in layer.items())
                for number, layer in enumerate(layers, 1)
            ]
    return "\n".join(filter(None, lines))


def _is_layers(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(layer, dict) for layer in value)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return " + ".join(f"{weight:g} {name}" for name, weight in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "x".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _words(key: str) -> str:
    return key.replace("_", " ")
