"""The current picture, and how it follows the change log."""

import logging
import threading
from datetime import UTC, datetime

import pytest

from heksher.revision_id import RevisionId
from heksher.server.catalog import catalog as module
from heksher.server.catalog import history
from heksher.server.catalog.advance import Step
from heksher.server.catalog.answer import Answer
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.effect import EVERYWHERE, Effect
from heksher.server.catalog.picture import take_picture
from heksher.server.catalog.query import CatalogQuery
from heksher.server.operations import rules
from heksher.server.operations.logged_change import add_rule as add_rule_change
from heksher.server.operations.logged_change import change_features
from heksher.server.storage.base import NOBODY, LoggedChange, Storage, Writer
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.catalogs import ORDER, FragileStorage, fill, open_fragile
from tests.support.fake_service import DEADLINE_S
from tests.support.storages import read_revision, write_something

ANSWER = Answer(b"{}", ())


@pytest.fixture
def storage() -> FragileStorage:
    """A storage at revision 1."""
    return open_fragile()


@pytest.fixture
def catalog(storage: FragileStorage) -> Catalog:
    """A catalog of it, loaded."""
    catalog = Catalog(storage, 1_000_000)
    catalog.load()
    return catalog


def add_rule(storage: Storage, user: str) -> int:
    return rules.add(storage, "cache_ttl", {"user": user}, 1, {}, NOBODY).revision


def note_news(catalog: Catalog) -> list[tuple[CatalogState, list[Step]]]:
    """Return a list that grows by what the catalog publishes."""
    news: list[tuple[CatalogState, list[Step]]] = []
    catalog.subscribe(lambda state, steps: news.append((state, list(steps))))
    return news


def restore(storage: FragileStorage, revision: int) -> None:
    """Put another storage in place, as when a backup is restored."""
    storage.inner = MemoryStorage()
    storage.open()
    fill(storage)
    while read_revision(storage) < revision:
        write_something(storage)


def test_a_catalog_is_loaded_once(storage: FragileStorage):
    """When it is first needed; until then it has nothing and knows nothing of its age."""
    catalog = Catalog(storage, 1_000_000)
    assert (None, None) == (catalog.state, catalog.checked_at_s)
    state = catalog.load()
    assert storage.inner.read(take_picture) == state.picture
    assert (state, state) == (catalog.load(), catalog.state)
    assert 1 == storage.reads
    assert catalog.checked_at_s is not None


def test_what_is_loaded_is_given_whoever_waits_for_the_database(storage: FragileStorage, catalog: Catalog):
    """The event loop asks for it."""
    storage.gate.clear()
    storage.is_waiting.clear()
    waiting = threading.Thread(target=catalog.refresh)
    waiting.start()
    assert storage.is_waiting.wait(DEADLINE_S)
    loading = threading.Thread(target=catalog.load, daemon=True)
    loading.start()
    loading.join(DEADLINE_S)
    is_done = not loading.is_alive()
    storage.gate.set()
    waiting.join(DEADLINE_S)
    assert is_done


def test_a_catalog_follows(storage: FragileStorage, catalog: Catalog):
    """It has what was written since, and the steps of the way."""
    add_rule(storage, "new")
    write_something(storage)
    state = catalog.refresh()
    assert storage.inner.read(take_picture) == state.picture
    assert [1, 2, 3] == [step.revision for step in state.steps]


def test_nothing_new_changes_nothing(storage: FragileStorage, catalog: Catalog):
    """Not even the state; that it is current is noted."""
    state, checked_at_s, news = catalog.state, catalog.checked_at_s, note_news(catalog)
    assert state is catalog.refresh()
    assert catalog.checked_at_s > checked_at_s
    assert [] == news


@pytest.mark.parametrize(("at_least", "reads"), [(0, 0), (1, 0), (2, 1), (99, 1), (None, 1)])
def test_a_revision_that_is_there_is_enough(
    storage: FragileStorage, catalog: Catalog, at_least: int | None, reads: int
):
    """Else the database is looked at, once."""
    before = storage.reads
    add_rule(storage.inner, "new")
    enough = None if at_least is None else RevisionId(at_least)
    assert (2 if reads else 1) == catalog.refresh(enough).picture.revision
    assert reads == storage.reads - before


def test_what_was_not_loaded_is_not_doubted(storage: FragileStorage):
    """There is nobody to be told of it."""
    catalog = Catalog(storage, 1_000_000)
    news = note_news(catalog)
    catalog.doubt()
    assert (None, []) == (catalog.state, news)


def test_to_refresh_loads_what_was_not_loaded(storage: FragileStorage):
    """Whatever is enough."""
    assert 1 == Catalog(storage, 1_000_000).refresh(RevisionId(0)).picture.revision


