"""What the paths of images tell: the publisher's splits, and classes and groups.

animals/train/cats/12.png
        split parent
              path (with all other folders above: animals/cats)
"""

import posixpath
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hourglass.console.errors import UserError
from hourglass.data.folders.patterns import limited
from hourglass.data.names import publisher_splits, split_of_folder, split_word


@dataclass(frozen=True)
class Splits:
    """The folders of a publisher's splits.

    Attributes:
        depth: How many folders are above those, the same for all images.
        of_folder: The split of each, {} if there are none.
    """

    depth: int
    of_folder: dict[str, str]

    def of(self, name: str) -> str:
        """Return the split that an image lies in."""
        return self.of_folder[name.split("/")[self.depth]]


def find_splits(names: Sequence[str], source: Path, strict: bool) -> Splits:
    """Find folders train, val and test (as torchvision's ImageFolder has them): the topmost folders that differ.

    Args:
        names: The path of each image.
        source: Where they are, for messages.
        strict: Whether it is an error if train and test are not alone.

    Raises:
        UserError: There is something else beside train and test.
    """
    folders = {_folder(name) for name in names}
    above = posixpath.commonpath(folders)
    depth = len(_parts(above))
    sides = {top: split_of_folder(top) for top in {(*_parts(folder), "")[depth] for folder in folders}}
    known = "|".join(re.escape(top) for top in sorted(sides, reverse=True) if sides[top])
    only = f"^{re.escape(above + '/') if above else ''}({known})/"
    remedy = f"move it, or set `only: {only}`, which leaves others aside" if strict else ""
    return Splits(depth, publisher_splits(sides, source, remedy))


def check_all_are_used(names: Sequence[str], source: Path, splits: Splits) -> None:
    """Raise UserError if folders are called train or test, and are no publisher's split where they lie."""
    folders = sorted({_folder(name) for name in names})
    if odd := _nested(folders, splits) if splits.of_folder else _unused(folders, splits.depth):
        raise UserError(
            f"{source}: expected train and test as the topmost folders that differ, if they are a publisher's split, "
            f"got {odd}: set `test` (what finds the paths of test images, for example (^|/)test), `only`, or `label: "
            "parent` if it is a class"
        )


def _unused(folders: Sequence[str], depth: int) -> str:
    """Return a folder with train or test in its name, of those below `depth` others."""
    for folder in folders:
        parts = _parts(folder)
        for end, part in enumerate(parts[depth:], depth + 1):
            if split_word(part) in ("train", "test"):
                return "/".join(parts[:end])
    return ""


def _nested(folders: Sequence[str], splits: Splits) -> str:
    """Return a folder such as train/train, if there is nothing beside it: then train is no class either."""
    below: dict[str, set[str]] = {}
    for folder in folders:
        parts = (*_parts(folder), "")
        below.setdefault("/".join(parts[: splits.depth + 1]), set()).add(parts[splits.depth + 1])
    odd = (f"{top}/{min(inner)}" for top, inner in below.items() if len(inner) == 1 and split_of_folder(min(inner)))
    return next(odd, "")


def check_parents_differ(names: Sequence[str], source: Path) -> None:
    """Raise UserError if two folders of one name lie in different folders, those of splits apart."""
    first: dict[str, tuple[list[str], str]] = {}
    for folder in sorted({_folder(name) for name in names}):
        parts = [part for part in _parts(folder) if not split_word(part)]
        if parts and first.setdefault(parts[-1], (parts, folder))[0] != parts:
            raise UserError(
                f"{source}: expected folders of different names as classes, got {first[parts[-1]][1]} and {folder}: "
                "set `label: path` if these are two classes, `label: parent` if they are one, or `label: none`"
            )


def are_splits(labels: Iterable[str]) -> bool:
    """Return whether classes are no classes, but a publisher's splits."""
    return all(map(split_word, set(labels)))


def labels_of_folders(names: Sequence[str], kind: str, splits: Splits) -> list[str]:
    """Return the class of each image: `kind` is parent, the name of its folder, or path, all its folders.

    The folders of splits are left out. Images in no other folder have no class, which is "".

    Raises:
        UserError: That is so for some of the images.
    """
    of_folder = {folder: _label(folder, kind, splits) for folder in {_folder(name) for name in names}}
    labels = [of_folder[_folder(name)] for name in names]
    unknown = labels.count("")
    if 0 < unknown < len(labels):
        raise UserError(
            f"{names[labels.index('')]}: expected in a folder that is its class, as {len(labels) - unknown} images are "
            f"and {unknown} are not: move it, or set `label: none`"
        )
    return labels


def _label(folder: str, kind: str, splits: Splits) -> str:
    parts = _parts(folder)
    if kind == "path":
        return "/".join(parts[: splits.depth] + parts[splits.depth + 1 :] if splits.of_folder else parts)
    return (["", *parts[splits.depth + bool(splits.of_folder) :]])[-1]


def match_pattern(pattern: str, names: Sequence[str], root: Path) -> dict[str, list[str]]:
    """Return what the groups `label` and `group` of a pattern are in each path, for those that it has.

    Raises:
        UserError: A path, or a named group in it, does not match, or the pattern takes too long.
    """
    expression = re.compile(pattern)
    found: dict[str, list[str]] = {key: [] for key in ("label", "group") if key in expression.groupindex}
    with limited("pattern", pattern, len(names)):
        matches = [expression.fullmatch(name) for name in names]
    for name, match in zip(names, matches, strict=True):
        if match is None or None in match.groupdict().values():
            raise UserError(
                f"{root / name}: expected a name that matches the pattern {pattern} from its first folder to its "
                f"suffix, got {name}"
            )
        for key, values in found.items():
            values.append(sys.intern(match[key]))  # few different ones
    return found


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _parts(folder: str) -> list[str]:
    return folder.split("/") if folder else []
