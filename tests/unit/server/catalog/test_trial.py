"""Trials: what they are given of a picture, and what they ask the storage itself for."""

from datetime import UTC, datetime

import pytest

from heksher.server.access.grants import parse_grants
from heksher.server.catalog.picture import take_picture
from heksher.server.catalog.trial import TrialStorage
from heksher.server.errors import FullError, NotPermittedError
from heksher.server.operations import rules, settings, tokens, webhooks
from heksher.server.operations.logged_change import add_rule as log_rule
from heksher.server.operations.logged_change import change_setting
from heksher.server.storage.base import (
    NOBODY,
    SETTING,
    LogEntry,
    Origin,
    RuleRecord,
    Selection,
    Storage,
    Writer,
)
from heksher.server.storage.ceilings import Ceilings, Counts
from heksher.server.storage.storage_errors import ContractError, ExpectationError, StorageUnavailableError
from tests.support.catalogs import FragileStorage, fill, open_fragile
from tests.support.operations import SOMEBODY
from tests.support.storages import a_setting, expect, see_everything


@pytest.fixture
def storage() -> FragileStorage:
    """One with a setting and the rules 1 and 2, at revision 1, which cannot be written to."""
    storage = open_fragile()
    storage.sickness = StorageUnavailableError("no write is possible")
    return storage


def make_trial(storage: Storage, origin: Origin = NOBODY) -> TrialStorage:
    return TrialStorage(storage.read(take_picture), storage, origin)


def tell(entry: LogEntry) -> list[tuple[str, str, str]]:
    return [(change.action, change.kind, change.key) for change in entry.changes]


def test_the_entry_is_the_one_that_would_be(storage: FragileStorage):
    """With who would make it, and each change; the storage itself is read as it was."""
    before = see_everything(storage)
    trial = make_trial(storage, SOMEBODY)
    assert 1 == trial.read(lambda reader: reader.revision())
    written = rules.add(trial, "cache_ttl", {"user": "new"}, 1, {}, SOMEBODY)
    rules.set_value(trial, written.result, 2, SOMEBODY)
    rules.delete(trial, 2, SOMEBODY)
    tried = trial.finish()
    assert (2, SOMEBODY, 3) == (tried.entry.revision, tried.entry.origin, tried.entry.size)
    assert [("add", "rule", "3"), ("set value", "rule", "3"), ("delete", "rule", "2")] == tell(tried.entry)
    assert {3} == tried.new_rule_ids
    assert tried.entry.revision_id == trial.read(lambda reader: reader.revision_id())
    assert before == see_everything(storage)


def test_nothing_tried_is_no_change(storage: FragileStorage):
    """The revision is that of the picture."""
    trial = make_trial(storage)
    assert (0, ()) == ((entry := trial.finish().entry).size, entry.changes)
    assert trial.read(lambda reader: reader.revision_id()) == storage.read(lambda reader: reader.revision_id())


def test_what_is_tried_needs_its_grant(storage: FragileStorage):
    """As what is made."""
    origin = Origin("ci", grants=parse_grants(["edit:other."]))
    with pytest.raises(NotPermittedError):
        rules.delete(make_trial(storage, origin), 1, origin)


def test_what_is_expected_is_looked_at_in_the_picture(storage: FragileStorage):
    """A setting that has changed since is refused."""

    def write(revision: int) -> None:
        make_trial(storage).write(lambda _: None, expected=expect(storage, SETTING, "cache_ttl", revision))

    write(1)
    with pytest.raises(ExpectationError):
        write(7)


def test_rules_are_counted_whether_or_not_they_were_looked_at(storage: FragileStorage):
    """Those of the picture, but for what was deleted, and what was added."""
    trial = make_trial(storage)
    counts = []
    for step in (
        lambda: None,
        lambda: trial.read(lambda reader: reader.find_rule(1)),
        lambda: rules.delete(trial, 1, NOBODY),
        lambda: rules.add(trial, "cache_ttl", {"user": "new"}, 1, {}, NOBODY),
        lambda: settings.delete(trial, "cache_ttl", NOBODY),
    ):
        step()
        counts.append(trial.read(lambda reader: reader.count_rules()))
    assert [2, 2, 1, 2, 0] == counts


