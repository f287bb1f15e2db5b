"""What differs between two revisions. That it leads from one to the other, ``tests/conformance`` says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heksher.server.errors import NotFoundError, PrunedError
from heksher.server.operations import context_features, metadata, revision_diff, rules, settings
from heksher.server.operations.declaration import declare, declare_many
from heksher.server.operations.revision_diff import WantedDiff, compare
from heksher.server.storage.base import NOBODY, Storage
from tests.support.operations import declaring, read_revision


def find(storage: Storage, *wanted: Any) -> Any:
    """Return the only page of a difference."""
    page, cursor = compare(storage, WantedDiff(*wanted), 0, 100)
    assert cursor is None
    return page


@pytest.fixture
def changed(declared: Storage) -> Storage:
    """A storage in which at revision 5 there was a rule, which was changed since, and a new one was added."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    rules.set_value(declared, 1, 2, NOBODY)
    rules.add(declared, "cache_ttl", {"user": "b"}, 3, {"by": "me"}, NOBODY)
    context_features.delete_feature(declared, "theme", NOBODY)
    return declared


RULES = [
    {"rule_id": 1, "feature_values": [["user", "a"]], "before": {"value": 1}, "after": {"value": 2}},
    {"rule_id": 2, "feature_values": [["user", "b"]], "before": None, "after": {"value": 3, "metadata": {"by": "me"}}},
]


def test_a_difference_has_what_was_changed(changed: Storage):
    """Of settings and rules, and of the context features."""
    setting = {"setting": "cache_ttl", "before": {}, "after": {}, "rules": RULES}
    features = {"before": ["environment", "user", "theme"], "after": ["environment", "user"]}
    expected = {"from": 5, "to": 8, "context_features": features, "settings": [setting]}
    assert expected == find(changed, 5) == find(changed, 5, 8, "cache_ttl")
    assert {"from": 5, "to": 5, "context_features": None, "settings": []} == find(changed, 5, 5)


def test_a_difference_can_be_told_backwards(changed: Storage):
    """From a revision to an earlier one: what was after is before then."""
    found = find(changed, 8, 5)
    turned = [{**rule, "before": rule["after"], "after": rule["before"]} for rule in RULES]
    assert (8, 5, turned) == (found["from"], found["to"], found["settings"][0]["rules"])
    assert ["environment", "user"] == found["context_features"]["before"]


def test_one_setting_can_be_asked_for(changed: Storage):
    """By any name, also if it is gone; one that never was is not found."""
    declare(changed, declaring("other"), NOBODY)
    settings.rename(changed, "cache_ttl", "ttl", "1.1", NOBODY)
    settings.delete(changed, "ttl", NOBODY)
    for name in ("cache_ttl", "ttl"):
        (found,) = find(changed, 4, None, name)["settings"]
        assert ("ttl", "cache_ttl", None, []) == (
            found["setting"],
            found["before"]["name"],
            found["after"],
            found["rules"],
        )
    assert [] == find(changed, 10, None, "other")["settings"]
    with pytest.raises(NotFoundError, match="unheard_of"):
        find(changed, 4, None, "unheard_of")


def test_a_setting_whose_changes_were_removed_is_no_unknown_one(changed: Storage):
    """It does not differ."""
    declare(changed, declaring("other"), NOBODY)
    changed.prune(datetime.now(UTC) + timedelta(hours=1))
    assert [] == find(changed, 8, None, "cache_ttl")["settings"]
    with pytest.raises(PrunedError, match="goes back to 8"):
        find(changed, 7)


@pytest.mark.parametrize(("start", "end"), [(9, None), (5, 9), (-1, None), (10**30, 5)])
def test_both_revisions_are_there(changed: Storage, start: int, end: int | None):
    """The message says which the newest one is."""
    with pytest.raises(NotFoundError, match="the newest one is 8"):
        find(changed, start, end)


def list_pages(storage: Storage, start: int, limit: int) -> list[list[str]]:
    """Return the settings of all pages."""
    pages, cursor = [], 0
    while cursor is not None:
        page, cursor = compare(storage, WantedDiff(start), cursor, limit)
        assert (page["context_features"] is None) == bool(pages)
        pages.append([each["setting"] for each in page["settings"]])  # type: ignore[index, union-attr]
    return pages


def test_a_difference_has_pages(changed: Storage, monkeypatch: pytest.MonkeyPatch):
    """That end where there are as many settings as are asked for, or as many changes, or bytes, as are gone through."""
    names = [f"s{number:02}" for number in range(60)]
    declare_many(changed, [declaring(name) for name in names], NOBODY)
    newest = read_revision(changed) - 2
    assert [names] == list_pages(changed, newest, 100)
    assert [names[:25], names[25:50], names[50:]] == list_pages(changed, newest, 25)
    assert [names[:40], names[40:]] == list_pages(changed, newest, 40)
    monkeypatch.setattr(revision_diff, "_MAX_CHANGES", 10)
    assert [names[:25], names[25:50], names[50:]] == list_pages(changed, newest, 100)
    monkeypatch.setattr(revision_diff, "_MAX_CHANGES", 1000)
    monkeypatch.setattr(revision_diff, "_MAX_BYTES", 10)
    assert [names[:25], names[25:50], names[50:]] == list_pages(changed, newest, 100)


def test_a_page_has_no_settings_that_are_what_they_were(changed: Storage):
    """Though they were changed and changed back; so it may have none."""
    declare_many(changed, [declaring(f"s{number:02}") for number in range(30)], NOBODY)
    begin = read_revision(changed) - 2
    for value in ({"a": 1}, {}):
        for rule_id in (1, 2):
            metadata.edit_of_rule(changed, rule_id, metadata.overwrite(value), NOBODY)
    settings.delete(changed, "s00", NOBODY)
    assert [["cache_ttl"], [], ["s01"]] == list_pages(changed, begin, 1)[:3]
