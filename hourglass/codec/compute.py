"""Where and how a codec computes: so that the same image gives the same bits."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hourglass.console.errors import UserError
from hourglass.console.memory import OUT_OF_MEMORY


def choose(device: str | torch.device) -> torch.device:
    """Return the device that is meant; raise UserError if there is none such."""
    device = str(device)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d{1,2})?", device):
        raise UserError(f"expected a device cpu, cuda, cuda:<number> or auto, got {device}")
    chosen = torch.device(device)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(f"expected a GPU for device {device}, got {torch.cuda.device_count()} that torch can use")
    return chosen


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: how sums are split among threads changes their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def exact() -> Iterator[None]:
    """Compute products on a GPU in float32, by the same algorithm each time; and leave torch as it was."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Raise UserError in place of torch's error where a batch does not fit into memory."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise UserError("expected a batch to fit into the GPU's memory, got: out of memory: device='cpu'") from None
    except RuntimeError as error:
        if not any(words in str(error) for words in OUT_OF_MEMORY):
            raise
        raise UserError("expected a batch to fit into memory, got: out of memory: use a machine with more") from None


def device_of(network: torch.nn.Module) -> torch.device:
    """Return the device that a network is on."""
    return next((tensor.device for tensor in network.state_dict().values()), torch.device("cpu"))
