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


FORESEEN = ["file gone", "file replaced", "read-only", "schema missing"]


@pytest.mark.parametrize("reason", FORESEEN)
def test_a_later_check_ends_what_it_would_have_found(reason):
    """Nobody has to wait for a minute, or to try a write."""
    writability = Writability()
    writability.note_refusal(StorageUnavailableError("no", reason))
    assert reason == writability.problem
    writability.note_check(None)
    assert writability.problem is None


def test_a_check_that_began_before_the_refusal_ends_nothing(monkeypatch: pytest.MonkeyPatch):
    """It may have looked at what was well then."""
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    writability = Writability()
    writability.note_refusal(READ_ONLY)
    writability.note_check(None, began_s=99.0)
    assert "read-only" == writability.problem
    writability.note_check(None, began_s=101.0)
    assert writability.problem is None


@pytest.mark.parametrize("reason", FORESEEN)
def test_what_the_check_has_found_ends_with_it(reason):
    """Each time, however often it comes again."""
    writability = Writability()
    for _ in range(3):
        writability.note_refusal(StorageUnavailableError("no", reason))
        writability.note_check(StorageUnavailableError("no", reason))
        assert reason == writability.problem
        writability.note_check(None)
        assert writability.problem is None


def test_what_is_refused_again_is_none_that_the_check_finds(caplog: pytest.LogCaptureFixture):
    """A right that is lacking in one table only: the log would tell of it every other second."""
    writability = Writability()
    with caplog.at_level(logging.INFO, "heksher"):
        for _ in range(10):
            writability.note_refusal(READ_ONLY)
            writability.note_check(None)
    assert "read-only" == writability.problem
    assert 3 == len(caplog.messages)
    writability.note_success()
    writability.note_refusal(READ_ONLY)
    writability.note_check(None)
    assert writability.problem is None


@pytest.mark.parametrize("reason", ["disk full", "disk error", "schema changed", "locked", "database failed"])
def test_what_no_check_foresees_goes_on_counting(reason):
    """Also if the check has found the same for a reason of its own."""
    writability = Writability()
    error = StorageUnavailableError("no", reason)
    for found in (None, error, None):
        writability.note_refusal(error)
        writability.note_check(found)
        assert reason == writability.problem
