"""Whether writes can succeed."""

import logging

import pytest

from heksher.server.catalog.writability import REFUSAL_LASTS_S, Writability
from heksher.server.storage.storage_errors import StorageCorruptError, StorageUnavailableError

FULL = StorageUnavailableError("make room", "disk full")
READ_ONLY = StorageUnavailableError("its mode is 0444", "read-only")


def test_writes_are_possible_until_it_is_known_otherwise(caplog: pytest.LogCaptureFixture):
    """Each finding is logged once, with what to do, and so is the end."""
    writability = Writability()
    with caplog.at_level(logging.INFO, "heksher"):
        for error, expected in [(None, None), (FULL, "disk full"), (FULL, "disk full"), (READ_ONLY, "read-only")]:
            writability.note_check(error)
            assert expected == writability.problem
        writability.note_check(None)
    assert writability.problem is None
    assert [
        "no write is possible (disk full), reads go on: make room",
        "no write is possible (read-only), reads go on: its mode is 0444",
        "writes are possible again",
    ] == caplog.messages


def test_a_refused_write_counts_though_the_check_finds_nothing():
    """A quota, a trigger, the disk of a server: until a write succeeds."""
    writability = Writability()
    writability.note_refusal(FULL)
    writability.note_check(None)
    assert "disk full" == writability.problem
    writability.note_success()
    assert writability.problem is None


def test_a_refused_write_does_not_count_for_ever(monkeypatch: pytest.MonkeyPatch):
    """Nobody may try another one, and then nothing else would say that all is well again."""
    time_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: time_s[0])
    writability = Writability()
    writability.note_refusal(StorageCorruptError("damaged"))
    time_s[0] += REFUSAL_LASTS_S - 1
    writability.note_check(None)
    assert "database failed" == writability.problem
    time_s[0] += 2
    writability.note_check(None)
    assert writability.problem is None


def test_a_write_that_succeeds_does_not_contradict_the_check():
    """There may be room for one more; the log would tell of both in turn."""
    writability = Writability()
    writability.note_check(FULL)
    writability.note_success()
    assert "disk full" == writability.problem


@pytest.mark.parametrize("reason", ["busy", "database down"])
def test_what_is_no_sickness_is_not_noted(reason):
    """Writes that wait for each other, and an outage, of which the look at the database tells."""
    writability = Writability()
    writability.note_refusal(StorageUnavailableError("no", reason))
    assert writability.problem is None
