"""What a setting was."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from heksher.server.errors import NotFoundError, PrunedError
from heksher.server.operations import context_features, metadata, past, rewinding, rules, settings
from heksher.server.operations.declaration import declare
from heksher.server.storage.base import NOBODY, Storage
from tests.support.operations import declaring, read_revision


def look(storage: Storage, revision: int, name: str = "cache_ttl") -> Any:
    return past.get_setting(storage, name, revision)


def test_a_setting_is_as_it_was_with_its_rules(declared: Storage):
    """Attributes, names, rules and the order of the context features."""
    begin = read_revision(declared)
    first = rules.add(declared, "cache_ttl", {"user": "a", "environment": "b"}, 1, {"by": "me"}, NOBODY).result
    changed = read_revision(declared)
    rules.set_value(declared, first, 2.5, NOBODY)
    settings.rename(declared, "cache_ttl", "ttl", "1.1", NOBODY)
    metadata.edit_of_setting(declared, "ttl", metadata.overwrite({"unit": "s"}), "1.2", NOBODY)
    rules.add(declared, "ttl", {"user": "c"}, 3, {}, NOBODY)
    context_features.move_feature(declared, "user", "before", "environment", NOBODY)
    rules.delete(declared, first, NOBODY)
    attributes = {
        "name": "cache_ttl",
        "configurable_features": ["environment", "user"],
        "type": "float",
        "default_value": 60,
        "metadata": {},
        "aliases": [],
        "version": "1.0",
    }
    assert {"revision": begin, "setting": attributes, "rules": []} == look(declared, begin, "ttl")
    rule = {"rule_id": 1, "setting": "cache_ttl", "value": 1, "metadata": {"by": "me"}}
    assert [{**rule, "feature_values": [["environment", "b"], ["user", "a"]]}] == look(declared, changed)["rules"]
    now = look(declared, read_revision(declared))
    assert (["user", "environment"], "ttl", [2]) == (
        now["setting"]["configurable_features"],
        now["setting"]["name"],
        [rule["rule_id"] for rule in now["rules"]],
    )
    before_deletion = look(declared, read_revision(declared) - 1)["rules"]
    assert [("ttl", 2.5, [["user", "a"], ["environment", "b"]]), ("ttl", 3, [["user", "c"]])] == [
        (rule["setting"], rule["value"], rule["feature_values"]) for rule in before_deletion
    ]


def test_a_setting_that_is_gone_was_there(declared: Storage):
    """It is looked up by the name that it had last; there was none before its declaration, and after its deletion."""
    begin = read_revision(declared)
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    settings.delete(declared, "cache_ttl", NOBODY)
    assert ([1], []) == tuple([rule["rule_id"] for rule in look(declared, at)["rules"]] for at in (begin + 1, begin))
    for revision in (begin - 1, begin + 2):
        with pytest.raises(NotFoundError, match=f"no setting named 'cache_ttl' at revision {revision}"):
            look(declared, revision)


def test_a_name_means_what_it_means_now(declared: Storage):
    """Or, if it means nothing now, the setting that had it last, whatever that is called since."""
    begin = read_revision(declared)
    renamed = settings.rename(declared, "cache_ttl", "other", "1.1", NOBODY).revision
    settings.delete(declared, "other", NOBODY)
    declare(declared, declaring("cache_ttl", default_value=7, type="int"), NOBODY)
    newest = read_revision(declared)
    assert ("int", "float", "other") == (
        look(declared, newest)["setting"]["type"],
        look(declared, begin, "other")["setting"]["type"],
        look(declared, renamed, "other")["setting"]["name"],
    )
    with pytest.raises(NotFoundError):
        look(declared, begin)


def test_a_name_that_was_given_up_still_leads_to_its_setting(declared: Storage):
    """As an import can take aliases away."""
    begin = read_revision(declared)
    settings.rename(declared, "cache_ttl", "other", "1.1", NOBODY)

    def drop_aliases(writer: Any) -> None:
        setting = writer.find_setting("other")
        settings.store(writer, NOBODY, "load", setting, rewinding.replace(setting, aliases=frozenset()))

    declared.write(drop_aliases)
    assert ("cache_ttl", "other") == (
        look(declared, begin)["setting"]["name"],
        look(declared, read_revision(declared))["setting"]["name"],
    )


@pytest.mark.parametrize("revision", [-1, 5, 10**30])
def test_there_is_no_state_of_a_revision_that_is_not_there(declared: Storage, revision: int):
    """The message says which the newest one is."""
    with pytest.raises(NotFoundError, match="the newest one is 4"):
        look(declared, revision)


def test_there_is_nothing_at_the_beginning(declared: Storage):
    """Which is a state like others."""
    with pytest.raises(NotFoundError, match="no setting named"):
        look(declared, 0)
    with pytest.raises(NotFoundError, match="no setting named 'unheard_of'"):
        look(declared, 4, "unheard_of")


def test_the_past_ends_where_the_log_begins(declared: Storage):
    """The state before its oldest entry is the last that can be seen."""
    rules.add(declared, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    newest = read_revision(declared)
    declared.prune(datetime.now(UTC) + timedelta(hours=1))
    assert [0, 1] == [len(look(declared, revision)["rules"]) for revision in (newest - 1, newest)]
    with pytest.raises(PrunedError, match=f"revision {newest - 2} is not known any more: .* goes back to {newest - 1}"):
        look(declared, newest - 2)


def test_long_histories_are_read_in_pages(declared: Storage, monkeypatch: pytest.MonkeyPatch):
    """Whatever their size, the state is the same."""
    monkeypatch.setattr(rewinding, "_PAGE_ENTRIES", 3)
    begin = read_revision(declared)
    rule = rules.add(declared, "cache_ttl", {"user": "a"}, 0, {}, NOBODY).result
    for value in range(1, 11):
        rules.set_value(declared, rule, value, NOBODY)
        context_features.move_feature(declared, "user", ("before", "after")[value % 2], "environment", NOBODY)
    values = [rule["value"] for revision in range(begin, begin + 21) for rule in look(declared, revision)["rules"]]
    assert values == sorted(values)
    assert {*range(11)} == set(values)
    orders = [look(declared, revision)["setting"]["configurable_features"] for revision in range(begin, begin + 21)]
    assert 9 == sum(order != after for order, after in pairwise(orders))
