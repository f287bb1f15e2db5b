"""The ceilings of every storage: counting, and requiring room."""

import pytest

from heksher.server.errors import FullError
from heksher.server.operations.loading import Contents, load
from heksher.server.storage.base import NOBODY, RuleRecord, Storage, Writer
from heksher.server.storage.ceilings import Ceilings, Counts
from tests.support.storages import SOME_CHANGE, a_setting, see_everything, store


def fill(writer: Writer) -> None:
    """Add two settings and three rules."""
    writer.set_context_features(["user"])
    for name in "ab":
        writer.add_setting(a_setting(name, aliases=[f"old_{name}"]))
    for user in "xyz":
        writer.add_rule("a", {"user": user}, 1, {})


def count(storage: Storage) -> Counts:
    """Return what a reader counts."""
    return storage.read(lambda reader: Counts(reader.count_settings(), reader.count_rules()))


def test_settings_and_rules_are_counted(storage: Storage) -> None:
    """Aliases are no settings. A unit of work counts what it has added and deleted itself."""
    assert count(storage) == Counts(0, 0)
    store(storage, fill)
    assert count(storage) == Counts(2, 3)

    def work(writer: Writer) -> Counts:
        writer.delete_setting("a")
        writer.record(SOME_CHANGE)
        return Counts(writer.count_settings(), writer.count_rules())

    assert storage.write(work).result == count(storage) == Counts(1, 0)


def test_without_ceilings_there_is_room(storage: Storage) -> None:
    """Which is how a storage begins."""
    assert storage.ceilings is None
    storage.write(lambda writer: writer.require_room(settings=10**9, rules=10**9))


@pytest.mark.parametrize(
    ("settings", "rules", "message"), [(1, 0, "HEKSHER_MAX_SETTINGS"), (0, 2, "HEKSHER_MAX_RULES")]
)
def test_there_is_room_up_to_a_ceiling(storage: Storage, settings: int, rules: int, message: str) -> None:
    """Room that was required is taken; what is deleted makes some for the next unit of work."""
    storage.ceilings = Ceilings(Counts(3, 5))
    store(storage, fill)
    storage.write(lambda writer: writer.require_room(settings=1, rules=2))

    def work(writer: Writer) -> None:
        writer.require_room(settings=1, rules=1)
        writer.require_room(settings=settings, rules=rules)

    with pytest.raises(FullError, match=message):
        storage.write(work)
    store(storage, lambda writer: writer.delete_setting("a"))
    storage.write(work)


def test_nothing_is_loaded_above_a_ceiling(storage: Storage) -> None:
    """Not even the settings, if it is the rules that are too many."""
    storage.ceilings = Ceilings(Counts(1, 1))
    rules = [RuleRecord(number, "a", {"user": str(number)}, 1, {}) for number in (1, 2)]
    before = see_everything(storage)
    with pytest.raises(FullError, match="there are 0 rules, and 2 more would be above the ceiling of 1"):
        load(storage, Contents(("user",), [a_setting("a")], rules, 3), NOBODY)
    assert see_everything(storage) == before
