"""How many connections a process can have."""

import sys
from types import SimpleNamespace

import pytest

from heksher.server.errors import StartupError
from heksher.server.http.connection_cap import find_max_connections

UNLIMITED = -1


@pytest.mark.parametrize(
    ("descriptors", "configured", "expected"),
    [(256, 10_000, 192), (256, 100, 100), (1_048_576, 10_000, 10_000), (UNLIMITED, 10_000, 10_000)],
)
def test_descriptors_for_all_else_are_left(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, configured: int, expected: int
):
    """Whatever is configured."""
    allow(monkeypatch, descriptors)
    assert expected == find_max_connections(configured)


def test_a_process_with_too_few_descriptors_does_not_start(monkeypatch: pytest.MonkeyPatch):
    """The message says how many it needs."""
    allow(monkeypatch, 79)
    with pytest.raises(StartupError, match=r"is 79, .* at least 80"):
        find_max_connections(10)


def test_without_such_a_limit_the_event_loops_counts(monkeypatch: pytest.MonkeyPatch):
    """As on Windows."""
    monkeypatch.setitem(sys.modules, "resource", None)
    assert 448 == find_max_connections(10_000)


def allow(monkeypatch: pytest.MonkeyPatch, descriptors: int) -> None:
    resource = SimpleNamespace(RLIMIT_NOFILE=7, RLIM_INFINITY=UNLIMITED, getrlimit=lambda _: (descriptors, descriptors))
    monkeypatch.setitem(sys.modules, "resource", resource)
