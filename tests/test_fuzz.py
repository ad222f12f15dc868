"""Every reader ends in the right result or in one clear line on each of 200 damaged files; more by `python -m tests.fuzz`."""

import os
import signal
import struct
from pathlib import Path

import pytest

from hourglass.console.errors import UserError
from tests.fuzz.harness import Target, run
from tests.fuzz.targets import TARGETS

CASES = 200


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_end_in_a_result_or_a_line(name: str) -> None:
    outcomes = run(TARGETS[name], CASES)
    assert outcomes.counts.total() == CASES // TARGETS[name].share
    assert outcomes.others == []


def read_hostile(path: Path) -> object:
    """Do as the file's first byte says: all that a reader must not do."""
    kind = path.read_bytes()[0]
    if kind == 0:
        raise UserError("expected a whole file, got a damaged one")
    if kind == 1:
        raise struct.error("a library's own")
    if kind == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == 3:
        return bytearray(64 << 30)  # more than what other tests have left to this process's allocator
    return kind


def test_harness_sees_errors_signals_bombs_and_wrong_results() -> None:
    target = Target(
        "hostile",
        lambda: b"\x05",
        read_hostile,
        "file.bin",
        same=lambda left, right: left == right,
        mutations=lambda _, draw: bytes([draw.randrange(6)]),
    )
    outcomes = run(target, 60)
    assert outcomes.counts.total() == 60
    assert outcomes.counts["result"] > 0
    assert outcomes.counts["clear line"] > 0
    kinds = ("error: a library's own", "signal 11", "MemoryError", "a wrong result in silence")
    assert [kind for kind in kinds if not any(kind in other for other in outcomes.others)] == []
