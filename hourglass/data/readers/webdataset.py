"""Read tar files as WebDataset has them (shards): the members key.jpg, key.cls and key.json are one image.

Images stay where they are in the tar files, and are read from there when they are asked for.
"""

import json
import os
import sys
import tarfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, Never, cast

from hourglass.config.types import Text
from hourglass.console.errors import UserError
from hourglass.data.names import SUFFIXES, are_whole, is_hidden, is_litter, is_printable, publisher_splits, split_of
from hourglass.data.preparation.raw import (
    MAX_BYTES,
    BadImageError,
    EncodedImage,
    RawImages,
    Target,
    check_stays,
    regular,
    shown,
    state_of,
)
from hourglass.data.remote.bounded import BoundedFile
from hourglass.natural import natural_key

Label = Literal["cls", "json", "none"]
MAX_TEXT = 1 << 20  # bytes of what describes an image or a member


def read(
    source: Path,
    target: Target,
    *,
    label: Label | None = None,
    label_key: Text = "label",
    group_key: Text | None = None,
) -> RawImages:
    """List the images in one .tar file, or in all those below a folder; they are read when they are asked for.

    Files that have train and test, perhaps val (valid, validation, dev), in their names, as in cifar-train-0000.tar,
    or in those of their folders are the publisher's split.

    Args:
        source: The file, or the folder.
        target: Not used: image files are decoded later.
        label: Where classes come from. cls: the text of key.cls, for example cat or 7; json: the value of `label_key`
            in key.json; none: there are none. By default what is there, cls first.
        label_key: The key of the class in key.json, for example species.
        group_key: The key in key.json of who is in the picture, for example patient.

    Raises:
        UserError: There are no shards, or no images in them, or they do not say what they are asked for.
    """
    shards = [source] if source.is_file() else _find(source)
    names = [path.relative_to(source.parent if source.is_file() else source).as_posix() for path in shards]
    samples = Samples(shards)
    for number, (path, name) in enumerate(zip(shards, names, strict=True)):
        _index(samples, number, path, name, label_key, group_key)
    if not samples.names:
        raise UserError(f"{source}: expected images ({', '.join(SUFFIXES)}) in its .tar files, found none")
    splits = publisher_splits({name: split_of(name) for name in names}, source, "move it away")
    labels = _labels(samples, label, label_key)
    return RawImages(
        images=samples,
        sources=samples.names,
        labels=labels if labels and len(set(labels)) > 1 else None,  # one class tells nothing
        groups=_whole(samples, samples.groups, _key_of_json(f"group_key: {group_key}")) if group_key else None,
        official=[splits[names[number]] for number in samples.shard] if are_whole(splits, source) else None,
    )


@dataclass(frozen=True)
class Samples(Sequence[EncodedImage]):
    """Where the images are in the shards, and what is known of each, "" where that is not there."""

    shards: list[Path]
    states: list[tuple[int, int]] = field(default_factory=list)  # of the shards
    names: list[str] = field(default_factory=list)
    shard: "array[int]" = field(default_factory=lambda: array("q"))
    offset: "array[int]" = field(default_factory=lambda: array("q"))
    size: "array[int]" = field(default_factory=lambda: array("q"))
    cls: list[str] = field(default_factory=list)
    json: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int, /) -> EncodedImage:  # type: ignore[override]
        number = self.shard[index]
        path = self.shards[number]
        read_bytes = partial(_read, path, self.offset[index], self.size[index], self.states[number])
        return EncodedImage(str(path / self.names[index].rpartition(".tar/")[2]), read_bytes)


def _refuse_header(_limit: str) -> Never:
    raise tarfile.ReadError(f"a header of more than {MAX_TEXT:,} bytes")


def _find(folder: Path) -> list[Path]:
    paths = [path for path in folder.rglob("*.tar") if not is_hidden(path.relative_to(folder).as_posix())]
    paths = [path for path in paths if not is_litter(path.relative_to(folder).as_posix())]
    if not paths:
        raise UserError(f"{folder}: expected .tar files, found none (.tar.gz: unpack them to .tar)")
    return sorted(paths, key=lambda path: natural_key(path.as_posix()))


