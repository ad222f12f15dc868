"""Measure `prepare` beside a plain Pillow loop: images a second and peak memory, as the number of images grows.

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
folder, count, height, width = Path(sys.argv[1]), *map(int, sys.argv[2:])
folder.mkdir(); generator = np.random.default_rng(0)
for i in range(count):
    small = generator.integers(0, 256, (10, 8, 3), np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{i:06}.jpg", quality=90)
"""

PLAIN = """
import sys, numpy as np; from PIL import Image, ImageOps; from pathlib import Path
source, target, height, width = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
images = []
for path in sorted(source.rglob("*.jpg")):
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


def measure(*command: str, folder: Path) -> tuple[float, float]:
    """Run a command; return its seconds and its peak memory in MiB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {command}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def compare(name: str, source: Path, count: int, size: tuple[int, int], plain: bool) -> None:
    """Print a row of the table for `prepare`, and one for the plain loop."""
    height, width = size
    with tempfile.TemporaryDirectory(dir=source.parent) as scratch:
        folder = Path(scratch)
        (folder / "params.yaml").write_text(PARAMS.format(source=source, height=height, width=width), encoding="utf-8")
        rows = [("prepare", measure("-m", "stages.prepare", "mine", folder=folder))]
        if plain:
            rows.append(("plain", measure("-c", PLAIN, str(source), "all.npy", str(height), str(width), folder=folder)))
    for what, (seconds, memory) in rows:
        print(f"| {name} | {count} | {what} | {seconds:.1f} | {count / seconds:.0f} | {memory:.0f} |", flush=True)


def main() -> None:
    """Measure all."""
    print(f"{os.cpu_count()} cores\n\n| images | count | by | s | images/s | peak MiB |\n|---|---:|---|---:|---:|---:|")
    if len(sys.argv) > 1:
        london = Path(sys.argv[1]).resolve()
        compare("london-faces 1350x1350", london, len(list(london.rglob("*.jpg"))), (1000, 800), plain=True)
    with tempfile.TemporaryDirectory() as scratch:
        for count, size in ((5000, (64, 64)), (20000, (64, 64)), (500, (1000, 800)), (2000, (1000, 800))):
            source = Path(scratch) / f"{count}"
            subprocess.run([sys.executable, "-c", MAKE, source, str(count), *map(str, size)], check=True)
            compare(f"made {size[0]}x{size[1]}", source, count, size, plain=count in (500, 20000))


if __name__ == "__main__":
    main()
