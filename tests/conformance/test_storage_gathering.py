"""Thousands of changes in one unit of work are sent together, and come to the same as one by one."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import pytest

from heksher.server.errors import OperationError
from heksher.server.operations import logged_change, metadata, rules, settings
from heksher.server.operations.bulk import run_all
from heksher.server.operations.declaration import declare
from heksher.server.storage.base import NOBODY, RuleRecord, Storage, Writer
from heksher.server.storage.gathering_writer import GatheringWriter, Lookups
from heksher.server.storage.joined_storage import JoinedStorage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import ContractError
from heksher.value_type import JSON
from tests.support.logged_steps import ORDER, add_rule, add_setting, delete_rule, delete_setting, set_value
from tests.support.operations import declaring
from tests.support.storages import see_everything, store

NAMES: Final = [f"s{number}" for number in range(5)]
USERS: Final = [f"u{number}" for number in range(4)]
RULE_IDS: Final = range(1, 40)
STEPS: Final = 60

Step = Callable[[Storage], object]


def choose_step(chance: random.Random) -> Step:
    """Return an operation on one of few objects, so that most of them meet others."""
    name, other, rule_id, value = (chance.choice(some) for some in (NAMES, NAMES, RULE_IDS, range(10)))
    conditions = {"user": chance.choice(USERS)}
    steps: Sequence[Step] = [
        lambda storage: rules.add(storage, name, conditions, value, {}, NOBODY).result,
        lambda storage: rules.set_value(storage, rule_id, value, NOBODY).result,
        lambda storage: rules.delete(storage, rule_id, NOBODY).result,
        lambda storage: metadata.edit_of_rule(storage, rule_id, metadata.merge({"by": value}), NOBODY).result,
        lambda storage: rules.search(storage, name, conditions),
        lambda storage: rules.get(storage, rule_id).content,
        lambda storage: declare(storage, declaring(name, features=("user",)), NOBODY).result.outcome,
        lambda storage: settings.rename(storage, name, other, "1.0", NOBODY).result,
        lambda storage: settings.delete(storage, name, NOBODY).result,
    ]
    # Mostly rules: they are what is gathered.
    return chance.choices(steps, weights=[8, 6, 4, 4, 2, 2, 3, 1, 1])[0]


def try_step(step: Step, storage: Storage) -> object:
    """Return the result of an operation, or why it was refused, which it is before it changes anything."""
    try:
        return step(storage)
    except OperationError as error:
        return str(error)


def choose_lookups(chance: random.Random) -> Lookups:
    """Return some of all lookups that there can be, as not all of them can be foreseen."""
    keys = [(name, {"user": user}) for name in NAMES for user in USERS]
    return Lookups(
        chance.sample(NAMES, chance.randint(0, len(NAMES))),
        chance.sample(RULE_IDS, chance.randint(0, len(RULE_IDS))),
        chance.sample(keys, chance.randint(0, len(keys))),
    )


def see(storage: Storage) -> tuple[object, ...]:
    """Return what a storage holds, without the times and stamps of its log."""
    *state, log = see_everything(storage)
    revisions = storage.read(lambda reader: [item.revision for item in (*reader.settings(), *reader.rules())])
    return *state, revisions, [(entry.revision, entry.size, entry.changes) for entry in log]


def run_one_by_one(storage: Storage, steps: Sequence[Step]) -> list[object]:
    """Run operations in one unit of work that gathers nothing."""

    def work(writer: Writer) -> list[object]:
        joined = JoinedStorage(writer)
        return [step(joined) for step in steps]

    return storage.write(work).result


@pytest.mark.parametrize("seed", range(10))
def test_what_is_gathered_comes_to_the_same(storage: Storage, seed: int) -> None:
    """Results, what is stored, and the log, whatever was foreseen of it."""
    oracle = MemoryStorage()
    oracle.open()
    chance = random.Random(seed)  # noqa: S311 - no secret
    for place in (storage, oracle):
        store(place, lambda writer: writer.set_context_features(ORDER))
    for _ in range(4):
        steps = [partial(try_step, choose_step(chance)) for _ in range(STEPS)]
        expected = run_one_by_one(oracle, steps)
        assert expected == run_all(storage, steps, NOBODY, choose_lookups(chance)).result
        assert see(oracle) == see(storage)


def test_many_changes_are_sent_together(featured: Storage) -> None:
    """More than one statement takes, of each kind."""

    def work(writer: Writer) -> None:
        gathering = GatheringWriter(writer, Lookups(rules=[("a", {"user": f"u{number}"}) for number in range(2500)]))
        for number in range(2500):
            add_rule(gathering, "a", f"u{number}")
        gathering.flush()

    def work_again(writer: Writer) -> None:
        gathering = GatheringWriter(writer, Lookups(rule_ids=range(1, 2501)))
        for rule_id in range(1, 2501):
            set_value(gathering, rule_id, rule_id)
        for rule_id in range(1, 1201):
            delete_rule(gathering, rule_id)
        gathering.flush()

    featured.write(lambda writer: add_setting(writer, "a"))
    featured.write(work)
    featured.write(work_again)
    found = featured.read(lambda reader: reader.rules(["a"]))
    assert [(rule_id, {"user": f"u{rule_id - 1}"}, rule_id, 4) for rule_id in range(1201, 2501)] == [
        (rule.rule_id, rule.conditions, rule.value, rule.revision) for rule in found
    ]
    entries = featured.read(lambda reader: reader.log(2))
    assert [2500, 3700] == [entry.size for entry in entries]


def test_the_entry_is_known_from_its_first_change_on(featured: Storage) -> None:
    """With its number and its stamp, as each part of the unit answers them."""

    def work(writer: Writer) -> list[tuple[int, str]]:
        gathering = GatheringWriter(writer, Lookups(rules=[("a", {"user": "x"}), ("a", {"user": "y"})]))
        seen = [tuple(gathering.revision_id())]
        for user in "xy":
            add_rule(gathering, "a", user)
            seen.append(tuple(gathering.revision_id()))
        gathering.flush()
        return seen

    featured.write(lambda writer: add_setting(writer, "a"))
    written = featured.write(work)
    assert 2 == written.result[0][0]
    assert [(3, written.stamp)] * 2 == written.result[1:]


def test_what_breaks_the_contract_is_noticed(featured: Storage) -> None:
    """At the latest when the unit ends."""
    featured.write(lambda writer: add_setting(writer, "a"))
    featured.write(lambda writer: add_rule(writer, "a", "x"))
    before = see_everything(featured)

    def replace_another(gathering: Writer) -> None:
        gathering.replace_rule(RuleRecord(1, "a", {"user": "y"}, 5))

    def replace_one_that_is_gone(gathering: Writer) -> None:
        gathering.delete_rule(1)
        gathering.replace_rule(RuleRecord(1, "a", {"user": "x"}, 5))

    def delete_twice(gathering: Writer) -> None:
        gathering.delete_rule(1)
        gathering.delete_rule(1)

    def add_twice(gathering: Writer) -> None:
        add_rule(gathering, "a", "x")

    for change in (replace_another, replace_one_that_is_gone, delete_twice, add_twice):

        def work(writer: Writer, change: Callable[[Writer], None] = change) -> None:
            gathering = GatheringWriter(writer, Lookups(rule_ids=[1], rules=[("a", {"user": "x"})]))
            change(gathering)
            gathering.flush()

        with pytest.raises(ContractError):
            featured.write(work)
        assert before == see_everything(featured)


VALUE: JSON = {"a": ["x" * 5000]}


def test_values_come_back_as_they_were_given(featured: Storage) -> None:
    """Also before they were sent."""

    def work(writer: Writer) -> tuple[RuleRecord | None, ...]:
        gathering = GatheringWriter(writer, Lookups(rules=[("a", {"user": "x"})]))
        added = gathering.add_rule("a", {"user": "x"}, VALUE, {"m": 1})
        gathering.record(logged_change.add_rule(added, ORDER))
        found = (gathering.find_rule(added.rule_id), gathering.find_rule_by_conditions("a", {"user": "x"}))
        gathering.flush()
        return added, *found, gathering.find_rule(added.rule_id), writer.find_rule(added.rule_id)

    featured.write(lambda writer: add_setting(writer, "a"))
    expected = RuleRecord(1, "a", {"user": "x"}, VALUE, {"m": 1})
    results = featured.write(work).result
    assert [expected] * 5 == list(results)
    assert {3} == {rule.revision for rule in results if rule is not None}


def test_what_is_done_for_many_at_once_is_gathered_too(featured: Storage) -> None:
    """It meets what was gathered before."""

    def work(writer: Writer) -> None:
        gathering = GatheringWriter(writer, Lookups(rules=[("a", {"user": user}) for user in "xyz"]))
        added = [add_rule(gathering, "a", user) for user in "xyz"]
        found = gathering.find_rules([1, 2, 9])
        assert {1: added[0], 2: added[1]} == found
        assert [added[2]] == gathering.find_rules_by_conditions([("a", {"user": "z"}), ("b", {"user": "z"})])
        gathering.replace_rules([RuleRecord(1, "a", {"user": "x"}, 5), RuleRecord(2, "a", {"user": "y"}, 6)])
        gathering.delete_rules([3])
        gathering.flush()

    featured.write(lambda writer: add_setting(writer, "a"))
    featured.write(work)
    found = featured.read(lambda reader: reader.rules())
    assert [(1, 5), (2, 6)] == [(rule.rule_id, rule.value) for rule in found]


def test_deleted_rules_come_back_together(featured: Storage) -> None:
    """With their ids, whatever else was gathered; of a setting that comes back, too."""
    users = [f"u{number}" for number in range(1100)]
    featured.write(lambda writer: add_setting(writer, "a"))
    there = featured.write(lambda writer: [add_rule(writer, "a", user) for user in users]).result
    featured.write(lambda writer: [delete_rule(writer, rule.rule_id) for rule in there])

    def come_back(writer: Writer) -> None:
        gathering = GatheringWriter(writer, Lookups(["a"], range(1, 1101), [("a", {"user": user}) for user in users]))
        for rule in there:
            back = gathering.add_rule("a", rule.conditions, rule.value, rule.metadata, rule.rule_id)
            assert rule == back == gathering.find_rule(rule.rule_id)
            gathering.record(logged_change.add_rule(back, ORDER))
        set_value(gathering, 1, 5)
        delete_rule(gathering, 2)
        # This one has to wait until the log says that it was deleted.
        back = gathering.add_rule("a", there[1].conditions, 6, {}, 2)
        gathering.record(logged_change.add_rule(back, ORDER))
        gathering.flush()

    def come_back_with_setting(writer: Writer) -> None:
        gathering = GatheringWriter(writer, Lookups(rule_ids=range(1, 1101)))
        setting = add_setting(gathering, "a")
        for rule in there:
            assert gathering.find_rule_by_conditions(setting.name, rule.conditions) is None
            back = gathering.add_rule("a", rule.conditions, rule.value, rule.metadata, rule.rule_id)
            gathering.record(logged_change.add_rule(back, ORDER))
        gathering.flush()

    featured.write(come_back)
    assert [replace(there[0], value=5), replace(there[1], value=6, metadata={}), *there[2:]] == featured.read(
        lambda reader: reader.rules(["a"])
    )
    featured.write(lambda writer: delete_setting(writer, "a"))
    featured.write(come_back_with_setting)
    assert there == featured.read(lambda reader: reader.rules(["a"]))


def test_rules_come_back_that_were_deleted_alone(featured: Storage) -> None:
    """Those that the log says of that they were, with their conditions, and each once."""
    featured.write(lambda writer: add_setting(writer, "a"))
    one, other = featured.write(lambda writer: [add_rule(writer, "a", user) for user in "xy"]).result
    featured.write(lambda writer: delete_rule(writer, 1))
    before = see_everything(featured)
    for some in ([replace(one, conditions={"user": "z"})], [other], [replace(one, rule_id=9)], [one, one]):

        def work(writer: Writer, some: list[RuleRecord] = some) -> None:
            writer.return_rules(some)
            writer.record(logged_change.add_rule(one, ORDER))

        with pytest.raises(ContractError):
            featured.write(work)
        assert before == see_everything(featured)


def test_rules_are_found_together(featured: Storage) -> None:
    """By their ids, and by settings and conditions; what is not there is left out, and so are impossible ids."""
    featured.write(lambda writer: [add_setting(writer, name) for name in "ab"])
    rules_there = featured.write(
        lambda writer: [add_rule(writer, "ab"[number % 2], f"u{number}") for number in range(2500)]
    ).result
    by_id = {rule.rule_id: rule for rule in rules_there}
    assert by_id == featured.read(lambda reader: reader.find_rules([*by_id, 0, -1, 2501, 2**70]))
    wanted = [(rule.setting, rule.conditions) for rule in rules_there]
    none = [("a", {"user": "u1"}), ("c", {"user": "u0"}), ("a\x00", {"user": "u0"})]
    found = featured.read(lambda reader: reader.find_rules_by_conditions([*wanted, *none]))
    assert rules_there == sorted(found, key=lambda rule: rule.rule_id)
    assert {} == featured.read(lambda reader: reader.find_rules([]))
    assert [] == featured.read(lambda reader: reader.find_rules_by_conditions([]))
