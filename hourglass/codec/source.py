"""Where a model is: a folder, a zip file of one, or a folder in a git repository with DVC."""

import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hourglass.codec.package import FILES
from hourglass.console.errors import UserError
from hourglass.inference.store import CONFIG

# https://host/team/project.git@v1.0:data/models/x, git@host:team/project.git:data/models/x
# or /a/checkout@main:data/models/x
REMOTE = re.compile(
    r"(?P<url>[a-z+]+://[^/]*/[^@:]+|[^@:/]+@[^@:/]+:[^@:]+|[^@:]+)"
    r"(?:@(?P<revision>[^@:]+))?:(?P<path>(?!//)[^@:]+)"
)
MAX_RATIO = 100  # times its own bytes that a member of a zip file may unpack to; weights hardly shrink


@contextmanager
def local_folder(model: str) -> Iterator[Path]:
    """Yield the model's folder on this machine; what was fetched for it is removed afterwards.

    Raises:
        UserError: If there is no such model.
    """
    path = Path(model).expanduser()
    remote = REMOTE.fullmatch(model)
    if path.is_dir():
        yield path
    elif path.is_file():
        with TemporaryDirectory(prefix="hourglass-") as folder, _named(folder, path):
            yield _unzip(path, Path(folder))
    elif remote and (not Path(remote["url"]).is_file()):
        with TemporaryDirectory(prefix="hourglass-") as folder, _named(f"{folder}/model", model):
            yield _fetch(remote["url"], remote["revision"], remote["path"], Path(folder) / "model")
    else:
        raise UserError(f"expected the folder of a model, a zip file of one or URL@revision:folder, found no {model}")


@contextmanager
def _named(folder: str, model: str | Path) -> Iterator[None]:
    """Name the model in messages in place of the folder that it is in for a moment."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(folder, os.fspath(model))) from None


def _unzip(path: Path, folder: Path) -> Path:
    """Unpack the files of one model, and no other."""
    try:
        with zipfile.ZipFile(path) as archive:
            tops = {name.removesuffix(CONFIG) for name in archive.namelist() if name.rpartition("/")[2] == CONFIG}
            if len(tops) != 1:
                raise UserError(f"{path}: expected a zip file of one model's folder, got {len(tops)} {CONFIG} in it")
            (top,) = tops
            members = {name: archive.getinfo(top + name) for name in FILES if top + name in archive.namelist()}
            check_ratio(members.values(), path)
            for name, member in members.items():
                with archive.open(member) as packed, (folder / name).open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # zipfile's many kinds, and those of every method of compression
        raise UserError(f"{path}: expected a zip file of a model's folder, got: {error}") from None
    return folder


def check_ratio(members: Iterable[zipfile.ZipInfo], path: Path) -> None:
    """Raise UserError if a member of a zip file would unpack to far more bytes than it has."""
    for member in members:
        if member.file_size > (limit := MAX_RATIO * member.compress_size + (1 << 20)):
            raise UserError(f"{path}: expected at most {limit:,} bytes in {member.filename}, got {member.file_size:,}")


def _fetch(url: str, revision: str | None, path: str, folder: Path) -> Path:
    """Fetch a folder that DVC tracks in a git repository, from the repository's remote."""
    try:
        from dvc.api import DVCFileSystem
    except ImportError:
        raise UserError(
            f"expected DVC, which fetches {path} of {url}, found none: pip install 'hourglass[pipeline]'"
        ) from None
    try:
        DVCFileSystem(url, rev=revision).get(path, str(folder), recursive=True)
    except Exception as error:  # DVC's and git's many kinds
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        where = f"{path} in {url} at {revision or 'its newest commit'}"
        raise UserError(f"expected {where}, got: {reason}: check the address, the revision and the folder") from None
    if not folder.is_dir():
        raise UserError(f"expected the folder of a model, got no folder: {path} of {url}")
    return folder
