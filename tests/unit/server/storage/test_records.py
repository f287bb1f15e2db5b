"""Tests of what storages hold."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from heksher.server.storage.records import NOBODY, LogEntry, LoggedChange
from tests.support.catalogs import a_rule
from tests.support.storages import a_setting

CHANGE = LoggedChange("add", "rule", "1", None, {})
ENTRY = LogEntry(1, datetime(2026, 1, 1, tzinfo=UTC), NOBODY, "0" * 12, 1, (CHANGE,))


def test_an_entry_with_one_change_has_that_change() -> None:
    """One with several has none that it could be."""
    assert (CHANGE, True) == (ENTRY.change, ENTRY.is_whole)
    for changes in ((), (CHANGE, CHANGE)):
        with pytest.raises(ValueError, match="unpack"):
            _ = replace(ENTRY, changes=changes).change


def test_an_entry_knows_whether_it_is_whole() -> None:
    """Its changes may be the first ones of many."""
    assert [False, True] == [replace(ENTRY, size=2, changes=(CHANGE,) * number).is_whole for number in (1, 2)]


def test_the_revision_makes_no_difference() -> None:
    """Two records are equal if what they say of their object is."""
    assert a_setting() == replace(a_setting(), revision=7)
    assert a_rule() == replace(a_rule(), revision=7)
