"""Which shard of a split an image is in: its own content says so, and where others come or go, it stays.

An image more changes one shard of its split, until there are too many for the shards' size: then each is cut in two.
The order of a split's images is that of its shards, so a cut gives a training other batches of the same images.
"""

import numpy as np
from numpy.typing import NDArray

SHARD_BYTES = 256 << 20  # of images, the mean over a split's shards at most: few enough files, and none too large


def shard_count(total_bytes: int) -> int:
    """Return the smallest power of two for which a split's shards have `SHARD_BYTES` at most, in the mean."""
    return 1 << max(0, -(-total_bytes // SHARD_BYTES) - 1).bit_length()


def shard_of(digests: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Return the shard of each image, of a number of shards that is a power of two: the first bits of its own hash.

    Twice as many shards have one bit more: shard s is cut into 2 s and 2 s + 1.

    Args:
        digests: (N, 16), the hash of each image's content.
        count: The number of shards.
    """
    if count < 1 or count & (count - 1):
        raise ValueError(f"expected a power of two, got {count} shards")
    first = np.ascontiguousarray(digests[:, :4]).view(">u4").reshape(-1).astype(np.int64)
    return first >> (32 - (count.bit_length() - 1))


def shard_order(shards: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of a split's images in the order in which it has them: by shard, and then as given."""
    return np.argsort(shards, kind="stable")
