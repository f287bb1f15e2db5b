"""Laws of what is saved: it comes back as it was, and nothing else passes for it."""

from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from heksher.clients.conversation.response_reader import QueriedSetting, is_same_answer
from heksher.clients.conversation.saved_state import SavedState, read_payload, write_payload
from heksher.rule_set import Rule
from tests.support.json_strategies import json_values

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)

names = st.text(max_size=5)
rules = st.builds(Rule, st.integers(), st.lists(st.tuples(names, names), max_size=3).map(tuple), json_values())
queried_settings = st.builds(QueriedSetting, st.lists(rules, max_size=4).map(tuple), st.just(True), json_values())
states = st.builds(
    SavedState,
    st.just(MOMENT),
    names,
    names,
    st.lists(names, unique=True, max_size=4).map(tuple),
    st.none() | st.integers(),
    st.dictionaries(names, queried_settings, max_size=3),
)


@given(states)
def test_round_trip(state: SavedState) -> None:
    """Whatever is written is read again, and each value as it was written."""
    restored = read_payload(b"".join(write_payload(state)), MOMENT)
    assert state == restored
    assert all(is_same_answer(setting, restored.settings[name]) for name, setting in state.settings.items())


@given(states, st.data())
def test_damage_is_an_error_or_another_state(state: SavedState, data: st.DataObject) -> None:
    """Whatever stands in a text, reading it gives a state or one kind of error."""
    text = bytearray(b"".join(write_payload(state)))
    for _ in range(3):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        assert isinstance(read_payload(bytes(text), MOMENT), SavedState)