def test_listeners_are_told_of_each_change(storage: FragileStorage, catalog: Catalog):
    """With the state and the steps to it, which were one look at the database."""
    news = note_news(catalog)
    add_rule(storage, "x")
    add_rule(storage, "y")
    state = catalog.refresh()
    effects = [Effect(frozenset({"cache_ttl"}), (("user", user),)) for user in "xy"]
    assert [(state, [Step(2, (effects[0],)), Step(3, (effects[1],))])] == news


def test_answers_are_kept_as_long_as_they_are_right(storage: FragileStorage, catalog: Catalog):
    """What a change shows in is made anew; the earlier state keeps its own answers."""
    before = catalog.state
    before.cache.put(b"guests", CatalogQuery(filters={"user": frozenset({"guest"})}), ANSWER)
    before.cache.put(b"all", CatalogQuery(), ANSWER)
    add_rule(storage, "admin")
    after = catalog.refresh()
    assert ANSWER is after.cache.get(b"guests").answer
    assert after.cache.get(b"all") is None
    assert ANSWER is before.cache.get(b"all").answer


def test_while_the_database_is_away_the_state_stays(storage: FragileStorage, catalog: Catalog):
    """So does what is known of its age."""
    state, checked_at_s = catalog.state, catalog.checked_at_s
    storage.is_away = True
    with pytest.raises(StorageUnavailableError):
        catalog.refresh()
    assert (state, checked_at_s) == (catalog.load(), catalog.checked_at_s)
    with pytest.raises(StorageUnavailableError):
        Catalog(storage, 1_000_000).load()


def test_a_restored_database_is_loaded_anew(
    storage: FragileStorage, catalog: Catalog, caplog: pytest.LogCaptureFixture
):
    """All answers are forgotten, and it is said that anything can have changed."""
    for user in "xyz":
        add_rule(storage, user)
    catalog.refresh().cache.put(b"", CatalogQuery(), ANSWER)
    before, news = catalog.state.picture.revision_id, note_news(catalog)
    restore(storage, 2)
    state = catalog.refresh()
    assert storage.inner.read(take_picture) == state.picture
    assert [(state, [Step(2, (EVERYWHERE,))])] == news
    assert (0, 2) == (len(state.cache), len(state.steps))
    assert f"this process had revision {before}, the newest one is {state.picture.revision_id} now" in caplog.text


@pytest.mark.parametrize("kind", ["rule", "setting", "unheard_of"])
def test_a_log_that_does_not_fit_is_no_reason_to_stop(
    storage: FragileStorage, catalog: Catalog, caplog: pytest.LogCaptureFixture, kind: str
):
    """Everything is loaded anew, and what such an entry shows in is not known: it can be anything."""
    news = note_news(catalog)
    picture = {"name": "other", "setting": "other"}
    odd = LoggedChange("change", kind, "5", picture, picture)
    storage.write(lambda writer: (writer.delete_rule(1), writer.record(odd)))
    state = catalog.refresh()
    assert [2] == list(state.picture.settings["cache_ttl"].rules)
    assert [(state, [Step(2, (EVERYWHERE,))])] == news
    assert "does not fit" in caplog.text
    assert Step(2, (EVERYWHERE,)) == Catalog(storage, 1_000_000).load().steps[-1]


def test_an_empty_entry_of_a_rule_is_survived(storage: FragileStorage, catalog: Catalog):
    """No service has ever written one."""
    storage.write(lambda writer: writer.record(LoggedChange("change", "rule", "1", None, None)))
    assert 2 == catalog.refresh().picture.revision


