"""What `make` would install, and that it asks for nothing that a folder may lack."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with all that the Makefile's rules begin with, and no .venv."""
    for name in ("Makefile", "constraints.txt", "requirements.txt"):
        shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make where nobody types anything, and nothing ends what could be typed."""
    with subprocess.Popen(["sleep", "100"], stdout=subprocess.PIPE) as silence:
        try:
            return subprocess.run(
                ["make", "--directory", folder, *arguments],
                stdin=silence.stdout,
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
        finally:
            silence.kill()


def test_a_folder_without_settings_of_dvc(folder: Path) -> None:
    assert "make quickstart" in make(folder).stdout
    assert "plugin" not in make(folder, "--dry-run", "check").stdout


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("s3://bucket/hourglass", "s3"),
        ("ssh://host/srv", "ssh"),
        ("webdavs://host/hourglass", "webdav"),
        ("gs://bucket", "gs"),
        ("azure://container", "azure"),
        ("https://host/files", ""),
        ("/mnt/s3/hourglass", ""),
    ],
)
@pytest.mark.parametrize("config", ["config", "config.local"])
def test_a_clone_gets_the_plugin_of_its_remote(folder: Path, config: str, url: str, kind: str) -> None:
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / config).write_text(f"['remote \"storage\"']\n    url = {url}\n", encoding="utf-8")
    done = make(folder, "--dry-run", "check")
    assert done.returncode == 0, done.stderr
    assert [line.split("--extra ")[1] for line in done.stdout.splitlines() if "--extra" in line] == [kind] * bool(kind)


def test_remotes_that_have_no_plugin_are_refused(folder: Path) -> None:
    done = make(folder, "REMOTE=s3 folder", "check")
    assert done.returncode == 2
    assert "expected REMOTE to be one of: s3 ssh webdav gs azure, got folder" in done.stderr
