"""A service that has more than it keeps says so when it starts."""

import pytest

from heksher.server.app import Application
from heksher.server.config import Config
from tests.support.catalogs import open_fragile


@pytest.mark.parametrize(("max_rules", "is_said"), [(1, True), (2, False)])
def test_what_is_above_a_ceiling_is_said_at_the_start(caplog: pytest.LogCaptureFixture, max_rules: int, is_said: bool):
    """As after a restore: nothing is lost, and nothing more is taken."""
    with Application(Config("unused", max_rules=max_rules), open_fragile()).run():
        pass
    lines = [message for message in caplog.messages if "HEKSHER_MAX_RULES" in message]
    assert is_said == bool(lines)
