"""The model card: README.md in a model's folder, for whoever gets the folder alone."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hourglass.metrics.interval import mean_interval
from hourglass.metrics.quality import METRICS
from hourglass.metrics.scores import Scores, mean

WIDTH = 100
UNKNOWN = "not stated"


@dataclass(frozen=True)
class Source:
    """What the card says of the data set, from data/prepared/<dataset>/meta.json."""

    title: str
    license: str
    citation: str
    counts: Mapping[str, int]
    split_note: str


def model_card(
    name: str,
    config: Mapping[str, Any],
    latent_dim: int,
    source: Source,
    scores: Scores,
    files: Mapping[str, float],
    bits: int,
) -> str:
    """Return the text of the card.

    Args:
        name: Of the model.
        config: What its config.json says.
        latent_dim: Numbers in a latent.
        source: Its data set.
        scores: Of each test image.
        files: What `file_scores` returns of the test images.
        bits: Of each number in a file.
    """
    channels, height, width = config["image_shape"]
    what = f"{height}x{width} {'gray' if channels == 1 else 'RGB'} images"
    preparation = config["preparation"]
    sections = [
        f"# {name}",
        _paragraph(
            f"An image autoencoder of the family `{config['family']}`, trained by Hourglass: {what} to "
            f"{latent_dim} numbers, and back."
        ),
        "## Trained on",
        "\n".join(
            [
                f"- Data set: {source.title or config['dataset']}",
                f"- License: {source.license or UNKNOWN}",
                f"- Citation: {source.citation or UNKNOWN}",
                f"- Images: {', '.join(f'{count:,} {part}' for part, count in source.counts.items())}; "
                f"split {source.split_note}",
                f"- SHA-256 of the training and validation images: `{config['dataset_sha256'][:16]}`",
            ]
        ),
        _paragraph(
            f"Images are prepared as these were: {preparation['color']}, {preparation['resize']} to {height}x{width} "
            f"by the filter {preparation['resample']}, turned as their EXIF data says."
        ),
        "## Scores",
        _score_table(scores, files),
        _paragraph(
            f"Of {len(next(iter(scores.values()))):,} test images that training has not seen, in [0, 1]; in brackets "
            f"the bootstrap 95% interval of the mean over images. Through files: {bits} bits a number before entropy "
            f"coding, {files['bytes']:.1f} bytes an image in one file of all."
        ),
        "## Use",
        "```python\nimport hourglass\n\n"
        'codec = hourglass.load("path/of/this/folder")\n'
        "latents = codec.transform(images)  # paths, Pillow images or uint8 arrays -> (N, D) float32\n"
        "images = codec.inverse_transform(latents)  # -> uint8 arrays\n"
        "data = codec.compress(images[0])  # -> the bytes of an .hg file\n```",
        "## Not for",
        _paragraph(
            "Images of another kind than it was trained on: they come back looking like those. Anything that hangs on "
            "a detail: an autoencoder leaves out what it did not learn, and draws what is likely instead, so a "
            "reconstruction is no evidence in medicine, law or science, and no way to tell people apart."
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _score_table(scores: Scores, files: Mapping[str, float]) -> str:
    lines = ["| | mean | 95% interval | through files |", "|---|---:|---:|---:|"]
    for metric, value in mean(scores).items():
        spec, (low, high) = METRICS[metric].format, mean_interval(scores[metric])
        stored = format(files[metric], spec) if metric in files else ""
        lines.append(f"| {METRICS[metric].label} | {value:{spec}} | [{low:{spec}}, {high:{spec}}] | {stored} |")
    return "\n".join(lines)


def _paragraph(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
