"""Whatever is written, on every storage: what is told of the past is what was there."""

from random import Random
from typing import Any

import pytest

from heksher.server.catalog.advance import advance
from heksher.server.catalog.picture import make_picture
from heksher.server.catalog.reader import PictureReader
from heksher.server.errors import NotFoundError
from heksher.server.json_bytes import encode
from heksher.server.operations import past
from heksher.server.operations.revision_diff import WantedDiff, compare
from heksher.server.storage.base import Storage
from tests.support.random_writes import NAMES, RandomWrites, State, read_state, see_state, write_state

# How many writes are made, and how many with --full.
WRITES, ALL_WRITES = 60, 150


@pytest.fixture(params=[1, 2])
def states(request: pytest.FixtureRequest, storage: Storage) -> dict[int, State]:
    """What was there at each revision of a storage that was written to at random, from the first setting on."""
    writes = RandomWrites(storage, request.param)
    writes.begin()
    found = {storage.read(lambda reader: reader.revision()): see_state(storage)}
    for _ in range(ALL_WRITES if request.config.getoption("--full") else WRITES):
        revision = writes.write()
        found[revision] = see_state(storage)
    return found


def test_a_setting_of_the_past_is_what_was_there(storage: Storage, states: dict[int, State]) -> None:
    """At each revision, with its rules, by each name that leads to it."""
    reached: set[tuple[int, str]] = set()
    for name in (*NAMES, "unheard_of"):
        for revision, (order, seen) in states.items():
            try:
                found = past.get_setting(storage, name, revision)
            except NotFoundError:
                continue
            was: Any = found["setting"]
            rules: Any = found["rules"]
            setting, rules_then = seen[was["name"]]
            then = [{"rule_id": rule_id, **rule} for rule_id, rule in sorted(rules_then.items())]
            assert encode([setting, then]) == encode([was, rules]), (name, revision)
            assert was["configurable_features"] == [each for each in order if each in was["configurable_features"]]
            reached.add((revision, was["name"]))
    # A setting that is gone, and whose last name another one has since, has no name to ask for it by.
    there = {(revision, name) for revision, (_, seen) in states.items() for name in seen}
    assert len(reached) > len(there) / 2


def test_a_replay_of_the_log_leads_to_what_was_there(storage: Storage, states: dict[int, State]) -> None:
    """From the beginning, entry by entry."""
    picture = make_picture(0, (), ())
    for entry in storage.read(lambda reader: reader.log(0, 1_000_000, 1_000_000)):
        picture, _ = advance(picture, [entry])
        if entry.revision in states:
            assert write_state(states[entry.revision]) == write_state(read_state(PictureReader(picture)))


def test_a_difference_leads_from_one_state_to_the_other(storage: Storage, states: dict[int, State]) -> None:
    """In both directions, in pages of any size, and says nothing of what is the same."""
    chance = Random(len(states))  # noqa: S311 - the same in each run
    for _ in range(25):
        start, end = chance.choices(list(states), k=2)
        features, settings, cursor = None, [], 0
        limit = chance.choice([1, 2, 100])
        while cursor is not None:
            page, after = compare(storage, WantedDiff(start, end), cursor, limit)
            features = page["context_features"] or features
            assert isinstance(page["settings"], list)
            assert len(page["settings"]) <= limit
            settings += page["settings"]
            cursor = after
        changed = apply(states[start], features, settings)
        assert write_state(changed) == write_state(states[end]), (start, end)
        for each in settings:
            for sides in (each, *each["rules"]):
                before, after_ = sides["before"], sides["after"]
                assert (
                    before is None
                    or after_ is None
                    or all(encode(before[key]) != encode(after_[key]) for key in before)
                )
            assert each["before"] != {} or each["rules"]


def apply(state: State, features: Any, settings: Any) -> State:
    """Return a state after what differs was taken over."""
    order, seen = state
    order = order if features is None else tuple(features["after"])
    left = {
        name: (dict(setting), {key: dict(rule) for key, rule in rules.items()})
        for name, (setting, rules) in seen.items()
    }
    taken = []
    for each in settings:
        before, after = each["before"], each["after"]
        name = each["setting"] if before in (None, {}) else before.get("name", each["setting"])
        setting, rules = left.pop(name, ({}, {})) if before is not None else ({}, {})
        for rule in each["rules"]:
            conditions = {"feature_values": rule["feature_values"]}
            if rule["after"] is None:
                del rules[rule["rule_id"]]
            else:
                rules[rule["rule_id"]] = {**rules.get(rule["rule_id"], conditions), **rule["after"]}
        if after is not None:
            taken.append(({**setting, **after}, rules))
    left.update({setting["name"]: (setting, rules) for setting, rules in taken})
    return order, {
        name: (arrange(setting, order), arrange_rules(name, rules, order)) for name, (setting, rules) in left.items()
    }


def arrange(setting: dict[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    """Return a setting with its context features in another order."""
    chosen = [feature for feature in order if feature in setting["configurable_features"]]
    return {**setting, "configurable_features": chosen}


def arrange_rules(name: str, rules: dict[int, Any], order: tuple[str, ...]) -> dict[int, Any]:
    """Return rules of a setting with a name, with their conditions in another order of context features."""
    arranged = {}
    for rule_id, rule in rules.items():
        conditions = dict(rule["feature_values"])
        pairs = [[feature, conditions[feature]] for feature in order if feature in conditions]
        arranged[rule_id] = {
            "setting": name, "value": rule["value"], "feature_values": pairs, "metadata": rule["metadata"]
        }  # fmt: skip
    return arranged
