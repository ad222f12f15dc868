"""Fetch and unpack one data set's upstream files -> data/raw/<name>/."""

import os

from hourglass.config.document import Params
from hourglass.console import command
from hourglass.console.errors import UserError
from hourglass.data.remote.archives import is_archive, unpack
from hourglass.data.remote.fetch import fetch
from hourglass.data.remote.remote_file import RemoteFile
from hourglass.files import whole_folder
from stages.paths import LOCKS, PARAMS, RAW


def main(name: str) -> None:
    """Fetch one data set's upstream files, verify them and unpack archives."""
    params = Params.load(PARAMS)
    entries = [RemoteFile(**keywords) for keywords in params.keywords_of_each(RemoteFile, "downloads", name)]
    mirror = os.environ.get("HOURGLASS_MIRROR", "").rstrip("/")
    with whole_folder(RAW / name) as folder:
        for entry in entries:
            target = folder / entry.file
            urls = entry.addresses(f"{mirror}/{name}" if mirror else "")
            if target.exists():
                raise UserError(
                    f"{entry.file}: expected a new name, got that of a file that came before it: rename one"
                )
            address = fetch(target, urls, entry.sha256, entry.by_hand or remedy(name, entry), entry.max_bytes)
            print(f"{entry.file}: {'verified, ' if entry.sha256 else ''}from {address}")
            if is_archive(entry.file) and target.is_file():
                count = unpack(target, folder, entry.max_bytes)
                target.unlink()
                print(f"{entry.file}: unpacked {count} files")


def remedy(name: str, entry: RemoteFile) -> str:
    """Return how to supply a file that no source gives."""
    if entry.is_bundled:
        return "These files come with the dependencies: remove .venv and set it up again"
    return f"To supply it by hand, save it as <folder>/{name}/{entry.file} and set HOURGLASS_MIRROR=<folder>"


if __name__ == "__main__":
    command.run(main, LOCKS)
