"""How many settings and rules there may be."""

import re

import pytest

from heksher.server.errors import FullError
from heksher.server.storage.ceilings import Ceilings, Counts, Room

MOST = Counts(100_000, 5_000_000)


class Present:
    """What is there, and how often it was counted."""

    def __init__(self, settings: int, rules: int) -> None:
        self.present = Counts(settings, rules)
        self.looks: list[str] = []

    def count_settings(self) -> int:
        self.looks.append("settings")
        return self.present.settings

    def count_rules(self) -> int:
        self.looks.append("rules")
        return self.present.rules


def test_without_ceilings_there_is_room_for_everything():
    """Nothing is counted."""
    state = Present(10**9, 10**9)
    Room(None).take(state, Counts(10**9, 10**9))
    assert [] == state.looks


@pytest.mark.parametrize(
    ("present", "wanted", "message"),
    [
        (
            Counts(100_000, 0),
            Counts(1, 0),
            "there are 100000 settings, and 1 more would be above the ceiling of 100000: .* HEKSHER_MAX_SETTINGS",
        ),
        (Counts(0, 4_999_999), Counts(1, 2), "there are 4999999 rules, and 2 more .* higher HEKSHER_MAX_RULES"),
    ],
)
def test_what_is_above_a_ceiling_is_refused(present: Counts, wanted: Counts, message: str):
    """The message names the ceiling, and what to do. What is not wanted is not counted, however much there is."""
    with pytest.raises(FullError) as raised:
        Room(Ceilings(MOST)).take(Present(*present), wanted)
    assert re.fullmatch(message, str(raised.value))
    Room(Ceilings(MOST)).take(Present(*present), Counts(0, 0))


def test_room_that_was_taken_is_gone():
    """All is counted once, however often room is taken."""
    state = Present(99_998, 0)
    room = Room(Ceilings(MOST))
    room.take(state, Counts(1, 0))
    room.take(state, Counts(1, 0))
    with pytest.raises(FullError, match="there are 100000 settings"):
        room.take(state, Counts(1, 0))
    assert ["settings"] == state.looks


@pytest.mark.parametrize(
    ("estimate", "looks"),
    [(0, 0), (4_989_999, 0), (4_990_000, 1), (4_999_999, 1)],
)
def test_rules_are_counted_near_the_ceiling_only(estimate: int, looks: int):
    """Far below, the estimate is enough: counting millions would have all other writes wait."""
    state = Present(0, 4_999_000)
    Room(Ceilings(MOST, lambda: Counts(0, estimate))).take(state, Counts(0, 1))
    assert looks == len(state.looks)


def test_a_service_that_is_full_refuses_without_counting():
    """Otherwise whoever tries all the time would have all other writes wait."""
    state = Present(0, 0)
    with pytest.raises(FullError, match="there are 5000000 rules"):
        Room(Ceilings(MOST, lambda: MOST)).take(state, Counts(0, 1))
    assert [] == state.looks
