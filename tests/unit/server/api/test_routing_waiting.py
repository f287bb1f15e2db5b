"""Who may still write when it is the turn of a write that has waited for others."""

import json
import time
from collections.abc import Callable

import pytest

from heksher.server.access.grants import parse_grants
from heksher.server.access.signed_session import sign
from heksher.server.app import Application
from heksher.server.operations import people
from heksher.server.storage.base import NOBODY, Storage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.sql import SqlStorage
from heksher.server.write_turns import WriteTurns
from tests.support.access import CONFIG, give_token, take_token
from tests.support.api import FEATURES, Api
from tests.support.asgi_call import Call, send

SETTING, OTHER = "in.a", "out.a"
TOKEN = [(b"api_token", b"hks_slow")]
RULE = {"setting": SETTING, "feature_values": {"user": "new"}, "value": 5}
DECLARATIONS = [
    {"name": name, "configurable_features": ["user"], "type": "int", "default_value": 1} for name in ("in.b", "out.b")
]
# A request for each way in which a write comes to its operation: with a body, without one, and many in one.
WRITES = {
    "POST /api/v1/rules": ("edit", RULE),
    "DELETE /api/v1/rules/1": ("edit", None),
    "POST /api/v1/settings/declare": ("declare", DECLARATIONS[0]),
    "POST /api/v1/settings/declare-many": ("declare", DECLARATIONS),
    "DELETE /api/v1/settings/in.a": ("admin", None),
    "POST /api/v1/tokens": ("admin", {"name": "new", "grants": ["admin"]}),
    "DELETE /api/v1/people/Ada": ("admin", None),
}

Meanwhile = Callable[[Storage], object]


@pytest.fixture
def app() -> Application:
    """A service that checks who may do what, with two settings, a rule, a person, and an admin's token."""
    api = Api()
    api.add_features(*FEATURES)
    for name in (SETTING, OTHER):
        api.declare(name, configurable_features=["user"], default_value=1)
    api.add_rule(SETTING, {"user": "a"}, 2)
    give_token(api.storage, "admin", name="root")
    people.add(api.storage, "Ada", parse_grants(["admin"]), "correct horse", NOBODY)
    people.rotate_key(api.storage, NOBODY)
    return Application(CONFIG, api.storage)


def give(app: Application, *grants: str) -> None:
    give_token(app.services.storage, *grants, name="slow")


def wait_for_turn(
    app: Application,
    monkeypatch: pytest.MonkeyPatch,
    request: tuple[str, object],
    meanwhile: Meanwhile,
    headers: list[tuple[bytes, bytes]] = TOKEN,
) -> Call:
    """Send a request whose turn to write comes only after something was done, and return the answer."""
    run = WriteTurns.run

    async def run_later(turns: WriteTurns, write: Callable[[], object]) -> object:
        meanwhile(app.services.storage)
        return await run(turns, write)

    monkeypatch.setattr(WriteTurns, "run", run_later)
    return ask(app, request, headers)


def wait_in_storage(
    app: Application, monkeypatch: pytest.MonkeyPatch, request: tuple[str, object], meanwhile: Meanwhile
) -> Call:
    """Send a request whose transaction begins only after something was done, and return the answer."""
    writes = {kind: kind.write for kind in (MemoryStorage, SqlStorage)}

    def write_later(storage: Storage, *arguments: object) -> object:
        for kind, write in writes.items():
            monkeypatch.setattr(kind, "write", write)
        meanwhile(app.services.storage)
        return storage.write(*arguments)

    for kind in writes:
        monkeypatch.setattr(kind, "write", write_later)
    return ask(app, request, TOKEN)


def ask(app: Application, request: tuple[str, object], headers: list[tuple[bytes, bytes]]) -> Call:
    route, body = request
    return send(app, *route.split(), headers, b"" if body is None else json.dumps(body).encode())


def read_revision(app: Application) -> int:
    return app.services.storage.read(lambda reader: reader.revision())


