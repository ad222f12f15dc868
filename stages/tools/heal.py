"""Remove what is damaged in DVC's cache and in the workspace, so that it is made again: `make heal`.

dvc.lock, groups/dvc.lock -> lists of folders (.dir) -> every file, in the cache and in the workspace

DVC hashes a file once. From then on it believes an entry of the cache for its read-only mode, and a file in the
workspace for its inode and time. A byte that a disk flips is therefore "up to date" and comes back with every checkout;
and a damaged entry stays, even if `dvc repro --force` makes the right file again. Here every byte is read. The exit
status is 0 if all is whole, or is now.
"""

import argparse
import errno
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hourglass.console.command import guarded
from hourglass.console.errors import UserError
from hourglass.console.progress import progress

Places = dict[str, list[Path]]  # where in the workspace each entry of the cache belongs, by the entry's name
ENTRY = re.compile(r"([0-9a-f]{32})(\.dir)?")  # the MD5 of its content; .dir: it lists the files of a folder
AT_ONCE = 1 << 20  # bytes


@dataclass(frozen=True)
class Copy:
    """A file that DVC takes for an entry without reading it.

    Attributes:
        entry: The name of the entry.
        path: The file, in the cache or in the workspace.
        links: Files of the workspace that are the same file.
        shown: How to name it in a message.
    """

    entry: str
    path: Path
    links: Sequence[Path]
    shown: str


def main(everything: bool) -> None:
    """Remove what is damaged, store again what the workspace still has, and say what to do next.

    Args:
        everything: Whether to check all entries of the cache, and not just those that the lock files name.
    """
    with opened() as repo:
        cache = repo.cache.local
        outs = [out for out in repo.index.outs if out.hash_info and out.hash_name == cache.hash_name]
        lists = {out.hash_info.value: [Path(out.fs_path)] for out in outs if out.hash_info.isdir}
        removed = remove_damaged(repo, lists)
        restore(repo, outs)
        if not all(map(cache.exists, removed)):
            everything = True  # nobody knows which entries the lost list named
        files = named_files(outs)
        for entry in cache.all() if everything else ():
            files.setdefault(entry, [])
        removed += remove_damaged(repo, files)
        restore(repo, outs)
        pull = " --pull" if repo.config["core"].get("remote") else ""
    if removed:
        print(f"next: dvc repro{pull}")
    else:
        print("all that is here is whole; if a stage still finds damage in a file: dvc repro --force <its stage>")


@contextmanager
def opened() -> Iterator[Any]:
    """Yield DVC's repository, locked; what it cannot read is one line."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.disable()  # what DVC logs with a traceback is said here in one line
    try:
        with Repo() as repo, repo.lock:
            yield repo
    except DvcException as error:
        raise UserError(
            f"expected a project that DVC can read, got: {error}: if dvc.lock is damaged, git checkout HEAD -- dvc.lock"
        ) from None
    except OSError as error:
        raise UserError(f"{error.filename}: expected a file to read or remove, got: {error.strerror}") from None


def named_files(outs: Iterable[Any]) -> Places:
    """Return the entries of all files in the outputs, as far as the lists of the folders are there."""
    files: Places = {}
    for out in outs:
        folder = Path(out.fs_path)
        contents = (out.get_obj() or ()) if out.hash_info.isdir else [((), None, out.hash_info)]
        for key, _, hash_info in contents:
            files.setdefault(hash_info.value, []).append(folder.joinpath(*key))
    return files


def remove_damaged(repo: Any, files: Places) -> list[str]:  # noqa: ANN401  # DVC is not typed
    """Remove the copies whose content is not what DVC takes it for; say which, and return their entries."""
    copies = [copy for entry, places in files.items() for copy in believed(repo, entry, places)]
    with progress(sum(copy.path.stat().st_size for copy in copies), "checking", "B") as bar:
        damaged = [copy for copy in copies if md5(copy.path, bar.update) != copy.entry.removesuffix(".dir")]
    for copy in damaged:
        for path in (copy.path, *copy.links):
            path.unlink()
        print(f"{copy.shown}: damaged, removed", flush=True)
    return [copy.entry for copy in damaged]


def believed(repo: Any, entry: str, places: Sequence[Path]) -> Iterator[Copy]:  # noqa: ANN401
    """Yield the files that DVC takes for an entry without reading them.

    Where others differ, DVC finds that itself: a file that somebody edited, the output of a stage that did not finish.
    """
    cache = repo.cache.local
    if not ENTRY.fullmatch(entry):
        return  # half-written
    stored = Path(cache.oid_to_path(entry))
    links: list[Path] = []
    if stored.exists():
        links = [place for place in places if place.exists() and place.samefile(stored)]
        name = f"{os.path.relpath(places[0])}, as it is in the cache" if places else os.path.relpath(stored)
        yield Copy(entry, stored, links, name)
    for place in places:
        if place.is_file() and place not in links:
            _, known = repo.state.get(str(place), cache.fs)
            if known is not None and known.value == entry:
                yield Copy(entry, place, (), os.path.relpath(place))


def md5(path: Path, update: Callable[[int], object]) -> str:
    """Return the MD5 of a file, or nothing if the disk cannot read what it wrote; call `update` with the bytes read."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while block := file.read(AT_ONCE):
                digest.update(block)
                update(len(block))
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return ""
    return digest.hexdigest()


def restore(repo: Any, outs: Iterable[Any]) -> None:  # noqa: ANN401
    """Store in the cache what it lacks of outputs that the workspace has whole."""
    cache = repo.cache.local
    for out in (out for out in outs if out.use_cache and out.exists):
        oids = {out.hash_info.value, *named_files([out])}
        if not all(map(cache.exists, oids)) and out.get_hash() == out.hash_info:
            out.commit(relink=False)
            print(f"{out}: stored in the cache again, from the workspace")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stages.tools.heal", description=main.__doc__)
    parser.add_argument("--all", action="store_true", help="check the whole cache, with what earlier commits made")
    arguments = parser.parse_args()
    with guarded():
        main(arguments.all)
