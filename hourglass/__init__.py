"""Image autoencoders: data sets, networks, training, metrics and figures, with no path of any project in them.

>>> codec = hourglass.load("data/models/fashion-residual")  # doctest: +SKIP
>>> latents = codec.transform(images)  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hourglass.codec.codec import Codec, load
    from hourglass.console.errors import UserError

__version__ = "0.1.0"
__all__ = ["Codec", "UserError", "load"]


def __getattr__(name: str) -> object:
    """Import torch, and all else that a codec needs, when it is first asked for."""
    if name == "UserError":
        from hourglass.console.errors import UserError

        return UserError
    if name in __all__:
        from hourglass.codec import codec

        return getattr(codec, name)
    raise AttributeError(f"module 'hourglass' has no attribute '{name}'")
