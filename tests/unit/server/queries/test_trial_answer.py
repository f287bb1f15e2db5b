"""What is answered about a write that was only tried, where there is much to tell."""

import pytest

from heksher.server.catalog.picture import take_picture
from heksher.server.catalog.trial import TrialStorage
from heksher.server.operations import rules, settings
from heksher.server.operations.bulk import run_all
from heksher.server.queries import trial_answer
from heksher.server.queries.trial_answer import tell_trial
from heksher.server.storage.base import NOBODY, Storage
from tests.support.catalogs import fill
from tests.support.storages import MemoryStorage


@pytest.fixture
def storage() -> Storage:
    """One with a setting and two rules."""
    storage = MemoryStorage()
    storage.open()
    fill(storage)
    return storage


def test_rules_that_were_changed_have_their_conditions(storage: Storage):
    """Though the change has none, and new rules have no number."""
    picture = storage.read(take_picture)
    trial = TrialStorage(picture, storage)
    rules.set_value(trial, 1, 5, NOBODY)
    rules.set_value(trial, rules.add(trial, "cache_ttl", {"user": "new"}, 1, {}, NOBODY).result, 2, NOBODY)
    told = tell_trial(picture, trial)
    assert (1, 3) == (told["revision"], told["size"])
    assert [("1", [["user", "u1"]]), (None, [["user", "new"]]), (None, [["user", "new"]])] == [
        (change["key"], change["feature_values"]) for change in told["changes"]
    ]


def test_of_much_the_first_is_told(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    """And how many changes there would be, and that there are more effects."""
    monkeypatch.setattr(trial_answer, "MAX_CHANGES", 3)
    monkeypatch.setattr(trial_answer, "MAX_EFFECTS", 2)
    picture = storage.read(take_picture)
    trial = TrialStorage(picture, storage)
    steps = [
        lambda storage, number=number: rules.add(storage, "cache_ttl", {"user": f"n{number}"}, 1, {}, NOBODY).result
        for number in range(5)
    ]
    run_all(trial, steps, NOBODY)
    told = tell_trial(picture, trial)
    assert (5, 3, 2, True) == (told["size"], len(told["changes"]), len(told["effects"]), told["has_more_effects"])


def test_nothing_is_nothing(storage: Storage):
    """Neither changes nor effects."""
    picture = storage.read(take_picture)
    trial = TrialStorage(picture, storage)
    settings.rename(trial, "cache_ttl", "cache_ttl", "1.0", NOBODY)
    assert {"revision": 1, "size": 0, "changes": [], "effects": [], "has_more_effects": False} == tell_trial(
        picture, trial
    )
