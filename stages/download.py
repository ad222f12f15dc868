"""Fetch and unpack one data set's upstream files -> data/raw/<name>/."""

import os

from stages.common import command, config
from stages.common.files import whole_folder
from stages.common.paths import RAW
from stages.common.schema import RemoteFile
from stages.datasets.archives import is_archive, unpack
from stages.datasets.fetch import PACKAGE, fetch


def main(name: str) -> None:
    """Fetch one data set's upstream files, verify them and unpack archives."""
    files = config.load().download(name)
    with whole_folder(RAW / name) as folder:
        for entry in files:
            target = folder / entry.file
            urls = [*mirrors(name, entry), *entry.urls]
            address = fetch(target, urls, entry.sha256, entry.by_hand or supply(name, entry))
            print(f"{entry.file}: {'verified, ' if entry.sha256 else ''}from {address}")
            if is_archive(target):
                count = unpack(target, folder)
                target.unlink()
                print(f"{entry.file}: unpacked {count} files")


def mirrors(name: str, entry: RemoteFile) -> list[str]:
    """Say what HOURGLASS_MIRROR puts before an entry's urls: nothing where they are in the dependencies anyway."""
    mirror = os.environ.get("HOURGLASS_MIRROR", "")
    return [f"{mirror.rstrip('/')}/{name}/"] if mirror and not bundled(entry) else []


def bundled(entry: RemoteFile) -> bool:
    """Tell whether a file comes inside the project's dependencies."""
    return bool(entry.urls) and all(url.startswith(PACKAGE) for url in entry.urls)


def supply(name: str, entry: RemoteFile) -> str:
    """Say how to supply a file that no source gives."""
    if bundled(entry):
        return "These files come with the dependencies: remove .venv and set it up again"
    return f"To supply it by hand, save it as <folder>/{name}/{entry.file} and set HOURGLASS_MIRROR=<folder>"


if __name__ == "__main__":
    command.run(main)
