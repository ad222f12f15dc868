"""Measure `prepare` beside a plain Pillow loop: images a second and peak memory, as the number of images grows.

Each set is prepared twice: from nothing, and again with 20 new images, when the others come from the cache.

Run from the project's folder: python -m tests.benchmarks.prepare [FOLDER_OF_LONDON_FACES]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]

MAKE = """
import sys, numpy as np; from PIL import Image; from pathlib import Path
folder, suffix, first, count, height, width = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
folder.mkdir(exist_ok=True); generator = np.random.default_rng(first)
for i in range(first, first + count):
    small = generator.integers(0, 256, (10, 8, 3), np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    image.save(folder / f"{i:07}.{suffix}", quality=90)
"""

PLAIN = """
import sys, numpy as np; from PIL import Image, ImageOps; from pathlib import Path
source, target, height, width = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
images = []
for path in sorted(path for path in source.rglob("*") if path.suffix in (".jpg", ".png")):
    image = ImageOps.fit(ImageOps.exif_transpose(Image.open(path)).convert("RGB"), (width, height), Image.Resampling.LANCZOS)
    images.append(np.asarray(image).transpose(2, 0, 1))
np.save(target, np.stack(images))
"""

PARAMS = """
downloads: {{}}
models: {{}}
groups: {{}}
datasets:
  mine: {{source: {source}, format: folder, size: [{height}, {width}], color: rgb, allow_constant: true}}
"""


NEW = 20  # images that come when all others are known


def make(source: Path, suffix: str, first: int, count: int, size: tuple[int, int]) -> None:
    """Make images in a folder."""
    numbers = map(str, (first, count, *size))
    subprocess.run([sys.executable, "-c", MAKE, str(source), suffix, *numbers], check=True)


def measure(what: str, count: int, *command: str, folder: Path) -> None:
    """Run a command and print the end of its row: by, seconds, images a second, CPU seconds and peak memory in MiB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {command}")
    seconds, cpu = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    print(f" {what} | {seconds:.1f} | {count / seconds:.0f} | {cpu:.1f} | {usage.ru_maxrss / 1024:.0f} |", flush=True)


def compare(name: str, source: Path, suffix: str, count: int, size: tuple[int, int], made: bool = True) -> None:
    """Print the rows of the table for one set: the plain loop, `prepare`, and `prepare` with new images."""
    height, width = size

    def row(what: str, count: int, *command: str) -> None:
        print(f"| {name} | {count} |", end="")
        measure(what, count, *command, folder=folder)

    with tempfile.TemporaryDirectory(dir=source.parent) as scratch:
        folder = Path(scratch)
        (folder / "params.yaml").write_text(PARAMS.format(source=source, height=height, width=width), encoding="utf-8")
        row("plain", count, "-c", PLAIN, str(source), "all.npy", str(height), str(width))
        row("prepare", count, "-m", "stages.prepare", "mine")
        if made:
            make(source, suffix, count, NEW, size)
            row(f"prepare, {NEW} new", count + NEW, "-m", "stages.prepare", "mine")


def main() -> None:
    """Measure all."""
    print(f"{os.cpu_count()} cores\n\n| images | count | by | s | images/s | CPU s | peak MiB |\n|---|{'---:|' * 6}")
    if len(sys.argv) > 1:
        london = Path(sys.argv[1]).resolve()
        compare("london-faces 1350x1350", london, "jpg", len(list(london.rglob("*.jpg"))), (1000, 800), made=False)
    with tempfile.TemporaryDirectory() as scratch:
        for suffix, count, size in (
            ("png", 5000, (32, 32)),
            ("png", 20000, (32, 32)),
            ("jpg", 20000, (64, 64)),
            ("jpg", 500, (1000, 800)),
        ):
            source = Path(scratch) / f"{count} {suffix}"
            make(source, suffix, 0, count, size)
            compare(f"made {size[0]}x{size[1]} {suffix}", source, suffix, count, size)


if __name__ == "__main__":
    main()
