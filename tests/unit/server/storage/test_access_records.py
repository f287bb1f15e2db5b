"""The records of access. What storages do with them is in ``tests/conformance``."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from heksher.server.storage.access_records import AccessRecords, floor_hour
from tests.support.storages import a_person, a_token


def test_their_texts_have_no_secrets():
    """A record that gets into a log or a message tells nothing to try out, or to sign with."""
    text = repr(AccessRecords((replace(a_token(), digest="secret 1"),), (a_person(),), "secret 2"))
    assert (True, False, False) == ("name='ada'" in text, "secret" in text, "hash" in text)


def test_what_changes_by_itself_does_not_count():
    """A token that was used is the same one."""
    assert a_token() == replace(a_token(), revision=7, last_used_at=datetime.now(UTC))
    assert a_token() != replace(a_token(), digest="another")


def test_the_hour_is_that_of_utc():
    """Some zones are half an hour away from it."""
    at = datetime(2026, 11, 1, 12, 15, 59, 999, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert "2026-11-01T06:00:00+00:00" == floor_hour(at).isoformat()
