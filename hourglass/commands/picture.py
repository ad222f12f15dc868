"""Images side by side, each with a label."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from hourglass.codec.images import channels_last
from hourglass.data.prepared import Bytes

COLUMNS = 6
CELL = 180  # pixels, the larger side of an image
GAP = 12
LINE = 18  # height of a label
FONT_SIZE = 13


def sheet(images: Sequence[Bytes], labels: Sequence[str]) -> Image.Image:
    """Return a picture of images uint8 (C, H, W) of one shape, row by row; the first one has a frame."""
    _, height, width = images[0].shape
    scale = CELL / max(height, width)
    cell = max(1, round(width * scale)), max(1, round(height * scale))
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    step = CELL + GAP, cell[1] + LINE + GAP
    picture = Image.new("RGB", (columns * step[0] + GAP, rows * step[1] + GAP), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(FONT_SIZE)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = GAP + index % columns * step[0], GAP + index // columns * step[1]
        picture.paste(_scaled(image, cell), (left, top))
        draw.text((left, top + cell[1] + 2), _shortened(label, font), fill="black", font=font)
        if index == 0:
            draw.rectangle((left - 3, top - 3, left + cell[0] + 2, top + cell[1] + 2), outline="#D55E00", width=3)
    return picture


def _scaled(image: Bytes, size: tuple[int, int]) -> Image.Image:
    """Return an image (C, H, W) in (width, height): pixels stay squares where it grows."""
    pixels = Image.fromarray(channels_last(image))
    grows = size[0] >= pixels.width
    return pixels.convert("RGB").resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS)


def _shortened(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return the label, or its start and its end, so that it is as wide as a cell."""
    short, cut = label, 0
    while font.getlength(short) > CELL and cut < len(label):
        cut += 1
        middle = len(label) // 2
        short = f"{label[: middle - cut // 2]}…{label[middle + (cut + 1) // 2 :]}"
    return short
