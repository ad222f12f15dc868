"""Fetch one data set's upstream files -> data/raw/<dataset>/."""

import os

from stages import command, config
from stages.datasets.fetch import PACKAGE, fetch
from stages.files import whole_folder
from stages.paths import RAW


def main(name: str) -> None:
    """Fetch one data set's upstream files and verify them."""
    files = config.load().download(name)
    with whole_folder(RAW / name) as folder:
        for entry in files:
            address = fetch(folder / entry.file, [*mirrors(name, entry.urls), *entry.urls], entry.sha256, name)
            print(f"{entry.file}: verified, from {address}")


def mirrors(dataset: str, urls: tuple[str, ...]) -> list[str]:
    """Say what HOURGLASS_MIRROR puts before `urls`: nothing where they are in the dependencies anyway."""
    mirror = os.environ.get("HOURGLASS_MIRROR", "")
    bundled = all(url.startswith(PACKAGE) for url in urls)
    return [f"{mirror.rstrip('/')}/{dataset}/"] if mirror and not bundled else []


if __name__ == "__main__":
    command.run(main)
