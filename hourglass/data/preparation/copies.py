"""Find exact copies of images by the digests of their content."""

import numpy as np
from numpy.typing import NDArray

from hourglass.data.content import DIGEST_BYTES


def first_copies(digests: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for each image the position of the first that has the same digest (N, 16)."""
    whole = np.ascontiguousarray(digests).view(f"V{DIGEST_BYTES}").reshape(-1)
    _, first, unit = np.unique(whole, return_index=True, return_inverse=True)
    return first[unit]
