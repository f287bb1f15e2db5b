"""A write that is only tried comes to the same as one that is made, and its effects are those in every context."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import pytest

from heksher.server.catalog.advance import advance
from heksher.server.catalog.picture import take_picture
from heksher.server.catalog.trial import TrialStorage
from heksher.server.errors import OperationError
from heksher.server.queries.value_effects import find_value_effects
from heksher.server.storage.base import RULE, LoggedChange, Reader, RuleRecord, SettingRecord, Storage, Writer
from heksher.server.storage.joined_storage import JoinedStorage
from heksher.server.storage.memory import MemoryStorage
from tests.support.exhaustive import holds, is_same_json, list_points
from tests.support.oracle import resolve
from tests.support.random_writes import FEATURES, RandomWrites

WRITES = 100
NEW = "new"
NOTHING = object()


class Seen(NamedTuple):
    """What there is: the order of context features, and settings with their rules by what identifies them."""

    order: tuple[str, ...]
    settings: Mapping[int, tuple[SettingRecord, list[RuleRecord]]]


def see(storage: MemoryStorage) -> Seen:
    def work(reader: Reader) -> Seen:
        numbers = storage._state.setting_ids
        settings = {numbers[setting.name]: (setting, reader.rules([setting.name])) for setting in reader.settings()}
        return Seen(reader.context_features(), settings)

    return storage.read(work)


def hide_new_ids(changes: Sequence[LoggedChange], new_rule_ids: set[str]) -> list[LoggedChange]:
    return [
        replace(change, key=NEW) if change.kind == RULE and change.key in new_rule_ids else change for change in changes
    ]


def find_value(seen: Seen, number: int, context: Mapping[str, str]) -> object:
    """Return what a setting answers in a context, by brute force."""
    if number not in seen.settings:
        return NOTHING
    setting, rules = seen.settings[number]
    winner = resolve({rule.rule_id: rule.conditions for rule in rules}, context, seen.order).winner
    values = {rule.rule_id: rule.value for rule in rules}
    return setting.default_value if winner is None else values[winner]


def read_side(side: Any) -> object:
    return NOTHING if side is None else side["value"]


def check_effects(before: Seen, after: Seen, effects: list[dict[str, Any]]) -> None:
    """Check that each context in which a setting has another value is in exactly one effect of it, and no other is."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for number in before.settings.keys() | after.settings.keys():
        numbers[(after.settings.get(number) or before.settings[number])[0].name].append(number)
    for point in list_points(FEATURES, "01", {}):
        for name, called_so in numbers.items():
            values = [(find_value(before, number, point), find_value(after, number, point)) for number in called_so]
            expected = [pair for pair in values if not (pair[0] is pair[1] or is_same_json(*pair))]
            found = [
                (read_side(effect["before"]), read_side(effect["after"]))
                for effect in effects
                if effect["setting"] == name
                and holds(point, effect["conditions"])
                and not any(holds(point, each) for each in effect["except"])
            ]
            # A name can be that of a setting that is gone and of another one that has come.
            assert sorted(map(repr, expected)) == sorted(map(repr, found)), (name, point)


def write_at_random(storage: Storage, seed: int, count: int) -> None:
    """Make some writes in a unit, of which some are refused, or one of any kind.

    Raises:
        OperationError: the one is refused, perhaps after a part of it.
    """
    writes = RandomWrites(storage, seed)
    if count == 1:
        writes.make()
        return
    for _ in range(count):
        with suppress(OperationError):
            writes.make(is_single=True)


def catch_refusal(write: Callable[[], object]) -> tuple[type[OperationError], str] | None:
    """Return how a write is refused; ``None`` if it is not."""
    try:
        write()
    except OperationError as error:
        return type(error), str(error)
    return None


def read_newest(storage: Storage, revision: int) -> tuple[LoggedChange, ...]:
    """Return the changes after a revision; there may be none."""
    entries = storage.read(lambda reader: reader.log(revision, max_changes=1000))
    return tuple(change for entry in entries for change in entry.changes)


def list_rule_keys(changes: Iterable[LoggedChange]) -> set[str]:
    return {change.key for change in changes if change.kind == RULE}


@pytest.mark.parametrize("count", [1, 4, 12])
@pytest.mark.parametrize("seed", range(2))
def test_a_trial_tells_what_the_write_then_does(seed: int, count: int) -> None:
    """Whatever is written: the same changes, with the effects that can be seen afterwards in every context."""
    storage = MemoryStorage()
    storage.open()
    RandomWrites(storage, seed).begin()
    known = list_rule_keys(read_newest(storage, 0))
    for step in range(WRITES):
        picture, before = storage.read(take_picture), see(storage)
        trial = TrialStorage(picture, storage)
        refusal = catch_refusal(partial(write_at_random, trial, step, count))
        assert (picture.revision, before) == (storage.read(lambda reader: reader.revision()), see(storage))
        assert refusal == catch_refusal(partial(storage.write, partial(write_all, seed=step, count=count)))
        if refusal is not None:
            continue
        tried = trial.finish()
        changes = read_newest(storage, picture.revision)
        added = list_rule_keys(changes) - known
        known |= added
        new = {str(rule_id) for rule_id in tried.new_rule_ids}
        assert hide_new_ids(changes, added) == hide_new_ids(tried.entry.changes, new)
        if changes:
            after, _ = advance(picture, (tried.entry,))
            effects = list(find_value_effects(picture, after, tried.entry.changes, tried.new_rule_ids))
            check_effects(before, see(storage), effects)
            check_examples(before, see(storage), effects)


def write_all(writer: Writer, seed: int, count: int) -> None:
    write_at_random(JoinedStorage(writer), seed, count)


def check_examples(before: Seen, after: Seen, effects: list[dict[str, Any]]) -> None:
    """Check that the examples of effects are what they say."""
    for effect, example in iterate_examples(effects):
        numbers = {
            number
            for side in (before, after)
            for number, (setting, _) in side.settings.items()
            if setting.name == effect["setting"]
        }
        values = [
            (find_value(before, number, example), find_value(after, number, example)) for number in sorted(numbers)
        ]
        assert (read_side(effect["before"]), read_side(effect["after"])) in values


def iterate_examples(effects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    for effect in effects:
        for example in effect["examples"]:
            yield effect, {**dict.fromkeys(FEATURES, "-"), **example}