def test_there_is_as_much_room_as_there_is(storage: FragileStorage):
    """A trial is refused where the write would be."""
    storage.ceilings = Ceilings(Counts(settings=1, rules=3))
    trial = make_trial(storage)
    rules.add(trial, "cache_ttl", {"user": "a"}, 1, {}, NOBODY)
    with pytest.raises(FullError):
        rules.add(trial, "cache_ttl", {"user": "b"}, 1, {}, NOBODY)


def test_the_log_is_that_of_the_storage(storage: FragileStorage):
    """As it is, whatever was tried; so is what nobody keeps in memory."""
    trial = make_trial(storage)
    rules.delete(trial, 1, NOBODY)
    for ask in (
        lambda reader: reader.log(),
        lambda reader: reader.select(Selection()),
        lambda reader: reader.changes(1),
        lambda reader: reader.changed_subjects(0, 1),
        lambda reader: reader.last_change(1),
        lambda reader: reader.forgotten_deletion("rule", "1"),
        lambda reader: reader.find_conditions([1, 2, 99]),
        lambda reader: reader.deliveries(),
        lambda reader: reader.find_lease("some"),
        lambda reader: reader.counted_since(),
        lambda reader: reader.setting_uses(),
        lambda reader: reader.clients(),
    ):
        assert storage.read(ask) == trial.read(ask)
    storage.is_away = True
    with pytest.raises(StorageUnavailableError):
        trial.read(lambda reader: reader.log())
    assert {2: {"user": "u2", "environment": "dev"}} == trial.read(lambda reader: reader.find_conditions([2]))


def test_what_was_deleted_comes_back():
    """A rule with its id, which the log knows to be its own, and a setting."""
    storage = FragileStorage()
    storage.open()
    fill(storage)
    rules.delete(storage, 1, NOBODY)
    settings.delete(storage, "cache_ttl", NOBODY)
    trial = make_trial(storage)

    def work(writer: Writer) -> RuleRecord:
        setting = a_setting(features=("user",))
        writer.add_setting(setting, subject=3)
        writer.record(change_setting("revert", None, setting, ("user",)))
        rule = writer.add_rule("cache_ttl", {"user": "u1"}, 10, {}, rule_id=1)
        writer.record(log_rule(rule, ("user",), "revert"))
        return rule

    assert 1 == trial.write(work).result.rule_id
    tried = trial.finish()
    assert ([("revert", "setting", "cache_ttl"), ("revert", "rule", "1")], frozenset()) == (
        tell(tried.entry),
        tried.new_rule_ids,
    )
    with pytest.raises(ContractError, match="is that of another rule"):
        make_trial(storage).write(lambda writer: add_as(writer, 2))


def add_as(writer: Writer, rule_id: int) -> None:
    writer.add_setting(a_setting(features=("user",)))
    writer.add_rule("cache_ttl", {"user": "u1"}, 10, {}, rule_id=rule_id)


def test_tokens_and_webhooks_are_tried_too():
    """With those that there are: names are taken, and what is deleted is gone."""
    storage = FragileStorage()
    storage.open()
    at = datetime(2027, 11, 1, tzinfo=UTC)
    tokens.create(storage, "ci", parse_grants(["admin"]), at, NOBODY)
    webhooks.create(storage, "hook", "https://127.0.0.1/in", (), "standard", NOBODY)
    before = see_everything(storage)
    trial = make_trial(storage)
    tokens.create(trial, "cd", parse_grants(["read"]), at, NOBODY)
    webhooks.delete(trial, "hook", NOBODY)
    webhooks.create(trial, "hook", "https://127.0.0.1/in", (), "standard", NOBODY)
    assert ["cd", "ci"] == [token.name for token in trial.read(lambda reader: reader.access()).tokens]
    assert [("create", "token", "cd"), ("delete", "webhook", "hook"), ("create", "webhook", "hook")] == tell(
        trial.finish().entry
    )
    assert before == see_everything(storage)


def test_a_fault_is_noticed(storage: FragileStorage):
    """A change that is not recorded would not be stored."""
    trial = make_trial(storage)
    trial.write(lambda writer: writer.delete_rule(1))
    with pytest.raises(ContractError, match="without recording"):
        trial.finish()
