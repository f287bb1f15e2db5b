"""What the tests of the clients share: each has a process of its own, as far as main client and settings go."""

import pytest

from heksher.clients import current


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without a main client, and without the settings that other tests may have left."""
    monkeypatch.setattr(current, "_main", None)
    monkeypatch.setattr(current, "_settings", {})
