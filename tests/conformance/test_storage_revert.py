"""Whatever is written, on every storage: taken back change by change, what was there first is there again."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heksher.server.errors import NotFoundError, RevertConflictError
from heksher.server.json_bytes import encode
from heksher.server.operations import past
from heksher.server.operations.reverting import revert
from heksher.server.operations.setting_revert import revert_setting
from heksher.server.storage.base import Origin, Storage
from tests.support.random_writes import NAMES, RandomWrites, see_state, write_state
from tests.support.storages import Place

# How many writes are taken back, and how many with --full.
WRITES, ALL_WRITES = 60, 500
UNDOER = Origin("undoer")


@pytest.fixture
def storage(place: Place) -> Iterator[Storage]:
    """An open, empty storage of each kind, whose entries are minutes apart: none is one with another."""
    minutes = itertools.count()
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    storage = place.connect(lambda: begin + timedelta(minutes=next(minutes)))
    storage.open()
    yield storage
    storage.close()


@pytest.fixture
def writes(request: pytest.FixtureRequest) -> int:
    """The number of random writes."""
    return ALL_WRITES if request.config.getoption("--full") else WRITES


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_writes_are_taken_back_one_by_one(storage: Storage, writes: int, seed: int) -> None:
    """Each leads to the state before it, ids, aliases and metadata included; so does taking that back."""
    random = RandomWrites(storage, seed)
    random.begin()
    states = {storage.read(lambda reader: reader.revision()): write_state(see_state(storage))}
    for _ in range(writes):
        revision = random.write()
        states[revision] = write_state(see_state(storage))
    revisions = sorted(states)
    for before, revision in list(itertools.pairwise(revisions))[::-1]:
        reverted = revert(storage, revision, UNDOER, is_forced=True)
        assert states[before] == write_state(see_state(storage)), revision
        assert (reverted.result > 0, UNDOER) == (
            reverted.is_change,
            storage.read(lambda reader: reader.log(reader.revision() - 1))[0].origin,
        )
    last = storage.read(lambda reader: reader.revision())
    # And all of them again, which is to take back what took them back.
    for revision in range(last, revisions[-1], -1):
        revert(storage, revision, UNDOER, is_forced=True)
    assert states[revisions[-1]] == write_state(see_state(storage))


@pytest.mark.parametrize("seed", [4, 5])
def test_a_setting_is_made_what_it_was(storage: Storage, seed: int) -> None:
    """With its rules, whatever was done to it since, unless something stands against it, which changes nothing."""
    random = RandomWrites(storage, seed)
    random.begin()
    revisions = [random.write() for _ in range(WRITES)]
    done = 0
    for revision, name in itertools.product(revisions[::-6], NAMES):
        before = see_state(storage)
        try:
            former = past.get_setting(storage, name, revision)
            revert_setting(storage, name, revision, UNDOER, is_forced=True)
        except (NotFoundError, RevertConflictError):
            assert write_state(before) == write_state(see_state(storage))
            continue
        now = past.get_setting(storage, former["setting"]["name"], storage.read(lambda reader: reader.revision()))
        assert without_order(former) == without_order(now), (name, revision)
        done += 1
    assert done > WRITES / 6


def without_order(state: Any) -> bytes:
    """Return the JSON of a setting with its rules, whatever the order of context features is."""
    setting = {**state["setting"], "configurable_features": sorted(state["setting"]["configurable_features"])}
    return encode([setting, [{**rule, "feature_values": sorted(rule["feature_values"])} for rule in state["rules"]]])