def _index(samples: Samples, number: int, path: Path, name: str, label_key: str, group_key: str | None) -> None:
    """Add all images of a shard."""
    state, all_members = _members(path)
    samples.states.append(state)
    for key, members in all_members.items():
        found = [suffix for suffix in members if suffix.endswith(SUFFIXES)]
        if odd := [suffix for suffix in found if suffix not in SUFFIXES]:
            raise UserError(
                f"{path}: expected the image of {key} as {key}{Path(odd[0]).suffix}, got {key}{odd[0]}: write the "
                "shard anew with one image a key, and no dot in the key"
            )
        if not found:
            continue
        if len(found) > 1:
            raise UserError(f"{path}: expected one image for {key}, got {' and '.join(found)}")
        offset, size = members[found[0]]
        samples.names.append(f"{name}/{key}{found[0]}")
        samples.shard.append(number)
        samples.offset.append(offset)
        samples.size.append(size)
        if too_long := [suffix for suffix in (".json", ".cls") if members.get(suffix, (0, 0))[1] > MAX_TEXT]:
            raise UserError(f"{path}: expected at most {MAX_TEXT:,} bytes in {key}{too_long[0]}, got more")
        values = _json(path, key, members[".json"], state) if ".json" in members else {}
        samples.cls.append(
            _read(path, *members[".cls"], state).decode("utf-8", "replace").strip() if ".cls" in members else ""
        )
        samples.json.append(_text(values.get(label_key)))
        samples.groups.append(_text(values.get(group_key)) if group_key else "")


def _members(path: Path) -> tuple[tuple[int, int], dict[str, dict[str, tuple[int, int]]]]:
    """Return the state of a shard, and for each key where its members are: offset and size in bytes, by suffixes."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with (
            regular(path).open("rb") as file,
            BoundedFile(file, sys.maxsize, MAX_TEXT, _refuse_header) as headers,
            tarfile.open(fileobj=cast(BinaryIO, headers), mode="r:") as opened,
        ):
            state = state_of(os.fstat(file.fileno()))
            while (member := opened.next()) is not None:
                headers.seek(headers.tell())  # tarfile does not where there is no content
                opened.members = []  # type: ignore[attr-defined]  # else they are all kept
                if member.isdir() or is_litter(member.name):
                    continue
                if not member.isreg() or member.issparse() or not is_printable(member.name):
                    raise UserError(f"{path}: expected plain files of printable names, got {member.name!r}")
                folder, slash, name = member.name.rpartition("/")
                key, dot, suffix = name.partition(".")
                place = found.setdefault(folder + slash + key, {})
                if place.setdefault(dot + suffix.lower(), (member.offset_data, member.size))[0] != member.offset_data:
                    raise UserError(f"{path}: expected every name once, got {member.name} again")
        with path.open("rb") as again:
            again.seek(opened.offset)
            rest = again.read(1 << 20)
        if len(rest) < tarfile.BLOCKSIZE or any(rest):  # tarfile takes damage for the end
            raise tarfile.ReadError(f"no end of zeros at byte {opened.offset:,}")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise UserError(f"{path}: expected a whole .tar file, not compressed, got: {error}") from None
    return state, found


def _read(path: Path, offset: int, size: int, state: tuple[int, int]) -> bytes:
    """Return a part of a file in its `state`; threads do not disturb each other, as none moves a position."""
    if size > MAX_BYTES:
        raise BadImageError(f"{path}: expected an image of at most {MAX_BYTES:,} bytes, got {size:,} from {offset:,}")
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(opened, size, offset)
            check_stays(path, os.fstat(opened), state)
        finally:
            os.close(opened)
    except OSError as error:
        raise BadImageError(f"{path}: expected a file that can be read, got: {error.strerror}") from None
    return data


def _json(path: Path, key: str, place: tuple[int, int], state: tuple[int, int]) -> dict[str, object]:
    try:
        values = json.loads(_read(path, *place, state))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected {key}.json to be JSON, got: {error}") from None
    return values if isinstance(values, dict) else {}


def _text(value: object) -> str:
    """Return a name or a whole number as text, "" for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _labels(samples: Samples, label: Label | None, label_key: str) -> list[str] | None:
    if label is None:
        label = "cls" if any(samples.cls) else "json" if any(samples.json) else "none"
    if label == "none":
        return None
    if label == "cls":
        return _whole(samples, samples.cls, "the text of key.cls")
    return _whole(samples, samples.json, _key_of_json(f"label_key: {label_key}"))


def _key_of_json(option: str) -> str:
    return f"text or a whole number of `{option}` in key.json"


def _whole(samples: Samples, values: list[str], what: str) -> list[str]:
    """Return a value for each image; raise UserError if one has none, or not one that can be printed."""
    for name, value in zip(samples.names, values, strict=True):
        if not value or not is_printable(value):
            got = shown(value) if value else "none"
            raise UserError(f"{name}: expected a name as {what}, got {got}: see `options`")
    return values
