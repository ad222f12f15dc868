"""Pictures inside the page: strips and grids of images of one size, as sprites."""

import base64
import math
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

LOSSLESS = 150_000  # bytes of a picture up to which nothing is lost
QUALITY = 92  # of WebP, above: what it changes is less than what any model does
THUMBNAIL = 96  # pixels


@dataclass(frozen=True)
class Sprite:
    """A picture of images in rows and columns.

    Attributes:
        uri: The picture, a data URI.
        columns: Images in a row.
        rows: Rows.
        width: Of one image, in pixels.
        height: Of one image.
    """

    uri: str
    columns: int
    rows: int
    width: int
    height: int

    def json(self) -> dict[str, str | int]:
        """Return it for the page's script."""
        return asdict(self)


def strip(path: Path, count: int) -> Sprite:
    """Read `count` images side by side, and lay them in rows: pictures of more than 16,383 pixels cannot be WebP."""
    with Image.open(path) as opened:
        picture = _plain(opened)
    if count < 1 or picture.width % count:
        raise ValueError(f"{path}: expected {count} images of one width, got {picture.width} pixels")
    width, height = picture.width // count, picture.height
    columns = count if picture.width <= 8192 else math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    if rows > 1:
        sheet = Image.new(picture.mode, (columns * width, rows * height))
        for place in range(count):
            box = (place * width, 0, place * width + width, height)
            sheet.paste(picture.crop(box), (place % columns * width, place // columns * height))
        picture = sheet
    return Sprite(to_uri(picture), columns, rows, width, height)


def grid(path: Path, columns: int, rows: int) -> Sprite:
    """Read images that lie in rows and columns."""
    with Image.open(path) as opened:
        picture = _plain(opened)
    return Sprite(to_uri(picture), columns, rows, picture.width // columns, picture.height // rows)


def whole(path: Path) -> Sprite:
    """Read a picture as it is."""
    return grid(path, 1, 1)


def cut(path: Path, count: int, place: int) -> str:
    """Return one of `count` images side by side as a data URI, at most 96 pixels on a side."""
    with Image.open(path) as opened:
        picture = _plain(opened)
    width = picture.width // count
    image = picture.crop((place * width, 0, (place + 1) * width, picture.height))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return to_uri(image)


def to_uri(picture: Image.Image) -> str:
    """Encode a picture as WebP: without loss where that is small, else with hardly any."""
    data = _webp(picture, lossless=True)
    if len(data) > LOSSLESS:
        data = _webp(picture, lossless=False)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def _webp(picture: Image.Image, lossless: bool) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "WEBP", lossless=lossless, quality=QUALITY, method=4)
    return buffer.getvalue()


def _plain(picture: Image.Image) -> Image.Image:
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")
