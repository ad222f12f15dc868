"""Draw a sheet of images with their labels, to see at a glance what a data set is.

Drawn with Pillow and the font inside it: the same images are the same bytes, and no other picture's style matters here.
"""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hourglass.data.prepared import Bytes
from hourglass.natural import natural_key

IMAGES = 24
COLUMNS = 8
# All in pixels.
CELL = 144  # the width of an image's place
GAP = 12
TITLE, CAPTION = 22, 15  # the height of letters
LINE = 1.5  # the height of a line of text, in letters


def choose(labels: pd.DataFrame) -> NDArray[np.int64]:
    """Return the positions of images that are spread evenly over the classes, these in natural order.

    `labels` is the table that `hourglass.data.preparation.description.labels_table` returns.
    """
    places = {label: place for place, label in enumerate(sorted(labels["label"].unique(), key=natural_key))}
    order = labels.sort_index()["label"].map(places).sort_values(kind="stable").index.to_numpy()
    count = min(IMAGES, len(order))
    return order[np.arange(count) * len(order) // count]


def captions(labels: pd.DataFrame, positions: NDArray[np.int64]) -> Iterator[str]:
    """Yield the split, first because long texts are cut off, and the label of the image at each position."""
    for label, split in labels.loc[positions, ["label", "split"]].itertuples(index=False):
        yield f"{split}: {label}" if label else split


def draw_preview(images: Iterable[Bytes], texts: Sequence[str], title: str) -> Image.Image:
    """Draw images (C, H, W), all of one shape, each over its caption, below a title."""
    pictures = [_fitted(image) for image in images]
    width, height = COLUMNS * (CELL + GAP) + GAP, pictures[0].height
    row = height + int(LINE * CAPTION) + GAP
    top = int(LINE * TITLE) + 2 * GAP
    sheet = Image.new("RGB", (width, top + math.ceil(len(pictures) / COLUMNS) * row), "white")
    draw = ImageDraw.Draw(sheet)
    _write(draw, (width // 2, GAP), title, TITLE, width - 2 * GAP)
    for index, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        left, upper = GAP + index % COLUMNS * (CELL + GAP), top + index // COLUMNS * row
        sheet.paste(picture, (left + (CELL - picture.width) // 2, upper))
        _write(draw, (left + CELL // 2, upper + height + 2), text, CAPTION, CELL)
    return sheet


def _fitted(image: Bytes) -> Image.Image:
    """Scale an image (C, H, W) so that its longer side fills a cell; pixels that are enlarged stay sharp."""
    picture = Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1))
    longer = max(picture.size)
    if longer <= CELL:
        factor = CELL // longer
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    width, height = (max(1, round(side * CELL / longer)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, letters: int, width: int) -> None:
    """Write a line below `place`, its middle; what is wider than `width` is cut off, with dots in its place."""
    font = ImageFont.load_default(letters)
    short = _to_ascii(" ".join(text.split()))
    while short and draw.textlength(short, font) > width:
        short = short.removesuffix("...")[:-1] + "..." if len(short) > 3 else ""
    draw.text(place, short, "black", font, anchor="ma")


def _to_ascii(text: str) -> str:
    """Leave out accents and write ? for other letters: Pillow's own font has no more, and every system has it."""
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() else "?" for letter in letters)
