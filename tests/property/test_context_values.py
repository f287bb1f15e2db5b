"""Any text as a context value, on each storage: the same text comes back everywhere, and the right rule wins.

The client's conversation, which does no I/O, is had with the application itself: nothing is left out but a socket.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher import Setting
from heksher.clients.conversation.exchange import Flow, Request, Response
from heksher.clients.conversation.saved_state import read_payload, write_payload
from heksher.clients.conversation.session import Session
from heksher.clients.transport.sender import End, advance, translate
from heksher.context import ClientContext
from heksher.context_value import write_value
from heksher.wire import FeatureFilter, format_context_filters
from tests.support.api import FEATURES, Api
from tests.support.context_values import context_values
from tests.support.oracle import Conditions, resolve
from tests.support.storages import STORAGE_KINDS, make_place

T = TypeVar("T")

HEARTBEAT = b":\n\n"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
NAMES = (f"setting_{number}" for number in itertools.count())


@dataclass(frozen=True)
class World:
    """The conditions of a setting's rules, what a client tracks, and the contexts in which it reads."""

    conditions: list[Conditions]
    tracked: Mapping[str, FeatureFilter]
    contexts: list[Conditions]

    def lets_through(self, conditions: Conditions) -> bool:
        return all(
            feature in self.tracked and (self.tracked[feature] is None or value in self.tracked[feature])
            for feature, value in conditions.items()
        )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw few values, some of which look alike, so that rules and contexts often meet."""
    drawn = draw(st.lists(context_values(), min_size=1, max_size=3))
    alike = [value.swapcase() for value in drawn if len(value.swapcase()) == len(value)]
    values = st.sampled_from([*drawn, *filter(str.isascii, alike)])
    features = st.sampled_from(FEATURES)
    some = st.dictionaries(features, values, min_size=1)
    return World(
        draw(st.lists(some, min_size=1, max_size=5, unique_by=lambda conditions: frozenset(conditions.items()))),
        draw(st.dictionaries(features, st.none() | st.frozensets(values, min_size=1), min_size=1)),
        draw(st.lists(st.fixed_dictionaries(dict.fromkeys(FEATURES, values)), min_size=1, max_size=4)),
    )


@pytest.fixture(scope="module", params=STORAGE_KINDS)
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A service on each kind of storage, for all examples."""
    with make_place(request.param, tmp_path_factory.mktemp("place")) as place:
        storage = place.connect()
        storage.open()
        api = Api(storage)
        api.add_features(*FEATURES)
        yield api
        storage.close()


def talk(api: Api, flow: Flow[T]) -> T:
    """Have a conversation of a client with a service."""
    step = advance(flow, None)
    while not isinstance(step, End):
        step = advance(flow, tuple(send(api, request) for request in step))
    return step.result


def send(api: Api, request: Request) -> Response:
    answer = api.request(
        request.method, request.path, params=request.params, headers=request.headers, json=request.body
    )
    return translate(answer)


def check_rules(api: Api, name: str, rules: Mapping[int, Conditions]) -> None:
    """Each rule is told as it was sent, and found by its conditions."""
    for rule_id, conditions in rules.items():
        assert conditions == dict(api.get(f"/api/v1/rules/{rule_id}").json()["feature_values"])
        written = ",".join(f"{feature}:{write_value(value)}" for feature, value in conditions.items())
        found = api.get("/api/v1/rules/search", params={"setting": name, "feature_values": written})
        assert {"rule_id": rule_id} == found.json()


def check_filters(api: Api, name: str, world: World, rules: Mapping[int, Conditions]) -> None:
    """The filters let the same rules through whether they are in a URL or in a body."""
    expected = {rule_id: conditions for rule_id, conditions in rules.items() if world.lets_through(conditions)}
    posted = {feature: "*" if values is None else list(values) for feature, values in world.tracked.items()}
    asked = {"settings": name, "context_filters": format_context_filters(world.tracked)}
    for answer in (
        api.get("/api/v1/query", params=asked),
        api.post("/api/v1/query", json={"settings": [name], "context_filters": posted}),
    ):
        told = answer.json()["settings"][name]["rules"]
        assert expected == {rule["rule_id"]: dict(rule["context_features"]) for rule in told}


def check_streams(api: Api, name: str, world: World, before: int) -> None:
    """Who follows the filters is told of a change exactly if it lets a rule through that was added since."""
    is_told = any(map(world.lets_through, world.conditions))
    filters = format_context_filters(world.tracked)
    posted = {feature: "*" if values is None else list(values) for feature, values in world.tracked.items()}
    for query in (
        urlencode({"settings": name, "context_filters": filters}),
        {"settings": [name], "context_filters": posted},
    ):
        assert is_told == (HEARTBEAT != api.read_stream(query, before))


def check_client(api: Api, name: str, world: World, rules: Mapping[int, Conditions]) -> None:
    """A client reads and explains what the brute force says, also one that starts from the file of the first."""
    session, setting = begin(name, world)
    session.publish(talk(api, session.update()))
    check_reads(setting, world, rules)
    payload = b"".join(write_payload(session.save("http://heksher", NOW)))
    other, restored = begin(name, world)
    assert session.context_filters() == other.context_filters()
    other.restore(read_payload(payload, NOW))
    check_reads(restored, world, rules)


def begin(name: str, world: World) -> tuple[Session, Setting[str]]:
    context = ClientContext(FEATURES)
    context.track({feature: "*" if values is None else values for feature, values in world.tracked.items()})
    session, setting = Session(context), Setting(name, str, FEATURES, "default")
    session.register(setting)
    return session, setting


def check_reads(setting: Setting[str], world: World, rules: Mapping[int, Conditions]) -> None:
    fetched = {rule_id: conditions for rule_id, conditions in rules.items() if world.lets_through(conditions)}
    for context in world.contexts:
        winner = resolve(fetched, context, FEATURES).winner
        value = "default" if winner is None else f"rule {winner}"
        explanation = setting.explain(**context)
        assert [value] * 2 == [setting.get(**context), explanation.value]
        assert context == explanation.context
        if winner is not None:
            assert rules[winner] == dict(explanation.rule.conditions)
            pairs = [f"{feature}={write_value(text)}" for feature, text in explanation.rule.conditions]
            assert f"because of rule {winner} ({', '.join(pairs)}): " in str(explanation)


@given(world=worlds())
def test_any_text_comes_back_and_the_right_rule_wins(api: Api, world: World) -> None:
    """By declaration, rules, search, filters of both kinds, streams, a client, explanations and the file."""
    name = next(NAMES)
    declaration = {"configurable_features": FEATURES, "type": "str", "default_value": "default"}
    api.declare(name, **declaration)
    # As the memory of the service is when a client follows it.
    api.get("/api/v1/query")
    before = api.revision()
    rules = {api.add_rule(name, conditions, "none"): conditions for conditions in world.conditions}
    check_streams(api, name, world, before)
    for rule_id in rules:
        assert 204 == api.put(f"/api/v1/rules/{rule_id}/value", json={"value": f"rule {rule_id}"}).status_code
    check_rules(api, name, rules)
    check_filters(api, name, world, rules)
    check_client(api, name, world, rules)
    assert 204 == api.delete(f"/api/v1/settings/{name}").status_code
