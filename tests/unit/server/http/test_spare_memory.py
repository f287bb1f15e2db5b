"""Memory that is given back to the system."""

import sys
from pathlib import Path

import pytest

from heksher.server.http import spare_memory

PAGE_BYTES = 4096


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is given back elsewhere")
def test_what_is_free_is_given_back():
    """Though something that is still used lies behind it."""
    # Small enough to be a part of the heap, and not a mapping of its own.
    held = [b"%d" % number * 30_000 for number in range(1000)]
    last = held[-1]
    del held
    before = read_resident_bytes()
    spare_memory.give_back()
    assert last
    assert read_resident_bytes() < before - 50_000_000


def test_a_system_without_such_a_call_gives_nothing_back(monkeypatch: pytest.MonkeyPatch):
    """Of other C libraries none is expected."""
    monkeypatch.setattr(sys, "platform", "other")
    assert spare_memory._find_trim() is None
    monkeypatch.setattr(spare_memory, "_trim", None)
    spare_memory.give_back()


def read_resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
