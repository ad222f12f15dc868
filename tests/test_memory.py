"""Where memory ends, a stage ends in one line: limits are read as Linux states them, and allocations fail at them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from hourglass.console.memory import UNTOUCHED, memory_limit

from .conftest import Project
from .shards import save_split

linux = pytest.mark.skipif(sys.platform != "linux", reason="control groups and RLIMIT_DATA are Linux's")

MACHINE = psutil.virtual_memory().total + psutil.swap_memory().total
SWAP = psutil.swap_memory().total
UNLIMITED = "9223372036854771712"  # what version 1 says where there is no limit
MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/a/b", {"a/b/memory.max": 300, "a/memory.max": "max"}, 300, id="version 2"),
        pytest.param("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": 200}, 200, id="a limit of what is around it"),
        pytest.param("0::/a/b", {"a/b/memory.max": 300, "a/memory.max": 400}, 300, id="the least of several"),
        pytest.param("0::/a", {"a/memory.max": 300, "a/memory.high": 250}, 250, id="high, beyond which all is slow"),
        pytest.param("0::/a", {"a/memory.max": "max", "a/memory.high": "max"}, MACHINE, id="no limit"),
        pytest.param("0::/", {"memory.max": 300}, 300, id="a container's own root"),
        pytest.param("0::/../../host", {"memory.max": 300}, 300, id="a path that is not there"),
        pytest.param("0::/a", {"a/memory.max": 10**18}, MACHINE, id="more than the machine has"),
        pytest.param("0::/a", {"a/memory.max": 300, "b/memory.max": 1}, 300, id="another's limit"),
        pytest.param("4:memory:/a/b", {"memory/a/b/memory.limit_in_bytes": 300}, 300, id="version 1"),
        pytest.param(
            "9:cpu:/x\n4:hugetlb,memory:/a/b\n0::/",
            {"memory/a/b/memory.limit_in_bytes": UNLIMITED, "memory/a/memory.limit_in_bytes": 200},
            200,
            id="version 1, around it",
        ),
        pytest.param("4:memory:/docker/0123", {"memory/memory.limit_in_bytes": 300}, 300, id="version 1, a container"),
        pytest.param("4:memory:/a", {"memory/a/memory.limit_in_bytes": UNLIMITED}, MACHINE, id="version 1, no limit"),
        pytest.param("", {}, MACHINE, id="no group"),
    ],
)
def test_the_least_limit_applies(groups: str, files: dict[str, object], expected: int, tmp_path: Path) -> None:
    if expected != MACHINE:
        expected += SWAP
    write_groups(tmp_path, groups, files)
    assert memory_limit(tmp_path / "self", tmp_path / "cgroup") == expected


def test_memory_and_swap_may_have_one_limit(tmp_path: Path) -> None:
    write_groups(
        tmp_path, "4:memory:/a", {"memory/a/memory.limit_in_bytes": 300, "memory/a/memory.memsw.limit_in_bytes": 300}
    )
    assert memory_limit(tmp_path / "self", tmp_path / "cgroup") == 300


def test_a_group_may_have_no_swap(tmp_path: Path) -> None:
    write_groups(tmp_path, "0::/a", {"a/memory.max": 300, "a/memory.swap.max": 0})
    assert memory_limit(tmp_path / "self", tmp_path / "cgroup") == 300


@pytest.mark.parametrize(
    ("group", "limit", "key"),
    [("0::", "memory.max", "anon"), ("4:memory:", "memory/memory.limit_in_bytes", "total_rss")],
)
def test_what_others_in_the_group_have_is_not_for_this_process(
    group: str, limit: str, key: str, tmp_path: Path
) -> None:
    own = psutil.Process().memory_info()
    others = own.rss - own.shared + 500 * MEBIBYTE
    write_groups(
        tmp_path,
        f"{group}/",
        {limit: 2000 * MEBIBYTE, f"{Path(limit).parent}/memory.stat": f"file 7\n{key} {others}"},
    )
    left = memory_limit(tmp_path / "self", tmp_path / "cgroup") - SWAP
    assert left == pytest.approx(1500 * MEBIBYTE, abs=16 * MEBIBYTE)


def test_a_system_without_groups_has_what_the_machine_has(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "none", tmp_path / "cgroup") == MACHINE


def write_groups(folder: Path, groups: str, files: dict[str, object]) -> None:
    """Write what Linux shows of control groups: those of a process as `self`, their files in `cgroup`."""
    (folder / "self").write_text(groups, encoding="utf-8")
    for name, value in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n", encoding="utf-8")


@linux
def test_every_stage_has_the_limit() -> None:
    script = "import resource; from hourglass.console.command import guarded\nwith guarded(): print(*resource.getrlimit(resource.RLIMIT_DATA))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout.split()[0]) <= MACHINE + UNTOUCHED * len(os.sched_getaffinity(0))


@linux
@pytest.mark.parametrize(
    ("stage", "model", "what", "advice"),
    [
        ("train", "digits-dense", "a batch of 1400 and the training images", "lower `batch_size`"),
        ("train", "digits-pca", "all training images", "lower the data set's `size`"),
        ("evaluate", "digits-conv", "the images that go through the network at once", "make the network smaller"),
    ],
)
def test_memory_that_is_too_little_is_one_line(
    stage: str, model: str, what: str, advice: str, project: Project
) -> None:
    if model == "digits-dense":
        project.change("models.digits-dense.network.hidden", [50_000])
        project.change("models.digits-dense.training", {"epochs": 1, "batch_size": 1400, "learning_rate": 0.001})
    elif model == "digits-pca":
        replace_split(project, "train", (1500, 1, 200, 200))  # as many values as are solved at once
        replace_split(project, "val", (10, 1, 200, 200))
    else:
        replace_split(project, "test", (100_000, 1, 8, 8))
    before = files(project.folder)
    # As `guarded` sets it in a container that gives this much on top of what the imports take.
    script = (
        f"import hourglass.console.command as c, stages.{stage} as s, psutil, resource, sys;"
        f"limit = psutil.Process().memory_info().data + {300 * MEBIBYTE};"
        "resource.setrlimit(resource.RLIMIT_DATA, (limit, limit));"
        f"print(limit, flush=True); sys.argv = ['{stage}', '{model}']; c.run(s.main)"
    )
    done = project.run("python", "-c", script)
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith(f"{model}:")]  # of the progress bar
    gigabytes = int(done.stdout.split()[0]) / 1e9
    assert re.fullmatch(
        rf"error: expected {what} to fit into the memory of CPU \({gigabytes:.3g} GB for this process\), "
        rf"got: out of memory: {re.escape(advice)}.*",
        line,
    )
    assert files(project.folder) == before


def replace_split(project: Project, split: str, shape: tuple[int, int, int, int]) -> None:
    """Replace a split of digits by as many images of noise as it takes."""
    prepared = project.folder / "data/prepared/digits"
    shutil.rmtree(prepared / split)
    save_split(prepared, split, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    labels = pd.read_csv(prepared / "labels.csv")
    rows = pd.DataFrame({"split": split, "index": range(shape[0]), "label": "0", "source": "noise"})
    pd.concat([labels[labels["split"] != split], rows]).to_csv(prepared / "labels.csv", index=False)


def files(folder: Path) -> dict[Path, bytes]:
    """Return everything that stages write, locks left out."""
    tops = ("data/trained", "data/evaluated", "data/timing", "metrics")
    return {path: path.read_bytes() for top in tops for path in (folder / top).rglob("*") if path.is_file()}
