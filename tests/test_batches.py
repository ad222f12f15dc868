"""Resident and streamed batches are the same images, and streaming keeps no more of them than it needs."""

from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray

from hourglass.console.errors import UserError
from hourglass.data.prepared import open_split
from hourglass.inference.device import choose_device
from hourglass.networks.base.families import build
from hourglass.training.batches import Batches, Resident, Streaming, free_memory, place
from hourglass.training.optimizers import OPTIMIZERS
from hourglass.training.trainer import Trainer

CPU = torch.device("cpu")


@pytest.fixture
def split(images: NDArray[np.float32], tmp_path: Path) -> NDArray[np.uint8]:
    """Give a memory-mapped split of 40 images, (40, 3, 9, 11)."""
    np.save(tmp_path / "train.npy", np.rint(images * 255).astype(np.uint8))
    return open_split(tmp_path / "train.npy")


def streaming(split: NDArray[np.uint8]) -> Streaming:
    assert isinstance(split, np.memmap)
    return Streaming(split, CPU)


def test_batches_are_the_images_that_were_selected(split: NDArray[np.uint8]) -> None:
    selections = torch.randperm(40).split(7)
    for batches in (Resident(split, CPU), streaming(split)):
        assert len(batches) == 40
        read = list(batches.read(selections))
        assert [len(batch) for batch in read] == [7, 7, 7, 7, 7, 5]
        for batch, selection in zip(read, selections, strict=True):
            assert batch.dtype == torch.uint8
            np.testing.assert_array_equal(batch.numpy(), split[selection.numpy()])
        assert list(batches.read([])) == []


def test_resident_and_streaming_give_the_same_weights(split: NDArray[np.uint8]) -> None:
    def train(batches: Batches) -> dict[str, torch.Tensor]:
        model = build("dense", (3, 9, 11), {"latent_dim": 4, "hidden": [16]})
        rule = OPTIMIZERS["adam"](model.parameters(), 1e-3)
        Trainer(model, rule, epochs=4, batch_size=8).fit(batches, batches)
        return model.state_dict()

    resident, streamed = train(Resident(split, CPU)), train(streaming(split))
    assert all(torch.equal(tensor, streamed[name]) for name, tensor in resident.items())


def test_streaming_keeps_memory_flat(tmp_path: Path) -> None:
    images = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.uint8, (400, 3, 400, 400))  # 183 MiB
    images[:] = 1
    images.flush()
    del images
    choose_device()  # which changes how memory is kept
    batches = streaming(open_split(tmp_path / "big.npy"))
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


def test_auto_chooses_by_half_of_the_free_memory(split: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    assert {batches.kind for batches in place([split, split], CPU)} == {"resident"}
    assert free_memory(CPU) > split.nbytes
    monkeypatch.setattr("hourglass.training.batches.free_memory", lambda device: 4 * split.nbytes - 1)
    assert {batches.kind for batches in place([split, split], CPU)} == {"streaming"}
    assert {batches.kind for batches in place([split, split], CPU, "resident")} == {"resident"}


def test_a_file_that_ends_early_is_one_line(split: NDArray[np.uint8], tmp_path: Path) -> None:
    batches = streaming(split)
    content = (tmp_path / "train.npy").read_bytes()
    (tmp_path / "train.npy").write_bytes(content[:-10])
    with pytest.raises(UserError, match="expected 40 images, got a shorter file"):
        list(batches.read([torch.tensor([39])]))
