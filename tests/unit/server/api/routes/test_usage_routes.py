"""What is told of use, and what counts as use (docs/reference/http-api.md, *Use*)."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.config import Config
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from tests.support.api import Api

USAGE, CLIENTS = "/api/v1/usage", "/api/v1/clients"
CHECKOUT = {"User-Agent": "checkout/2.3 heksher/1.0.0", "Heksher-Client": "name=checkout; instance=web-1"}


@pytest.fixture
def asked(api: Api) -> Api:
    """A service with the settings a to c, of which a was called old_a; nobody has asked for any of them."""
    for name in ("old_a", "b", "c"):
        api.declare(name)
    api.declare("a", alias="old_a", version="1.1")
    api.app.services.uses.take()
    return api


def declaring(name: str, **attributes: object) -> dict[str, object]:
    """Return the body of a declaration."""
    return {"name": name, "configurable_features": ["user"], "type": "int", "default_value": 60, **attributes}


def make_service(config: Config, now: datetime) -> Api:
    """Return a service on a storage in memory whose settings a to d were declared at a time; no use is known."""
    storage = MemoryStorage(lambda: now)
    storage.open()
    api = Api(storage, config)
    api.add_features("user")
    for name in "abcd":
        api.declare(name, configurable_features=["user"])
    api.app.services.uses.take()
    return api


def list_used(api: Api) -> dict[str, str]:
    """Return which settings were used, with the last client."""
    api.app.services.use_recorder.store()
    return {
        setting["name"]: setting["last_client"]
        for setting in api.get(USAGE).json()["settings"]
        if setting["last_used_at"] is not None
    }


def ask(api: Api, method: str, path: str, **arguments: object) -> None:
    """Ask as a program that says who it is."""
    assert api.request(method, path, headers=CHECKOUT, **arguments).status_code in {200, 304}


@pytest.mark.storages
@pytest.mark.parametrize(
    ("method", "path", "body", "used"),
    [
        ("GET", "/api/v1/query?settings=a,b", None, {"a", "b"}),
        ("GET", "/api/v1/query?settings=old_a", None, {"a"}),
        ("POST", "/api/v1/query", {"settings": ["b", "c"]}, {"b", "c"}),
        ("GET", "/api/v1/query", None, set()),
        ("GET", "/api/v1/query?settings=", None, set()),
        ("HEAD", "/api/v1/query?settings=a", None, {"a"}),
        ("GET", "/api/v1/evaluate?settings=old_a", None, {"a"}),
        ("GET", "/api/v1/evaluate", None, set()),
        ("POST", "/api/v1/evaluate", {"settings": ["c"], "context": {"user": "x"}}, {"c"}),
    ],
)
def test_queries_and_evaluations_are_uses(asked: Api, method: str, path: str, body: object, used: set[str]):
    """Those that name settings, from memory or not, under any name; the client is seen by each."""
    for _ in range(3):
        ask(asked, method, path, **({} if body is None else {"json": body}))
    assert dict.fromkeys(used, "checkout/2.3 (web-1)") == list_used(asked)
    (client,) = asked.get(CLIENTS).json()["clients"]
    assert {
        "name": "checkout",
        "version": "2.3",
        "instance": "web-1",
        "user_agent": "checkout/2.3 heksher/1.0.0",
        "revision": asked.revision(),
    } == {key: value for key, value in client.items() if key != "last_seen_at"}
    assert abs(datetime.fromisoformat(client["last_seen_at"]) - datetime.now(UTC)) < timedelta(minutes=5)


def test_an_answer_that_the_client_has_is_a_use(asked: Api):
    """As pollers get nothing else most of the time."""
    tag = asked.get("/api/v1/query?settings=b").headers["etag"]
    asked.app.services.uses.take()
    response = asked.get("/api/v1/query?settings=b", headers={**CHECKOUT, "If-None-Match": tag})
    assert (304, {"b": "checkout/2.3 (web-1)"}) == (response.status_code, list_used(asked))


@pytest.mark.parametrize("is_one", [True, False])
def test_declarations_are_uses(asked: Api, is_one: bool):
    """Also those that are refused for what they differ in, under all names that they have; no others."""
    declarations = [
        declaring("b"),
        declaring("new_a", alias="a", version="0.9"),
        declaring("c", default_value=5),
        declaring("unknown", configurable_features=["nothing"]),
    ]
    for body in declarations if is_one else [declarations]:
        path = "/api/v1/settings/declare" if is_one else "/api/v1/settings/declare-many"
        asked.post(path, json=body, headers=CHECKOUT)
    assert dict.fromkeys("abc", "checkout/2.3 (web-1)") == list_used(asked)
    assert [None] == [client["revision"] for client in asked.get(CLIENTS).json()["clients"]]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/query?settings=a,unknown", None),
        ("GET", "/api/v1/evaluate?settings=a,unknown", None),
        ("GET", "/api/v1/settings/a", None),
        ("GET", "/api/v1/settings", None),
        ("GET", USAGE, None),
        ("POST", "/api/v1/rules", {"setting": "a", "feature_values": {"user": "x"}, "value": 1}),
    ],
)
def test_what_is_no_use(asked: Api, method: str, path: str, body: object):
    """What people and their tools do, and queries that are refused."""
    asked.request(method, path, headers=CHECKOUT, **({} if body is None else {"json": body}))
    assert ({}, []) == (list_used(asked), asked.get(CLIENTS).json()["clients"])


def test_a_bulk_write_declares_for_no_program(asked: Api):
    """Whoever writes it is no program that starts."""
    operation = {"method": "POST", "path": "/api/v1/settings/declare", "body": declaring("d")}
    assert 200 == asked.post("/api/v1/bulk", json={"operations": [operation]}, headers=CHECKOUT).status_code
    assert {} == list_used(asked)


def test_a_client_may_say_nothing_of_itself(asked: Api):
    """It is one all the same."""
    asked.get("/api/v1/query?settings=a", headers={"User-Agent": ""})
    assert {"a": "a client without a name"} == list_used(asked)


def make_old(api: Api, days: float) -> None:
    """Let uses be counted for so many days."""
    at = datetime.now(UTC) - timedelta(days=days)
    api.storage.note(lambda notes: notes.note_uses({}, (), at))


def list_unused(api: Api, days: int) -> list[str]:
    return [setting["name"] for setting in api.get(f"{USAGE}?unused_for_days={days}").json()["settings"]]


@pytest.fixture
def aged() -> Api:
    """A service with settings of a hundred days ago, of which b was asked for then, and c ten days ago."""
    old, recent = (datetime.now(UTC) - timedelta(days=days) for days in (100, 10))
    api = make_service(Config(database="unused"), old)
    make_old(api, 99)
    uses = {"b": SettingUse(old, "x"), "c": SettingUse(recent, "x")}
    api.storage.note(lambda notes: notes.note_uses(uses, (), old))
    return api


def test_unused_settings(aged: Api):
    """Those that nobody has asked for in so many days."""
    assert (["a", "b", "c", "d"], ["a", "b", "d"]) == (list_unused(aged, 9), list_unused(aged, 11))


def test_none_is_unused_before_it_was_counted_for_so_long(aged: Api):
    """Nobody knows."""
    assert ["a", "b", "d"] == list_unused(aged, 98)
    assert [] == list_unused(aged, 101)
    aged.storage.note(lambda notes: notes.forget_count())
    assert [] == list_unused(aged, 11)
    assert aged.get(USAGE).json()["since"] is None


def test_a_setting_that_was_not_there_so_long_is_not_unused(asked: Api):
    """However long uses are counted."""
    make_old(asked, 100)
    assert [] == list_unused(asked, 1)


def test_a_service_that_does_not_count_calls_nothing_unused():
    """It says that nobody knows, and tells what was known before."""
    now = datetime.now(UTC)
    api = make_service(Config(database="unused", usage="off"), now - timedelta(days=100))
    make_old(api, 99)
    client = ClientRecord("web", None, None, "web", now, 1)
    api.storage.note(lambda notes: notes.note_uses({"a": SettingUse(now, "web")}, [client], now))
    ask(api, "GET", "/api/v1/query?settings=b")
    assert [] == list_unused(api, 1)
    for path, key, count in ((USAGE, "settings", 4), (CLIENTS, "clients", 1)):
        answer = api.get(path).json()
        assert (None, count) == (answer["since"], len(answer[key]))
    assert {"a": "web"} == list_used(api)
    assert api.storage.read(lambda reader: reader.counted_since()) is None


def test_it_is_told_since_when_uses_are_counted(asked: Api):
    """With the first that is stored."""
    assert asked.get(USAGE).json()["since"] is None
    asked.app.services.use_recorder.store()
    for path in (USAGE, CLIENTS):
        since = datetime.fromisoformat(asked.get(path).json()["since"])
        assert abs(since - datetime.now(UTC)) < timedelta(minutes=5)


def turn_pages(api: Api, path: str, key: str) -> Iterator[Mapping[str, object]]:
    """Yield the items of a list that is told in pages of two."""
    cursor = None
    while True:
        page = api.get(path, params={"limit": 2, **({} if cursor is None else {"cursor": cursor})}).json()
        assert len(page[key]) <= 2
        yield from page[key]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def test_lists_have_pages(asked: Api):
    """Sorted by all that distinguishes their items."""
    agents = ["web/2", "web/1", "shop", "", "web/1 heksher/1.0.0"]
    for agent in agents:
        asked.get("/api/v1/query?settings=a", headers={"User-Agent": agent, "Heksher-Client": "instance=x"})
    asked.get("/api/v1/query?settings=a", headers={"User-Agent": "web/1"})
    asked.app.services.use_recorder.store()
    assert ["a", "b", "c"] == [setting["name"] for setting in turn_pages(asked, USAGE, "settings")]
    clients = [(client["user_agent"], client["instance"]) for client in turn_pages(asked, CLIENTS, "clients")]
    assert [
        ("", "x"), ("shop", "x"), ("web/1", None), ("web/1", "x"), ("web/1 heksher/1.0.0", "x"), ("web/2", "x"),
    ] == clients  # fmt: skip
    assert 4 == len(asked.get(f"{CLIENTS}?name=web").json()["clients"])


@pytest.mark.parametrize("days", ["0", "x", "1.5", "36501"])
def test_malformed_days_are_refused(asked: Api, days: str):
    """The answer says where."""
    response = asked.get(f"{USAGE}?unused_for_days={days}")
    assert 422 == response.status_code
    assert [["query", "unused_for_days"]] == [error["loc"] for error in response.json()["errors"]]
