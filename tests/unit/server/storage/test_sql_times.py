"""Tests of times as they are stored."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from heksher.server.storage.sql_times import read_optional_time, read_time, write_time
from heksher.server.storage.storage_errors import StorageCorruptError


def test_a_time_of_any_zone_is_written_in_utc() -> None:
    """And read as the same time; none stays none."""
    at = datetime(2026, 11, 1, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    text = write_time(at)
    assert "2026-11-02T01:30:00+00:00" == text
    assert (at, UTC) == (read_time(text), read_time(text).tzinfo)
    assert (None, None) == (write_time(None), read_optional_time(None))


def test_a_text_that_is_no_time_is_corrupt() -> None:
    """The message has it."""
    with pytest.raises(StorageCorruptError, match="'noon'"):
        read_optional_time("noon")
