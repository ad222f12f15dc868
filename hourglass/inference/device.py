"""Choose the device and the precision to compute with, and make results reproducible."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from hourglass.console.errors import UserError
from hourglass.console.memory import GIGABYTE, OUT_OF_MEMORY, allowed_memory

Precision = Literal["bfloat16", "tf32", "float32"]

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of malloc.h


def choose_device(deterministic: bool = True) -> torch.device:
    """Return the CUDA device if there is one, else the CPU, and set how torch computes in this process.

    If `deterministic`, every operation returns the same bits each time, and one that cannot raises RuntimeError.
    Products are in float32 until `choose_precision` allows less.
    """
    _allow_tf32(False)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS requires it, before its first use
    # What torch.use_deterministic_algorithms sets too, which imports torch's compiler: seconds of every start.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    # It would fill new tensors, for who reads them before they are written; no layer here does, and all would pay.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # made at run time
    torch.backends.cudnn.benchmark = not deterministic  # tries algorithms and takes the fastest, not always the same
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())  # each process of torchrun has its own


def choose_precision(precision: Literal["auto"] | Precision, device: torch.device) -> Precision:
    """Return the precision that a training's products are computed with on `device`, and allow tf32 accordingly.

    "auto" is bfloat16 on GPUs that have it in hardware, and float32 elsewhere: CPUs that have to emulate it are ten
    times slower with it. A precision that the hardware lacks is a warning, and float32. Products that autocast leaves
    in float32 are computed in tf32 on such GPUs, unless `precision` is "float32".
    """
    # GPUs have bfloat16 and tf32 both, or neither.
    modern = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    chosen: Precision = "bfloat16" if precision == "auto" else precision
    if not modern:
        chosen = "float32"
        if precision not in ("auto", "float32"):
            got = describe_device(device)
            print(f"warning: expected hardware with {precision}, got {got}: float32 it is", file=sys.stderr)
    _allow_tf32(chosen != "float32")
    return chosen


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def keep_freed_memory() -> None:
    """Tell glibc, if it is the C library, to reuse freed memory instead of returning it to the system.

    By default it returns blocks of many MiB, such as every layer's output, and gets them back page by page, each filled
    with zeros first. For a process that trains on a CPU; it changes no result.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 2**24)  # no more: it counts against a limit of memory, of which it may be the last


@contextmanager
def enough_memory(device: torch.device, what: str, advice: str) -> Iterator[None]:
    """Turn torch's errors about too little memory, or a batch too small for batch norm, into UserErrors of one line.

    `what` has to fit into the memory of `device`; `advice` is what to do if it does not.
    """
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if "Expected more than 1 value per channel" in str(error):
            raise UserError(
                "expected a batch of several values for each channel of batch norm, got one: choose a `batch_size` "
                "that leaves no single image over, or `norm: false`"
            ) from None
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in OUT_OF_MEMORY):
            raise
        memory = _describe_memory(device, error)
        raise UserError(f"expected {what} to fit into the memory of {memory}, got: out of memory: {advice}") from None


def _describe_memory(device: torch.device, error: Exception) -> str:
    """Return whose memory was too small, and how large it is."""
    if device.type == "cpu" or isinstance(error, MemoryError) or "CPU" in str(error):
        return f"CPU ({allowed_memory()} for this process)"
    return f"{describe_device(device)} ({torch.cuda.get_device_properties(device).total_memory / GIGABYTE:.3g} GB)"


def describe_device(device: torch.device) -> str:
    """Return the name of the GPU, or the number of the CPU's threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def can_compile(device: torch.device) -> bool:
    """Try torch.compile on the smallest function; if it fails, print why and return False."""
    try:
        torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())  # the compiler's flag too
        torch.compile(lambda values: values + 1)(torch.zeros(1, device=device))
    except Exception as error:  # a compiler that is missing or broken may raise anything
        reason = str(error).strip().partition("\n")[0]
        print(f"warning: expected torch.compile to work, got: {reason}: continuing without", file=sys.stderr)
        return False
    return True
