"""What tests of connections share."""

import pytest

from heksher.server.http import watch


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have connections looked at more often than each second."""
    monkeypatch.setattr(watch, "_INTERVAL_S", 0.02)
