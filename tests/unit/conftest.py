"""What all unit tests share: each has a process of its own, as far as main client and settings go."""

import pytest

from heksher import main_client


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without a main client, and without the settings that other tests may have left."""
    monkeypatch.setattr(main_client, "_main", None)
    monkeypatch.setattr(main_client, "_settings", {})
