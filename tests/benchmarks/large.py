"""Measure `hourglass manifest` and `dvc repro prepare@large` on a million made images: first, unchanged, with new ones.

Run from the project's folder: python -m tests.benchmarks.large [COUNT] [NEW]; a million need 12 GB.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import ROOT
from tests.params import params, to_yaml

SIDE = 32  # pixels
IN_FOLDER = 10_000  # images
DATA_SET = {"format": "folder", "size": [SIDE, SIDE], "color": "rgb"}
MODEL = {"group": "large", "dataset": "large", "family": "pca", "network": {"latent_dim": 8}, "training": {}}


def make_folder(number: int, source: Path, first: int, count: int) -> None:
    """Make the images of one folder."""
    folder = source / f"{number:05}"
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([number, first])
    for index in range(first, first + count):
        small = Image.fromarray(generator.integers(0, 256, (4, 4, 3), np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / f"{index}.png", compress_level=1)


def make(source: Path, folders: int, first: int, count: int) -> None:
    """Make so many images in each folder."""
    with ProcessPoolExecutor() as pool:
        list(pool.map(make_folder, range(folders), repeat(source), repeat(first), repeat(count)))


def measure(what: str, folder: Path, *command: str) -> None:
    """Run a command; print its seconds, and the peak memory in MiB of the largest process."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"PATH": path}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)  # the usage of its own children is in it
        if status:
            output.seek(0)
            sys.exit(f"failed: {' '.join(command)}\n{output.read().decode(errors='replace')[-2000:]}")
    print(f"| {what} | {time.perf_counter() - started:.1f} | {usage.ru_maxrss / 1024:.0f} |", flush=True)


def make_project(folder: Path, source: Path) -> None:
    """Copy the code of this checkout, with a params.yaml of one large data set."""
    folder.mkdir()
    for name in ("hourglass", "stages", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy2(ROOT / name, folder / name)
    values = {
        "downloads": {},
        "datasets": {"large": DATA_SET | {"source": str(source / "manifest.csv")}},
        "models": {"large-pca": MODEL},
        "groups": {"large": {"title": "Large"}},
        "train": params()["train"],
    }
    (folder / "params.yaml").write_text(to_yaml(values), encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "stages.check"], cwd=folder, check=True)  # writes groups/dvc.yaml


def main(count: int = 1_000_000, new: int = 1000) -> None:
    """Measure all, in the folder for temporary files."""
    with tempfile.TemporaryDirectory() as top:
        source, project = Path(top) / "images", Path(top) / "project"
        folders = max(1, count // IN_FOLDER)
        make(source, folders, 0, count // folders)
        manifest = ("python", "-m", "hourglass", "manifest", str(source))
        repro = ("dvc", "repro", "prepare@large")
        print(f"{count} images of {SIDE}x{SIDE}, {os.cpu_count()} cores\n\n| what | s | peak MiB |\n|---|---:|---:|")
        measure("manifest", ROOT, *manifest)
        make_project(project, source)
        measure("repro, first", project, *repro)
        measure("repro, nothing new", project, *repro)
        make(source, folders, count, max(1, new // folders))
        measure(f"manifest, {new} new", ROOT, *manifest)
        measure(f"prepare alone, {new} new", project, "python", "-m", "stages.prepare", "large")
        measure(f"repro, {new} new", project, *repro)
        cached = sum(path.stat().st_size for path in (project / ".dvc/cache").rglob("*") if path.is_file())
        print(f"\nDVC's cache: {cached / 2**20:.0f} MiB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
