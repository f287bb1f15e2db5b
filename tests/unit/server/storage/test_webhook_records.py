"""Tests of the records of webhooks."""

from tests.support.storages import a_webhook


def test_texts_have_no_secrets() -> None:
    """Neither what messages are signed with nor where they go."""
    assert "alerts" in repr(a_webhook())
    assert "whsec" not in repr(a_webhook())
    assert "https" not in repr(a_webhook())