def test_who_is_far_behind_loads_anew(
    storage: FragileStorage, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """It costs less than to follow; up to there the catalog follows."""
    monkeypatch.setattr(history, "_MAX_ENTRIES", 3)
    for user in "abc":
        add_rule(storage, user)
    news = note_news(catalog)
    catalog.refresh()
    for user in "defg":
        add_rule(storage, user)
    with caplog.at_level(logging.INFO, "heksher"):
        assert storage.inner.read(take_picture) == catalog.refresh().picture
    assert [3, 1] == [len(steps) for _, steps in news]
    assert "4 changes behind" in caplog.text


@pytest.mark.parametrize("is_new", [False, True])
def test_it_is_known_what_has_changed_since(storage: FragileStorage, catalog: Catalog, *, is_new: bool):
    """Also by a process that was started a moment ago: the log says so."""
    add_rule(storage, "x")
    add_rule(storage, "y")
    add_rule(storage, "z")
    state = Catalog(storage, 0).load() if is_new else catalog.refresh()
    asked = [
        state.has_changed(CatalogQuery(filters={"user": frozenset("y")}), RevisionId(revision)) for revision in range(6)
    ]
    assert [True, True, True, False, False, True] == asked
    assert [True] + [False] * 4 + [True] == [
        state.has_changed(CatalogQuery(("other",)), RevisionId(revision)) for revision in range(6)
    ]


def test_what_is_long_ago_may_have_changed(storage: FragileStorage, catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    """Steps are forgotten at some time."""
    monkeypatch.setattr(module, "_MAX_STEPS", 2)
    for user in "xyz":
        add_rule(storage, user)
    followed, loaded = catalog.refresh(), Catalog(storage, 0).load()
    assert [[3, 4]] * 2 == [[step.revision for step in state.steps] for state in (followed, loaded)]
    nobody = CatalogQuery(("other",))
    assert [True, True, False, False, False] == [
        followed.has_changed(nobody, RevisionId(revision)) for revision in range(5)
    ]
    # Of the oldest one, nobody knows the stamp.
    stamped = [RevisionId(2, "0123456789ab"), *(RevisionId(step.revision, step.stamp) for step in followed.steps)]
    assert [True, False, False] == [followed.has_changed(nobody, revision) for revision in stamped]


def test_an_order_of_features_that_changed_is_a_change(storage: FragileStorage, catalog: Catalog):
    """Even for a query for nothing: its answer has the order."""

    def work(writer) -> None:
        writer.set_context_features(ORDER[::-1])
        writer.record(change_features("move", ORDER, ORDER[::-1]))

    storage.write(work)
    assert catalog.refresh().has_changed(CatalogQuery(()), RevisionId(1))


def test_an_entry_with_many_changes_is_loaded(
    storage: FragileStorage, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    """To load everything costs less than to follow; afterwards the catalog follows again."""
    monkeypatch.setattr(history, "_MAX_CHANGES", 3)

    def add_rules(writer: Writer, count: int) -> None:
        for number in range(count):
            rule = writer.add_rule("cache_ttl", {"user": f"u{writer.revision()}_{number}"}, 1, {})
            writer.record(add_rule_change(rule, ORDER))

    news = note_news(catalog)
    for count in (3, 4, 1):
        storage.write(lambda writer, count=count: add_rules(writer, count))
        assert storage.inner.read(take_picture) == catalog.refresh().picture
    shown = [[step.effects == (EVERYWHERE,) for step in steps] for _, steps in news]
    assert [[False], [True], [False]] == shown


def test_many_changes_in_many_entries_are_loaded(
    storage: FragileStorage, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    """What counts is how many there are in all, however they are read."""
    monkeypatch.setattr(history, "_MAX_CHANGES", 4)
    monkeypatch.setattr(history, "_BATCH_ENTRIES", 2)
    news = note_news(catalog)
    for user in "abcd":
        add_rule(storage, user)
    catalog.refresh()
    for user in "efghijkl":
        add_rule(storage, user)
    assert storage.inner.read(take_picture) == catalog.refresh().picture
    assert [4, 1] == [len(steps) for _, steps in news]


def test_what_a_large_entry_of_the_past_shows_in_is_not_looked_at(
    storage: FragileStorage, monkeypatch: pytest.MonkeyPatch
):
    """It may be anything."""
    monkeypatch.setattr(module, "_MAX_CHANGES_OF_STEP", 1)
    add_rule(storage, "x")
    silent = LoggedChange("set metadata", "setting", "cache_ttl", {"metadata": {}}, {"metadata": {"k": 1}})
    storage.write(lambda writer: writer.record_all([silent, silent]))
    steps = Catalog(storage, 0).load().steps
    assert [False, True] == [step.effects == (EVERYWHERE,) for step in steps[1:]]


def test_a_log_that_was_pruned_is_followed(catalog: Catalog, storage: FragileStorage) -> None:
    """From where it begins: also if the change that the catalog has is not there any more, it is no other history."""
    era, _ = catalog.load().position
    for wait in (True, False):
        revision = add_rule(storage, f"user{wait}")
        if wait:
            catalog.refresh()
        storage.prune(datetime.max.replace(tzinfo=UTC))
        state = catalog.refresh()
        assert (era, revision) == (state.era, state.picture.revision)
        assert storage.read(take_picture) == state.picture


def test_a_catalog_of_a_pruned_log_knows_what_has_changed_since(storage: FragileStorage) -> None:
    """From the first entry that is left; of what was before, it takes everything for changed."""
    for user in ("a", "b", "c"):
        newest = add_rule(storage, user)
    storage.prune(datetime.max.replace(tzinfo=UTC))
    state = Catalog(storage, 1_000_000).load()
    unknown = CatalogQuery(("unknown",))
    assert [newest] == [step.revision for step in state.steps]
    assert [False, False, True] == [state.has_changed(unknown, RevisionId(newest - age)) for age in (0, 1, 2)]
