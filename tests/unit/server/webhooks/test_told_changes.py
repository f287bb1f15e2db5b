"""Tests of which changes a webhook is told of, and how much of them."""

from dataclasses import replace

import pytest

from heksher.server.operations import logged_change
from heksher.server.storage.base import LogEntry, LoggedChange, Writer
from heksher.server.storage.memory import MemoryStorage
from heksher.server.webhooks.told_changes import (
    MAX_MESSAGE_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    ToldChanges,
    concerns,
    select_changes,
)
from tests.support.storages import a_setting

ORDER = ("user",)


def set_value(number: int, setting: str = "shop.ttl", value: object = 1) -> LoggedChange:
    return LoggedChange("set value", "rule", str(number), {"value": 0}, {"value": value}, setting)


def select(*changes: LoggedChange, prefixes: tuple[str, ...] = ()) -> ToldChanges:
    """Select of an entry with some changes."""
    storage = MemoryStorage()
    storage.open()

    def work(writer: Writer) -> None:
        writer.record_all(changes)

    storage.write(work)

    def read(reader) -> ToldChanges:
        (entry,) = reader.log(0, 1, 1)
        assert isinstance(entry, LogEntry)
        return select_changes(reader, entry, prefixes)

    return storage.read(read)


DECLARED = logged_change.change_setting("declare", None, a_setting("shop.ttl"), ORDER)
RENAMED = logged_change.change_setting("rename", a_setting("shop.ttl"), a_setting("cart.ttl"), ORDER)
DELETED = next(logged_change.delete_setting(a_setting("shop.ttl"), [], ORDER))
FEATURES = logged_change.change_features("add", (), ORDER)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (DECLARED, {"": True, "shop.": True, "shop.ttl": True, "sho": True, "cart.": False, "hop.": False}),
        (RENAMED, {"": True, "shop.": True, "cart.": True, "frontend.": False}),
        (DELETED, {"": True, "shop.": True, "cart.": False}),
        (set_value(7), {"": True, "shop.": True, "cart.": False, "7": False}),
        (FEATURES, {"": True, "shop.": False}),
        (LoggedChange("create", "token", "shop.ci", None, {"grants": ["admin"]}), {"": False, "shop.": False}),
        (LoggedChange("add", "person", "ada", None, {}), {"": False}),
        (LoggedChange("create", "webhook", "chat", None, {}), {"": False}),
        (LoggedChange("rotate", "signing_key", "", {}, {}), {"": False}),
    ],
)
def test_changes_are_told_by_the_names_of_their_settings(change: LoggedChange, told: dict[str, bool]) -> None:
    """By each that a setting had and has; without a prefix all are told, but not who may do what."""
    assert told == {prefix: concerns(change, (prefix,) if prefix else ()) for prefix in told}


def test_one_of_several_prefixes_is_enough() -> None:
    """They add to each other."""
    assert [True, False] == [concerns(set_value(7), prefixes) for prefixes in (("cart.", "shop."), ("cart.", "a"))]


def test_an_entry_is_told_with_its_first_parts() -> None:
    """And with how many there are, which are read in pages: an import may have a hundred thousand."""
    changes = [set_value(number) for number in range(2500)]
    told = select(*changes)
    assert (changes[:MAX_PARTS], frozenset(), 2500) == (list(told.changes), told.shortened, told.size)


def test_of_an_entry_only_what_concerns_the_webhook_is_told() -> None:
    """Wherever it stands in it; and counted."""
    mine = [set_value(number, "cart.ttl") for number in (0, 1200, 2400)]
    others = [set_value(number) for number in range(1, 1200)]
    told = select(mine[0], *others, mine[1], *others, mine[2], FEATURES, prefixes=("cart.",))
    assert (tuple(mine), 3) == (told.changes, told.size)
    assert ToldChanges((), frozenset(), 0) == select(*others[:3], prefixes=("cart.",))


def test_what_is_too_long_is_told_without_its_fields() -> None:
    """Whoever wants to know more can ask for it."""
    long, short = set_value(1, value="x" * MAX_PART_BYTES), set_value(2, value="x" * (MAX_PART_BYTES - 100))
    told = select(long, short)
    assert ((replace(long, before=None, after=None), short), frozenset({0}), 2) == (
        told.changes,
        told.shortened,
        told.size,
    )


def test_a_message_has_only_so_many_bytes() -> None:
    """Further parts are counted."""
    changes = [set_value(number, value="x" * (MAX_PART_BYTES - 100)) for number in range(30)]
    told = select(*changes)
    assert (MAX_MESSAGE_BYTES // MAX_PART_BYTES + 1, 30) == (len(told.changes), told.size)