@pytest.mark.parametrize("wait", [wait_for_turn, wait_in_storage])
@pytest.mark.parametrize("route", WRITES)
def test_a_token_that_is_revoked_while_a_write_waits_writes_nothing(
    app: Application, monkeypatch: pytest.MonkeyPatch, route: str, wait: Callable[..., Call]
):
    """Whether it waits for its turn, or for the database; of many in one request, too."""
    grant, body = WRITES[route]
    give(app, grant)
    app.services.catalog.refresh()
    after: list[int] = []

    def revoke(storage: Storage) -> None:
        take_token(storage, "slow")
        after.append(read_revision(app))

    answer = wait(app, monkeypatch, (route, body), revoke)
    assert (401, b"application/problem+json") == (answer.status, answer.headers[b"content-type"])
    assert b'Bearer error="invalid_token"' == answer.headers[b"www-authenticate"]
    assert after == [read_revision(app)]


@pytest.mark.parametrize("wait", [wait_for_turn, wait_in_storage])
@pytest.mark.parametrize("left", ["edit:out.", "read", "evaluate"])
def test_a_grant_that_is_removed_while_a_write_waits_does_not_count(
    app: Application, monkeypatch: pytest.MonkeyPatch, left: str, wait: Callable[..., Call]
):
    """For the setting, or for the route."""
    give(app, "edit:in.")
    app.services.catalog.refresh()
    answer = wait(app, monkeypatch, ("POST /api/v1/rules", RULE), lambda _: give(app, left))
    assert (403, b"application/problem+json") == (answer.status, answer.headers[b"content-type"])
    assert 1 == app.services.storage.read(lambda reader: reader.count_rules())


@pytest.mark.parametrize("wait", [wait_for_turn, wait_in_storage])
def test_of_many_declarations_those_are_refused_that_may_not_be_made_any_more(
    app: Application, monkeypatch: pytest.MonkeyPatch, wait: Callable[..., Call]
):
    """Each for itself, as they are otherwise."""
    give(app, "declare")
    app.services.catalog.refresh()
    request = "POST /api/v1/settings/declare-many", DECLARATIONS
    answer = wait(app, monkeypatch, request, lambda _: give(app, "declare:out."))
    assert [403, 200] == [item["status"] for item in answer.json()]


@pytest.mark.parametrize("wait", [wait_for_turn, wait_in_storage])
def test_a_grant_that_is_added_while_a_write_waits_counts(
    app: Application, monkeypatch: pytest.MonkeyPatch, wait: Callable[..., Call]
):
    """For the setting; whether the route can be used at all was asked before."""
    give(app, "edit:out.")
    app.services.catalog.refresh()
    assert 201 == wait(app, monkeypatch, ("POST /api/v1/rules", RULE), lambda _: give(app, "edit")).status


@pytest.mark.parametrize(
    "end",
    [
        lambda storage: people.sign_out(storage, "Ada", NOBODY),
        lambda storage: people.set_password(storage, "Ada", "another horse", NOBODY),
        lambda storage: people.remove(storage, "Ada", NOBODY, ways_in=None),
        lambda storage: people.rotate_key(storage, NOBODY),
    ],
)
def test_a_session_that_ends_while_a_write_waits_writes_nothing(
    app: Application, monkeypatch: pytest.MonkeyPatch, end: Meanwhile
):
    """By whichever way it ends."""
    app.services.catalog.refresh()
    access = app.services.catalog.load().picture.access
    cookie = sign(access.signing_key, "Ada", access.persons["Ada"].record.epoch, time.time()).encode()
    own = [(b"host", b"heksher"), (b"origin", b"http://heksher"), (b"cookie", b"heksher=" + cookie)]
    answer = wait_for_turn(app, monkeypatch, ("POST /api/v1/rules", RULE), end, own)
    assert 401 == answer.status
    assert 1 == app.services.storage.read(lambda reader: reader.count_rules())


def test_a_write_that_nothing_happens_to_is_made(app: Application, monkeypatch: pytest.MonkeyPatch):
    """After its turn has come."""
    give(app, "edit:in.")
    app.services.catalog.refresh()
    assert 201 == wait_for_turn(app, monkeypatch, ("POST /api/v1/rules", RULE), lambda _: None).status
