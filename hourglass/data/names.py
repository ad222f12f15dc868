"""Names of upstream files: which are images, which splits they name, which nobody meant to be there."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from hourglass.console.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")  # of image files
LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")  # what operating systems leave beside files
# What .dvcignore and DVC itself leave out of a folder's hash and of the cache: another machine would not get it.
UNSTORED = (
    ".dvc", ".dvcignore", ".git", ".hg", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", ".venv-benchmarks",
    "__pycache__",
)  # fmt: skip
UNSTORED_SUFFIXES = (".partial", ".pyc")
SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")  # between the words of TrainSet
WORD = re.compile(rf"(?<![a-z])({'|'.join(SPLIT_WORDS)})(?:set|data|images)?(?![a-z])", re.IGNORECASE)
FOLDER = re.compile(rf"({'|'.join(SPLIT_WORDS)})[ ._-]?(?:set|data|dataset|images|imgs|split)?", re.IGNORECASE)
NamePath = TypeVar("NamePath", str, Path)


def is_litter(name: str) -> bool:
    """Return whether a path is a file that an operating system left, or lies in a folder of such files."""
    return any(part in LITTER or part.startswith("._") for part in name.split("/"))


def is_unstored(name: str) -> bool:
    """Return whether DVC does not store a path; a .dvcignore would keep it from storing others too."""
    return any(part in UNSTORED or part.endswith(UNSTORED_SUFFIXES) for part in name.split("/"))


def tell_aside(source: str, aside: Sequence[str]) -> None:
    """Print a line if files were left aside because they are litter, or because DVC does not store them."""
    if aside:
        print(
            f"warning: {source}: {len(aside)} files or folders left aside, which operating systems leave or DVC does "
            f"not store, for example {aside[0]!r}"
        )


def is_hidden(name: str) -> bool:
    """Return whether a path lies in what a program keeps for itself: .ipynb_checkpoints, .git, a NAS's @eaDir."""
    return any(part.startswith(".") or part == "@eaDir" for part in name.split("/"))


def is_printable(text: str) -> bool:
    """Return whether a text has no control characters, and no bytes that are no UTF-8; spaces of any width are fine."""
    return text.isprintable() or all(
        character.isprintable() or unicodedata.category(character) == "Zs" for character in text
    )


def split_word(name: str) -> str:
    """Return the split that a word in a name tells, as in cifar-train-0000.tar; "" if there is none."""
    match = WORD.search(CAMEL.sub("_", name))
    return SPLIT_WORDS[match[1].lower()] if match else ""


def split_of(path: str) -> str:
    """Return the split that a path tells by a word in the file's name, or else in the nearest folder's; or ""."""
    return next(filter(None, map(split_word, reversed(path.split("/")))), "")


def split_of_folder(name: str) -> str:
    """Return the split whose name a folder has: train, Testing, training_set; "" if it has another name."""
    match = FOLDER.fullmatch(name)
    return SPLIT_WORDS[match[1].lower()] if match else ""


def composed(text: str) -> str:
    """Return a text with é as one character, where macOS writes an e and an accent."""
    return unicodedata.normalize("NFC", text)


def find_alike(texts: Iterable[str]) -> tuple[str, str] | None:
    """Return two different texts that look the same, None if there are none."""
    return _find_twins(texts, composed)


def find_clash(paths: Iterable[NamePath]) -> tuple[NamePath, NamePath] | None:
    """Return two different paths that are the same on a disk that ignores case or how accents are composed, or None."""
    return _find_twins(paths, lambda path: composed(str(path).lower()))


def _find_twins(items: Iterable[NamePath], key: Callable[[NamePath], str]) -> tuple[NamePath, NamePath] | None:
    """Return two different items of one key, None if there are none."""
    seen: dict[str, NamePath] = {}
    for item in items:
        twin = seen.setdefault(key(item), item)
        if twin != item:
            return twin, item
    return None


def publisher_splits(sides: Mapping[str, str], source: Path, remedy: str) -> dict[str, str]:
    """Return which split each of some folders or files is; {} where their names do not tell all of them.

    Args:
        sides: The split that the name of each folder or file tells, "" if it tells none.
        source: Where they are, for messages.
        remedy: What to do where train and test are not alone, which ends that message; "" if that is no error.

    Raises:
        UserError: There are train and test, and something else beside them.
    """
    found = {name: side for name, side in sides.items() if side}
    others = [name for name in sides if not sides[name]]
    if remedy and others and {"train", "test"} <= set(found.values()):
        raise UserError(
            f"{source}: expected nothing beside the publisher's splits {', '.join(sorted(found))}, "
            f"got {min(others) or 'images'}: {remedy}"
        )
    return found if not others and len(set(found.values())) > 1 else {}


def are_whole(splits: Mapping[str, str], source: Path) -> bool:
    """Return whether there are a publisher's train and test images; print a line where there is only one of them."""
    whole = {"train", "test"} <= set(splits.values())
    if splits and not whole:
        print(f"{source}: {', '.join(sorted(splits))} lack train or test, so they are pooled and split anew")
    return whole
