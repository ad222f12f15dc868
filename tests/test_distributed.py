"""Several processes train as one does: the same global batch, the same curve, one set of files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from hourglass.training.distributed import ProcessGroup

from .conftest import Project, copy_of

TORCHRUN = ("env", "CUDA_VISIBLE_DEVICES=", sys.executable, "-m", "torch.distributed.run")  # on CPUs, with gloo


def curve(project: Project) -> list[float]:
    """Read the losses of digits-dense, epoch by epoch."""
    table = pd.read_csv(project.folder / "metrics/history/digits-dense.csv")
    return [float(value) for value in table[["train_loss", "val_loss"]].to_numpy().flatten()]


def processes_of(project: Project) -> int:
    """Read how many processes trained digits-dense."""
    timing = json.loads((project.folder / "data/timing/digits-dense.json").read_text(encoding="utf-8"))
    return int(timing["processes"])


def shorten(project: Project) -> Project:
    """Train digits-dense for six epochs; 1,439 images in batches of 67 leave a last batch of 32.

    The learning rate is low: at 0.003 the other kernels of another processor alone change the curve by 0.2%.
    """
    project.change("models.digits-dense.training", {"epochs": 6, "batch_size": 67, "learning_rate": 0.001})
    return project


@pytest.fixture(scope="module")
def expected(quickstart: Project, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Return the losses of that training in one process."""
    project = shorten(copy_of(quickstart, tmp_path_factory.mktemp("one") / "project"))
    project.ok("env", "CUDA_VISIBLE_DEVICES=", sys.executable, "-m", "stages.train", "digits-dense")
    return curve(project)


@pytest.fixture
def shortened(project: Project) -> Project:
    """Return a project, to be changed at will, with that training."""
    return shorten(project)


def test_every_image_is_some_processs_share() -> None:
    batch = torch.arange(10, 17)
    shares = [ProcessGroup(rank, 3).shard(batch) for rank in range(3)]
    assert sorted(int(index) for share, _ in shares for index in share) == batch.tolist()
    assert sum(len(share) * weight / len(share) for share, weight in shares) == pytest.approx(3)
    # Fewer images than processes: all take part, and some of them count for nothing.
    shares = [ProcessGroup(rank, 3).shard(batch[:1]) for rank in range(3)]
    assert [(share.tolist(), weight) for share, weight in shares] == [([10], 3), ([10], 0), ([10], 0)]


def test_two_processes_give_the_curve_of_one(shortened: Project, expected: list[float]) -> None:
    shortened.change("train.launch", f"{' '.join(TORCHRUN)} --standalone --nproc-per-node=2")
    shortened.ok("dvc", "repro", "--single-item", "train@digits-dense")
    assert curve(shortened) == pytest.approx(expected, rel=1e-3)
    assert processes_of(shortened) == 2


def test_two_processes_that_were_told_to_stop_go_on(shortened: Project, expected: list[float]) -> None:
    shortened.change("train.checkpoint_seconds", 0)
    command = [*TORCHRUN, "--standalone", "--nproc-per-node=2", "-m", "stages.train", "digits-dense"]
    process = subprocess.Popen(
        command, cwd=shortened.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while process.poll() is None and not list((shortened.folder / "data/checkpoints").rglob("*.pt")):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode, output
    assert output.count("stopped, saved at epoch") == 1
    assert "continues from epoch" in shortened.ok(*command)
    assert curve(shortened) == pytest.approx(expected, rel=1e-3)


def test_families_that_are_solved_run_once(project: Project) -> None:
    weights = project.folder / "data/trained/digits-pca/model.safetensors"
    before = load_file(weights)
    done = project.run(*TORCHRUN, "--standalone", "--nproc-per-node=2", "-m", "stages.train", "digits-pca")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("validation loss") == 1
    # torchrun gives each process one thread, and the number of threads changes bits.
    for name, tensor in load_file(weights).items():
        np.testing.assert_allclose(tensor, before[name], atol=1e-4)


def test_two_hosts_give_the_curve_of_one(
    hosts: list[str], shortened: Project, expected: list[float], tmp_path: Path
) -> None:
    other = shutil.copytree(shortened.folder, tmp_path / "other", symlinks=True)  # each host has a disk of its own
    network = ("--nnodes=2", "--nproc-per-node=1", "--master-addr=10.77.0.1", "--master-port=29500")
    processes = [
        subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                host,
                *TORCHRUN,
                *network,
                f"--node-rank={rank}",
                "-m",
                "stages.train",
                "digits-dense",
            ],
            cwd=folder,
            env=os.environ | {"GLOO_SOCKET_IFNAME": "eth0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, (host, folder) in enumerate(zip(hosts, (shortened.folder, other), strict=True))
    ]
    outputs = [process.communicate(timeout=180)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert curve(shortened) == pytest.approx(expected, rel=1e-3)
    assert processes_of(shortened) == 2
