"""Resident and streamed batches are the same images, and streaming keeps no more of them than it needs."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.prepared import Split, open_split
from hourglass.inference.device import choose_device
from hourglass.networks.base.families import build
from hourglass.training.batches import PART_BYTES, Batches, Resident, Streaming, free_memory, place
from hourglass.training.optimizers import OPTIMIZERS
from hourglass.training.trainer import Trainer

from .conftest import ROOT
from .shards import save_split

CPU = torch.device("cpu")


@pytest.fixture
def pixels(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Give 40 images as an array in memory, (40, 3, 9, 11)."""
    return np.rint(images * 255).astype(np.uint8)


@pytest.fixture(params=[1, 4], ids=["one shard", "four shards"])
def split(pixels: NDArray[np.uint8], tmp_path: Path, request: pytest.FixtureRequest) -> Split:
    """Give the same images as a split in shards."""
    return open_split(save_split(tmp_path, "train", pixels, request.param))


def test_batches_are_the_images_that_were_selected(split: Split, pixels: NDArray[np.uint8]) -> None:
    selections = torch.randperm(40).split(7)
    for batches in (Resident(pixels, CPU), Resident(split, CPU), Streaming(split, CPU)):
        assert len(batches) == 40
        read = list(batches.read(selections))
        assert [len(batch) for batch in read] == [7, 7, 7, 7, 7, 5]
        for batch, selection in zip(read, selections, strict=True):
            assert batch.dtype == torch.uint8
            np.testing.assert_array_equal(batch.numpy(), pixels[selection.numpy()])
        assert list(batches.read([])) == []


def test_resident_and_streaming_give_the_same_weights(split: Split, pixels: NDArray[np.uint8]) -> None:
    def train(batches: Batches) -> dict[str, torch.Tensor]:
        model = build("dense", (3, 9, 11), {"latent_dim": 4, "hidden": [16]})
        rule = OPTIMIZERS["adam"](model.parameters(), 1e-3)
        Trainer(model, rule, epochs=4, batch_size=8).fit(batches, batches)
        return model.state_dict()

    expected = train(Resident(pixels, CPU))  # of an array in memory, whatever the shards
    for batches in (Resident(split, CPU), Streaming(split, CPU)):
        weights = train(batches)
        assert all(torch.equal(tensor, weights[name]) for name, tensor in expected.items())


def big_split(folder: Path) -> Split:
    """Write 400 images of ones, 183 MiB, in two shards."""
    return open_split(save_split(folder, "big", np.ones((400, 3, 400, 400), np.uint8), 2))


def test_streaming_keeps_memory_flat(tmp_path: Path) -> None:
    split = big_split(tmp_path)
    choose_device()  # which changes how memory is kept
    batches = Streaming(split, CPU)
    process = psutil.Process()
    before = process.memory_info().rss
    seen, memory = 0, []
    for batch in batches.read(torch.randperm(400).split(8)):
        seen += int(batch[:, 0, 0, 0].sum())
        memory.append(process.memory_info().rss)
    assert seen == 400
    assert max(memory) - before < 100 * 2**20  # of 183 MiB
    assert max(memory) - memory[len(memory) // 2] < 16 * 2**20  # what is kept for reuse has long been enough
    assert 0 < batches.waited < 60


RESIDENT = """
import re, sys
from pathlib import Path
import torch
from hourglass.data.prepared import Split, open_split
from hourglass.training.batches import Resident

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

split, device = open_split(Path(sys.argv[1])), torch.device("cpu")
before = peak()
images = Resident(split, device).images
assert images[:, 0, 0, 0].sum() == 400
print(peak() - before)
"""


def test_images_are_in_memory_once(tmp_path: Path) -> None:
    split = big_split(tmp_path)
    done = subprocess.run(  # a process of its own, for its peak
        [sys.executable, "-c", RESIDENT, str(split.shards[0].path.parent)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert split.nbytes <= int(done.stdout) < split.nbytes + 3 * PART_BYTES


def test_there_may_be_more_shards_than_files_that_a_process_has_open(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    split = open_split(save_split(tmp_path, "train", pixels, 40))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 20, limits[1]))
    try:
        (batch,) = Streaming(split, CPU).read([torch.arange(40)])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    np.testing.assert_array_equal(batch.numpy(), pixels)


def test_auto_chooses_by_half_of_the_free_memory(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {batches.kind for batches in place([split, split], CPU)} == {"resident"}
    assert free_memory(CPU) > split.nbytes
    monkeypatch.setattr("hourglass.training.batches.free_memory", lambda device: 4 * split.nbytes - 1)
    assert {batches.kind for batches in place([split, split], CPU)} == {"streaming"}
    assert {batches.kind for batches in place([split, split], CPU, "resident")} == {"resident"}
    assert [batches.kind for batches in place([split, np.asarray(split)], CPU)] == ["streaming", "resident"]


def test_a_file_that_ends_early_is_one_line(split: Split) -> None:
    batches, last = Streaming(split, CPU), split.shards[-1]
    last.path.write_bytes(last.path.read_bytes()[:-10])
    message = f"^{last.path}: expected {last.count} images, got a shorter file: restore it$"
    with pytest.raises(UserError, match=message):
        list(batches.read([torch.tensor([39])]))
    with pytest.raises(UserError, match=message):
        Resident(split, CPU)
