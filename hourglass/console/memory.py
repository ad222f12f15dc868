"""The memory that a stage may take: beyond it, allocations fail in Python, where the kernel would kill the process."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
GIGABYTE = 10**9
# What errors about too little memory say: of torch on CPUs, of CUDA, of its libraries, of C++, and of modules in C that
# do not expect it.
OUT_OF_MEMORY = (
    "allocate memory",
    "out of memory",
    "ALLOC_FAILED",
    "bad_alloc",
    "without exception",
    "without setting",
)
# Stacks and pools of threads, which count though few of their pages are ever touched: 18 MB a thread were measured with
# 64, and each of two libraries may have a thread for every processor.
UNTOUCHED = 1 << 26  # bytes for a processor
LEAST = 1 << 30  # bytes: with less no stage starts, and what others have may be gone in a moment


def limit_memory(cgroups: Path = CGROUPS) -> None:
    """Let every allocation fail that would take more memory than the machine, a container or a scheduler gives.

    It fails with MemoryError, or RuntimeError of torch, and what the process was writing is removed. Without, Linux
    promises more memory than there is, and sends SIGKILL when it is touched.

    Only Linux counts, under RLIMIT_DATA, what is private and writable: no mapped files, and none of the addresses that
    CUDA reserves. Processes that this one starts each have the same limit.
    """
    if sys.platform != "linux":
        return
    import resource  # there is none on Windows

    allowed = memory_limit(Path("/proc/self/cgroup"), cgroups) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    allowed = max(LEAST, allowed) + UNTOUCHED * len(os.sched_getaffinity(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY or allowed < soft:
        resource.setrlimit(
            resource.RLIMIT_DATA, (allowed if hard == resource.RLIM_INFINITY else min(allowed, hard), hard)
        )


def allowed_memory() -> str:
    """Return the memory that this process may take, in words."""
    total = psutil.virtual_memory().total
    if sys.platform == "linux":
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
        total = total if soft == resource.RLIM_INFINITY else soft
    return f"{total / GIGABYTE:.3g} GB"


def memory_limit(membership: Path, cgroups: Path = CGROUPS) -> int:
    """Return how many bytes this process may have: the least that the machine and its control groups leave.

    Args:
        membership: What Linux says of the groups that a process is in, /proc/self/cgroup.
        cgroups: Where the groups are mounted, of version 1, 2 or both.
    """
    return min([psutil.virtual_memory().total + psutil.swap_memory().total, *_left_by_groups(membership, cgroups)])


def _left_by_groups(membership: Path, cgroups: Path) -> Iterator[int]:
    """Yield what each group, and all that are around it, leave this process."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # Linux without control groups
        return
    usage = psutil.Process().memory_info()
    own, swap = usage.rss - usage.shared, psutil.swap_memory().total
    for line in lines:
        _, controllers, path = line.split(":", 2)
        # In a container the path may be that of its host, where nothing is; the top is then the container's own group.
        if not controllers:
            for group in _upwards(cgroups, path):
                limit = min(_number(group / "memory.max"), _number(group / "memory.high"))
                limit += min(_number(group / "memory.swap.max"), swap)
                yield limit - max(0, _statistic(group, "anon") - own)
        elif "memory" in controllers.split(","):
            for group in _upwards(cgroups / "memory", path):
                both = _number(group / "memory.memsw.limit_in_bytes")
                limit = min(_number(group / "memory.limit_in_bytes") + swap, both)
                yield limit - max(0, _statistic(group, "total_rss") - own)


def _upwards(top: Path, path: str) -> list[Path]:
    group = top / path.lstrip("/")
    return [group, *group.parents]


def _number(path: Path) -> int:
    """Return the number in a file; where there is no file, or it says "max", a very large one."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return sys.maxsize


def _statistic(group: Path, key: str) -> int:
    """Return a number of bytes from memory.stat, 0 if there is none."""
    try:
        text = (group / "memory.stat").read_text(encoding="utf-8")
        return int(dict(line.split() for line in text.splitlines())[key])
    except (OSError, ValueError, KeyError):
        return 0
