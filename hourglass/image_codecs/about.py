"""What a reader of the curves of image codecs has to know of them."""

from collections.abc import Mapping, Sequence

import PIL
from PIL import features

from hourglass.arrays.spread import CODED
from hourglass.data.prepared import Images
from hourglass.image_codecs.formats import ImageCodec
from hourglass.image_codecs.sweep import BLOCK, RGB, SCORES, Way, grid
from hourglass.metrics.quality import METRICS

HEADER = (
    f"bytes of a file of {BLOCK}x{BLOCK} pixels in one gray at the same settings; of a sheet, divided by its images"
)


def about(images: Images, stored: Sequence[Way], left_out: Mapping[str, str]) -> dict[str, object]:
    """Return the values of about.json.

    Args:
        images: uint8 (N, C, H, W), from which `sweep` has chosen.
        stored: How they were stored.
        left_out: How they were not, and why.
    """
    image_shape, count = images.shape[1:], min(len(images), CODED)
    reasons = {score: METRICS[score].why_not(image_shape) for score in SCORES}
    rows, columns = grid(count)
    return {
        "images": count,
        "image_shape": list(image_shape),
        "pillow": PIL.__version__,
        "codecs": {way.name: _codec(way.codec, color=image_shape[0] == RGB) for way in stored if not way.sheet},
        "header_bytes": HEADER,
        "sheet": f"{rows} rows, {columns} columns" if any(way.sheet for way in stored) else None,
        "left_out": {**left_out, **{score: reason for score, reason in reasons.items() if reason}},
    }


def _codec(codec: ImageCodec, *, color: bool) -> dict[str, object]:
    chroma: dict[str, str] = {}  # each, and from which quality on
    for quality in codec.qualities:
        kind = codec.subsampling(quality, color=color)
        chroma.setdefault(kind, f"{kind} from quality {quality} on" if chroma else kind)
    return {
        "kind": codec.kind,
        "library": next(f"{name} {version}" for name in codec.libraries if (version := features.version(name))),
        "options": dict(codec.options),
        "chroma": ", ".join(chroma.values()),
    }
