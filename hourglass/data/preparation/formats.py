"""Find the reader of a file format: each is a module of `hourglass.data.readers` with a function `read`.

    def read(source: Path, target: Target, *, <options>) -> RawImages

`source` is a folder, or a file where somebody names one. The keyword-only parameters are the `options` of the data sets
of that format.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import cast

import hourglass.data.readers
from hourglass.data.preparation.raw import RawImages

Reader = Callable[..., RawImages]


def readers() -> list[str]:
    """Return the names of all formats, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(hourglass.data.readers.__path__))


def reader(name: str) -> Reader:
    """Return the function that reads files of this format.

    Imported by name: a stage depends on the reader that its data set names, and on no other.
    """
    return cast(Reader, import_module(f"hourglass.data.readers.{name}").read)


def needs_size(name: str) -> bool:
    """Return whether files of this format do not state the size of their images: a reader says so by NEEDS_SIZE."""
    return bool(getattr(import_module(f"hourglass.data.readers.{name}"), "NEEDS_SIZE", False))
