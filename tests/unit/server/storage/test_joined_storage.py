"""A storage inside a unit of work: what parts of the unit see and do."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from heksher.revision_id import RevisionId
from heksher.server.storage.base import SETTING, Expectation, Origin, Storage, Writer, Written
from heksher.server.storage.joined_storage import JoinedStorage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import ExpectationError
from heksher.server.storage.webhook_records import LeaseRecord
from tests.support.storages import SOME_CHANGE, a_setting, expect, see_everything, store

OUTER = Origin("ada", "because")


@pytest.fixture
def storage() -> Iterator[Storage]:
    """One with a setting, at revision 1."""
    storage = MemoryStorage()
    storage.open()
    store(storage, lambda writer: writer.set_context_features(["user"]), lambda writer: writer.add_setting(a_setting()))
    yield storage
    storage.close()


def add_rule(writer: Writer) -> int:
    rule = writer.add_rule("cache_ttl", {"user": f"u{writer.count_rules()}"}, 1, {})
    writer.record(SOME_CHANGE)
    return rule.rule_id


def test_writes_are_parts_of_the_unit(storage: Storage):
    """Each sees those before it, all are one entry, and it is the unit's origin that counts."""

    def work(writer: Writer) -> list[Written[int]]:
        joined = JoinedStorage(writer)
        joined.open()
        joined.check()
        written = [joined.write(add_rule, Origin("somebody else")) for _ in range(3)]
        assert 3 == joined.read(lambda reader: reader.count_rules())
        joined.close()
        return written

    whole = storage.write(work, OUTER)
    (_, entry) = storage.read(lambda reader: reader.log())
    assert [Written(number, 2, entry.stamp) for number in (1, 2, 3)] == whole.result
    assert (OUTER, 3, whole.stamp) == (entry.origin, entry.size, whole.result[0].stamp)


def test_an_error_of_a_part_ends_the_unit(storage: Storage):
    """Nothing is stored of it."""
    before = see_everything(storage)

    def work(writer: Writer) -> None:
        joined = JoinedStorage(writer)
        joined.write(add_rule)
        joined.write(lambda _: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        storage.write(work)
    assert before == see_everything(storage)


def test_what_a_part_expects_is_checked(storage: Storage):
    """On what the unit has made of it so far."""
    known = expect(storage, SETTING, "cache_ttl", 1)

    def work(writer: Writer) -> None:
        joined = JoinedStorage(writer)
        joined.write(add_rule, expected=known)
        joined.write(add_rule, expected=Expectation(SETTING, "cache_ttl", frozenset({RevisionId(2)})))

    with pytest.raises(ExpectationError) as caught:
        storage.write(work)
    assert 1 == caught.value.present.number


def test_several_parts_can_expect_the_same(storage: Storage):
    """As nobody but they themselves has changed it since the first one was to."""
    known = expect(storage, SETTING, "cache_ttl", 1)

    def change(version: str) -> Callable[[Writer], None]:
        def work(writer: Writer) -> None:
            changed = replace(a_setting(features=["user"]), version=version)
            writer.replace_setting("cache_ttl", changed)
            writer.record(SOME_CHANGE)

        return work

    def work(writer: Writer) -> list[bool]:
        joined = JoinedStorage(writer)
        steps = [change("1.1"), change("1.2"), lambda _: None]
        return [joined.write(step, expected=known).is_change for step in steps]

    assert [True, True, False] == storage.write(work).result
    with pytest.raises(ExpectationError):
        storage.write(work)


def test_what_is_noted_is_a_part_of_the_unit(storage: Storage):
    """It is stored with what the unit changes, or not at all."""
    lease = LeaseRecord("task", "me", 1)

    def work(writer: Writer) -> None:
        JoinedStorage(writer).note(lambda notes: notes.put_lease(lease))
        writer.record(SOME_CHANGE)
        raise KeyError

    with pytest.raises(KeyError):
        storage.write(work)
    assert "" == storage.read(lambda reader: reader.find_lease("task").holder)
    store(storage, lambda writer: JoinedStorage(writer).note(lambda notes: notes.put_lease(lease)))
    assert lease == storage.read(lambda reader: reader.find_lease("task"))
