"""Files and folders are written whole or not at all, and an error of writing names them."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hourglass.files import whole_file, whole_folder

Writer = Callable[[Path], AbstractContextManager[Path]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(target: Path, text: str) -> None:
    with whole_folder(target) as partial:
        (partial / "file").write_text(text, encoding="utf-8")


KILLED = """
import os, signal, sys
from pathlib import Path
from hourglass.files import whole_folder

calls, replace = 0, os.replace
def killed(*paths):
    global calls
    calls += 1
    if calls > int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)
os.replace = killed
with whole_folder(Path("target")) as partial:
    (partial / "file").write_text("new")
"""


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_between_the_renames_loses_nothing(tmp_path: Path, renames: int) -> None:
    write(tmp_path / "target", "old")
    project = Path(__file__).parents[1]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(renames)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(project)},
        check=False,
    )
    assert killed.returncode < 0
    with pytest.raises(ValueError, match="stop"), whole_folder(tmp_path / "target"):  # the next one, which fails
        raise ValueError("stop")
    assert names(tmp_path) == ["target"]
    assert (tmp_path / "target/file").read_text(encoding="utf-8") == "old"
    write(tmp_path / "target", "newer")
    assert names(tmp_path) == ["target"]
    assert (tmp_path / "target/file").read_text(encoding="utf-8") == "newer"


@pytest.mark.parametrize("writer", [whole_file, whole_folder])
def test_a_full_disk_has_a_name(tmp_path: Path, writer: Writer) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        with writer(tmp_path / "target") as partial:
            path = partial / "file" if partial.is_dir() else partial
            with path.open("wb") as file:
                file.write(bytes(1 << 20))

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # files end here, as on a disk that is full
    try:
        with pytest.raises(OSError, match="File too large") as failed:
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert failed.value.errno == errno.EFBIG
    assert failed.value.filename == str(tmp_path / "target")
    assert names(tmp_path) == []
