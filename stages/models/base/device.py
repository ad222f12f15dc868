"""Where a stage computes, how exactly, and with the same bits every time."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stages.common.errors import UserError

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of malloc.h


def choose_device(deterministic: bool = True) -> torch.device:
    """Choose CUDA where there is a device, and the CPU where not.

    Unless told otherwise, make every operation there give the same bits each time; all are in float32, until
    `choose_precision` says something else.
    """
    _allow_tf32(False)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it, before its first use
    # The same as use_deterministic_algorithms, which would load torch's compiler, a second of every start.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    # Filled, it would show who reads it, at a price in every layer; nothing here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # made at run time
    torch.backends.cudnn.benchmark = not deterministic  # tries algorithms and takes the fastest, not always the same
    if not torch.cuda.is_available():
        _keep_freed_memory()
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())  # each process of torchrun has its own


@contextmanager
def enough_memory(device: torch.device, what: str, advice: str) -> Iterator[None]:
    """Turn what torch raises when memory runs out, or a batch is too small for batch norm, into one line."""
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if "Expected more than 1 value per channel" in str(error):
            raise UserError(
                "expected a batch of several values for each channel of batch norm, got one: choose a `batch_size` "
                "that leaves no single image over, or `norm: false`"
            ) from None
        words = ("allocate memory", "out of memory", "ALLOC_FAILED")  # of torch on CPUs, of CUDA, of its libraries
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in words):
            raise
        raise UserError(
            f"expected {what} to fit into the memory of {describe_device(device)}, got: out of memory: {advice}"
        ) from None


def _keep_freed_memory() -> None:
    """Tell glibc, where it is the C library, to keep what is freed for what is allocated next.

    By default it gives blocks of many MiB back to the system, as every layer's output is, and gets them back page by
    page, each filled with zeros first.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 2**28)


def describe_device(device: torch.device) -> str:
    """Name the hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def choose_precision(wanted: str, device: torch.device) -> str:
    """Choose how exactly the products of a training are computed: "bfloat16", "tf32" or "float32".

    "auto" is bfloat16 on GPUs that have it in hardware, and float32 elsewhere: CPUs that have to emulate it are ten
    times slower with it. What is wished for by name and not there is one line on stderr, and float32. What autocast
    leaves in float32 is tf32 on such GPUs too, unless float32 was wished for.
    """
    # The GPUs that have the one have the other.
    modern = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    precision = "bfloat16" if wanted == "auto" and modern else wanted
    if not modern:
        precision = "float32"
        if wanted not in ("auto", "float32"):
            got = describe_device(device)
            print(f"warning: expected hardware with {wanted}, got {got}: float32 it is", file=sys.stderr)
    _allow_tf32(precision != "float32")
    return precision


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def can_compile(device: torch.device) -> bool:
    """Try torch.compile on the smallest function; if that fails, say so in one line."""
    try:
        torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())  # the compiler's too
        torch.compile(lambda values: values + 1)(torch.zeros(1, device=device))
    except Exception as error:  # whatever a compiler that is missing or broken raises
        reason = str(error).strip().partition("\n")[0]
        print(f"warning: expected torch.compile to work, got: {reason}: it goes on without", file=sys.stderr)
        return False
    return True
