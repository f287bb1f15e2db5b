"""Moving in: reading, storing and comparing together. What the operations do is in their own tests."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from heksher.server.errors import FullError, NotAcceptableError
from heksher.server.importing import moving
from heksher.server.importing.existing_service import ExistingService, ExistingServiceError
from heksher.server.importing.moving import MovingOptions, Outcome, move_in
from heksher.server.operations import rules
from heksher.server.storage.base import NOBODY, Storage
from heksher.server.storage.ceilings import Ceilings, Counts
from heksher.server.storage.memory import MemoryStorage
from tests.support.existing_service import SimulatedService, fill
from tests.support.operations import read_last, read_revision


@pytest.fixture
def simulated() -> SimulatedService:
    """An existing service with five settings with three rules each."""
    simulated = SimulatedService("user", "environment")
    fill(simulated, settings=5, rules_each=3)
    return simulated


@pytest.fixture
def storage() -> Storage:
    """An empty storage."""
    storage = MemoryStorage()
    storage.open()
    return storage


@contextmanager
def reading(simulated: SimulatedService) -> Iterator[ExistingService]:
    with simulated.serving() as url, ExistingService(url, {}) as service:
        yield service


def move(simulated: SimulatedService, storage: Storage, said: list[str] | None = None, **options: object) -> Outcome:
    with reading(simulated) as service:
        return move_in(service, storage, MovingOptions(**options), ([] if said is None else said).append)


def test_everything_is_there(simulated: SimulatedService, storage: Storage):
    """In one entry, which says where it is from; both are the same when they are read again."""
    outcome = move(simulated, storage)
    assert (1, [], []) == (outcome.revision, outcome.differing, outcome.found.refused)
    contents = outcome.found.contents
    assert (5, 15, 46) == (len(contents.settings), len(contents.rules), contents.next_rule_id)
    assert contents.settings == storage.read(lambda reader: reader.settings())
    assert contents.rules == storage.read(lambda reader: reader.rules())
    assert read_last(storage).origin.reason.startswith("imported from http://127.0.0.1:")


def test_it_says_how_far_it_is(simulated: SimulatedService, storage: Storage, monkeypatch: pytest.MonkeyPatch):
    """After each portion, but no more often than each second; and when everything is read."""
    simulated.rules = dict.fromkeys(simulated.rules, simulated.rules["domain.setting_0"][:0])
    fill(simulated, settings=401, rules_each=1)
    expected = "read 401 of 401 settings, 401 rules"
    said: list[str] = []
    monkeypatch.setattr(moving, "_PROGRESS_INTERVAL_S", math.inf)
    move(simulated, storage, said)
    comparing = "stored, at revision 1; reading both again, to compare them"
    assert [expected, "writing 401 settings and 401 rules", comparing, expected] == said
    monkeypatch.setattr(moving, "_PROGRESS_INTERVAL_S", -1.0)
    said.clear()
    move(simulated, storage, said, is_updating=True)
    assert ["read 200 of 401 settings, 200 rules", "read 400 of 401 settings, 400 rules"] == said[:2]
    assert "writing what has changed" == said[3]


def test_nothing_is_imported_where_there_are_settings(simulated: SimulatedService, storage: Storage):
    """It is refused before anything is read."""
    move(simulated, storage)
    simulated.paths.clear()
    with pytest.raises(NotAcceptableError, match=r"has 5 settings already: .*--update"):
        move(simulated, storage)
    assert [] == simulated.paths


def test_what_cannot_be_taken_keeps_everything_from_being_written(simulated: SimulatedService, storage: Storage):
    """Unless it is to be skipped: then the rest is written."""
    simulated.settings["domain.setting_0"]["default_value"] = None
    outcome = move(simulated, storage)
    assert (None, 4) == (outcome.revision, len(outcome.found.refused))
    assert 0 == read_revision(storage)
    outcome = move(simulated, storage, is_skipping_invalid=True)
    assert (1, [], 4) == (outcome.revision, outcome.differing, len(outcome.found.refused))
    assert 12 == len(storage.read(lambda reader: reader.rules()))


def test_a_dry_run_writes_nothing(simulated: SimulatedService, storage: Storage):
    """It plans only."""
    outcome = move(simulated, storage, is_dry=True)
    assert (None, 5, 15) == (outcome.revision, len(outcome.plan.added_settings), len(outcome.plan.added_rules))
    assert 0 == read_revision(storage)


def test_an_update_takes_over_what_has_changed(simulated: SimulatedService, storage: Storage):
    """What was changed here keeps it from being written, unless that is to be skipped."""
    move(simulated, storage)
    simulated.rules["domain.setting_0"][0]["value"] = 7
    assert 2 == move(simulated, storage, is_updating=True).revision
    rules.set_value(storage, 3, 8, NOBODY)
    simulated.add_rule("domain.setting_0", 100, 1, {"user": "new"})
    outcome = move(simulated, storage, is_updating=True)
    assert (None, ["3"], 3) == (outcome.revision, [each.key for each in outcome.plan.left], read_revision(storage))
    outcome = move(simulated, storage, is_updating=True, is_skipping_conflicts=True)
    assert (4, []) == (outcome.revision, outcome.differing)


def test_what_has_changed_meanwhile_is_told(simulated: SimulatedService, storage: Storage):
    """When both are read again; an update takes it over."""

    def change(path: str) -> None:
        # The second time is that of the comparison.
        if simulated.paths.count(path) == 2:
            simulated.features.reverse()
            simulated.rules["domain.setting_1"][0]["value"] = 99
            simulated.before_answer = lambda path: None

    simulated.before_answer = change
    outcome = move(simulated, storage)
    assert (1, [("rule", "6"), ("context_features", "")]) == (outcome.revision, outcome.differing)
    assert (2, []) == ((again := move(simulated, storage, is_updating=True)).revision, again.differing)


def test_a_service_that_fails_in_between_leaves_nothing(simulated: SimulatedService, storage: Storage):
    """Everything is read before anything is written."""

    def fail(path: str) -> None:
        if path.endswith("/query"):
            simulated.rules["domain.setting_4"] = [None]

    simulated.before_answer = fail
    with pytest.raises(ExistingServiceError):
        move(simulated, storage)
    assert 0 == read_revision(storage)


def test_a_service_that_fails_in_the_end_leaves_what_is_stored(simulated: SimulatedService, storage: Storage):
    """And that is said, as the error does not say it."""

    def fail(path: str) -> None:
        if simulated.paths.count(path) == 2:
            simulated.features = None

    simulated.before_answer = fail
    said: list[str] = []
    outcome = move(simulated, storage, said)
    assert (1, "stored, at revision 1; reading both again, to compare them") == (read_revision(storage), said[-1])
    assert (1, ExistingServiceError) == (outcome.revision, type(outcome.failure))


@pytest.mark.parametrize("is_dry", [False, True])
@pytest.mark.parametrize(
    ("most", "message"),
    [
        (Counts(4, 15), "0 settings, and 5 more would be above the ceiling of 4: .*HEKSHER_MAX_SETTINGS"),
        (Counts(5, 14), "0 rules, and 15 more would be above the ceiling of 14: .*HEKSHER_MAX_RULES"),
    ],
)
def test_more_than_there_is_room_for_is_not_taken(
    simulated: SimulatedService, storage: Storage, most: Counts, message: str, is_dry: bool
):
    """Nothing is stored, and the message names the remedy: also when it is only tried."""
    storage.ceilings = Ceilings(most)
    with reading(simulated) as service, pytest.raises(FullError, match=message):
        move_in(service, storage, MovingOptions(is_dry=is_dry), lambda _: None)
    assert 0 == read_revision(storage)


@pytest.mark.parametrize("is_dry", [False, True])
def test_an_update_adds_no_more_than_there_is_room_for(simulated: SimulatedService, storage: Storage, is_dry: bool):
    """What is gone there makes room."""
    storage.ceilings = Ceilings(Counts(5, 15))
    updating = MovingOptions(is_updating=True, is_dry=is_dry)
    with reading(simulated) as service:
        move_in(service, storage, MovingOptions(), lambda _: None)
        simulated.rules["domain.setting_1"].pop()
        simulated.add_rule("domain.setting_0", 100, 1, {"user": "new"})
        move_in(service, storage, updating, lambda _: None)
        simulated.add_rule("domain.setting_0", 101, 1, {"user": "newer"})
        with pytest.raises(FullError, match="HEKSHER_MAX_RULES"):
            move_in(service, storage, updating, lambda _: None)
