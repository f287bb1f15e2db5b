"""Two editors at once, on every storage: each edit is stored or refused, and none is lost."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from heksher.server.errors import OutdatedError
from heksher.server.operations import context_features, rules
from heksher.server.operations.declaration import declare
from heksher.server.operations.expecting_storage import ExpectingStorage
from heksher.server.storage.base import NOBODY, RULE, Expectation, Origin, Storage
from tests.support.operations import declaring

NAMES = ("ada", "bob")
# How often both edit at the same time, and how often with --full.
ROUNDS, ALL_ROUNDS = 60, 1000


def edit(storage: Storage, name: str, number: int, barrier: Barrier) -> bool:
    """Read the rule, and change it when the other editor does; return whether that was stored."""
    read = rules.get(storage, 1)
    upon = read.content["value"]["mine"]
    barrier.wait()
    expecting = ExpectingStorage(storage, Expectation(RULE, "1", frozenset({read.tag})))
    try:
        return rules.set_value(expecting, 1, {"mine": number, "upon": upon}, Origin(name)).is_change
    except OutdatedError as error:
        refusal = error
    assert refusal.current["value"]["mine"] != upon
    return False


def test_no_edit_of_two_editors_is_lost(storage: Storage, request: pytest.FixtureRequest) -> None:
    """What is stored was made of what was there before it; whoever comes second is told so."""
    rounds = ALL_ROUNDS if request.config.getoption("--full") else ROUNDS
    context_features.add_feature(storage, "user", NOBODY)
    declare(storage, declaring(type="Mapping<int>", default_value={}, features=("user",)), NOBODY)
    rules.add(storage, "cache_ttl", {"user": "x"}, {"mine": 0, "upon": 0}, {}, NOBODY)
    barrier = Barrier(len(NAMES))

    def work(place: int) -> list[int]:
        numbers = range(1 + place, 2 * rounds + 1, 2)
        return [number for number in numbers if edit(storage, NAMES[place], number, barrier)]

    with ThreadPoolExecutor(len(NAMES)) as threads:
        stored = sorted(number for each in threads.map(work, range(len(NAMES))) for number in each)
    changes = [entry.change for entry in storage.read(lambda reader: reader.log(3, 10_000))]
    assert stored == sorted(change.after["value"]["mine"] for change in changes)
    assert [change.before["value"]["mine"] for change in changes] == [
        change.after["value"]["upon"] for change in changes
    ]
    # In each round one of both is the first.
    assert rounds == len(stored)
