"""Read a folder of image files, searched to any depth: classes, groups and splits from folders, names or metadata."""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from hourglass.config.types import Text
from hourglass.console.errors import UserError
from hourglass.data.folders.listing import Listing, list_images
from hourglass.data.folders.metadata import has_column, read_columns
from hourglass.data.folders.paths import (
    Splits,
    are_splits,
    check_all_are_used,
    check_parents_differ,
    find_splits,
    labels_of_folders,
    match_pattern,
)
from hourglass.data.folders.patterns import limited
from hourglass.data.manifest import check_unchanged, is_by_content
from hourglass.data.names import are_whole
from hourglass.data.preparation.raw import MAX_BYTES, BadImageError, EncodedImage, RawImages, Target

Label = Literal["parent", "path", "pattern", "metadata", "none"]


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"expected a regular expression, got '{value}' ({error})") from None
    return value


RegularExpression = Annotated[str, AfterValidator(_regular_expression)]


def read(
    source: Path,
    target: Target,
    *,
    label: Label | None = None,
    pattern: RegularExpression | None = None,
    label_column: Text = "label",
    group_column: Text | None = None,
    test: RegularExpression | None = None,
    only: RegularExpression | None = None,
) -> RawImages:
    r"""List the images in `source`; they are read when they are asked for.

    If its topmost folders are train and test (training_set, TestImages), perhaps with val (valid, validation, dev),
    these are the publisher's split and no part of a class. Files and folders that begin with a dot are left aside.

    Args:
        source: A folder, or the manifest of one.
        target: Not used: image files are decoded later.
        label: Where classes come from. parent: the name of the folder that an image lies in, for example cats for
            cats/1.png; path: all folders joined, for example greek/character01, so that the character01 of another
            alphabet is another class; pattern: the group `label` of `pattern`, the default if it has one; metadata: the
            column `label_column` of metadata.csv, the default if it is there; none: there are none. Otherwise parent,
            where no two folders in different places have one name.
        pattern: A regular expression that every image's whole path has to match, with its folders below `source` and
            its suffix; its named groups `label` and `group` are the class and who is in the picture. For example
            (?P<label>\w+)/(?P<group>\d+)_.*\.jpg for smiling/007_03.jpg.
        label_column: The column of metadata.csv that holds the class, for example species. A metadata.csv (or .jsonl)
            lies in `source` or in a folder of it, and has a column file_name: the path of an image below that folder.
        group_column: The column of metadata.csv that says who is in the picture, for example patient.
        test: A regular expression that is searched in the paths below `source`: what it finds are the publisher's test
            images, all others the training images. For example ^heldout/.
        only: A regular expression that is searched in the paths below `source`: images that it does not find are left
            aside. For example ^(train|test)/, where masks lie beside these.

    Raises:
        UserError: There are no images, or their names, folders or metadata do not say what they are asked for.
    """
    listing = list_images(source, only)
    splits = find_splits(listing.names, source, strict=not test)
    if not (label or test or only):
        check_all_are_used(listing.names, source, splits)
    labels, groups = _annotations(listing, splits, label, pattern, label_column, group_column)
    if test and label is None and labels and are_splits(labels):
        labels = None
    return RawImages(
        images=FolderImages(listing),
        sources=listing.names,
        labels=labels if labels and len(set(labels)) > 1 else None,  # one class tells nothing
        groups=groups,
        official=_found_by(test, listing) if test else _of_folders(splits, listing),
    )


def _annotations(
    listing: Listing,
    splits: Splits,
    label: Label | None,
    pattern: str | None,
    label_column: str,
    group_column: str | None,
) -> tuple[list[str] | None, list[str] | None]:
    """Return the class of each image, and the group, where they are known."""
    matched = match_pattern(pattern, listing.names, listing.root) if pattern else {}
    if label is None:
        label = "pattern" if "label" in matched else "metadata" if has_column(listing, label_column) else "parent"
        if label == "parent":
            check_parents_differ(listing.names, listing.root)
    if label == "pattern" and "label" not in matched:
        raise UserError("`label: pattern` expects a `pattern` with a group (?P<label>...)")
    if group_column and "group" in matched:
        raise UserError("expected groups from `pattern` or `group_column`, got both: remove one")
    columns = ([label_column] if label == "metadata" else []) + ([group_column] if group_column else [])
    described = read_columns(listing, columns) if columns else {}
    groups = described[group_column] if group_column else matched.get("group")
    if label == "none":
        return None, groups
    if label in ("parent", "path"):
        return labels_of_folders(listing.names, label, splits), groups
    return matched["label"] if label == "pattern" else described[label_column], groups


def _found_by(test: str, listing: Listing) -> list[str]:
    """Return the publisher's split: the test images are those whose path the regular expression finds."""
    expression = re.compile(test)
    with limited("test", test, len(listing.names)):
        official = ["test" if expression.search(name) else "train" for name in listing.names]
    if len(set(official)) < 2:
        raise UserError(
            f"{listing.root}: expected `test` to find some of the images, got {test}, which finds "
            f"{'all' if official[0] == 'test' else 'none'} of {len(official)}, for example {listing.names[0]}"
        )
    return official


def _of_folders(splits: Splits, listing: Listing) -> list[str] | None:
    if not are_whole(splits.of_folder, listing.root):
        return None
    return [splits.of(name) for name in listing.names]


@dataclass(frozen=True)
class FolderImages(Sequence[EncodedImage]):
    """Image files, read when they are asked for."""

    listing: Listing

    def __len__(self) -> int:
        return len(self.listing.names)

    def __getitem__(self, index: int, /) -> EncodedImage:  # type: ignore[override]
        name = self.listing.names[index]
        path = os.path.join(self.listing.root, name)
        known_hash = self.listing.hashes[index] if self.listing.hashes is not None else ""
        check = partial(check_file, path, name, known_hash) if known_hash else None
        return EncodedImage(path, partial(read_file, path, name, known_hash), known_hash, check)


def check_file(path: str, name: str, known_hash: str) -> None:
    """Raise what `read_file` would if a manifest tells changes by time, without reading the file.

    A manifest that tells them by content says what the file is to hold: there is nothing to check.
    """
    if is_by_content(known_hash):
        return
    try:
        check_unchanged(known_hash, name, path, b"")
    except OSError as error:
        raise _unreadable(path, error) from None


def read_file(path: str, name: str = "", known_hash: str = "") -> bytes:
    """Return what is in a file, which has to be what a manifest says of `name`, if `known_hash` is given.

    Raises:
        BadImageError: It cannot be read, or is no regular file: a pipe never ends.
        UserError: It was changed after the manifest was written, or while it was read.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise BadImageError(f"{path}: expected a regular file, got a folder, a pipe or a device")
        if status.st_size > MAX_BYTES:
            raise BadImageError(f"{path}: expected at most {MAX_BYTES:,} bytes, got {status.st_size:,}")
        with open(path, "rb") as file:
            before = os.fstat(file.fileno())
            data = file.read(MAX_BYTES)
            after = os.fstat(file.fileno())
        if (len(data), after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
            raise UserError(f"{path}: expected a file that stays, got one that changed while it was read: try again")
        if known_hash:
            check_unchanged(known_hash, name, path, data)
        return data
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> BadImageError:
    return BadImageError(f"{path}: expected a file that can be read, got: {error.strerror}")
