"""What ends in a service that checks who may do what, and when: at once, where the service itself is told."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.hostile.guarded import Guarded, make, running_guarded
from tests.support.processes import run_python
from tests.support.raw_client import RawClient, connecting
from tests.support.waiting import wait_until

READ = "/api/v1/settings"
STREAM = "/api/v1/stream?settings="
DECLARE = "/api/v1/settings/declare"
# How long a stream may go on, or another process may take to know: a second, and time for a machine that is busy.
MAX_ENDING_S = 4.0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A service."""
    with running_guarded(tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


def create(guarded: Guarded, name: str, *grants: str, expires_at: datetime | None = None) -> str:
    """Create a token through the service; return the header field with it."""
    body = {"name": name, "grants": grants, "expires_at": None if expires_at is None else expires_at.isoformat()}
    status, content = guarded.ask("POST", "/api/v1/tokens", guarded.bear("admin"), body=body)
    assert 201 == status
    guarded.tokens[name] = content["token"]
    return guarded.bear(name)


def change(guarded: Guarded, method: str, path: str, body: object = None) -> None:
    """Have the admin change something."""
    assert 204 == guarded.ask(method, path, guarded.bear("admin"), body=body)[0]


def open_stream(client: RawClient, *fields: str) -> None:
    """Open a stream, and wait until it is open."""
    client.send(make("GET", STREAM, *fields))
    assert b"200 OK" in client.read_answers(1, b"\n\n")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/api/v1/tokens/watcher", None),
        ("PATCH", "/api/v1/tokens/watcher", {"grants": ["evaluate"]}),
        ("POST", "/api/v1/people/Rob/sign-out", None),
        ("POST", "/api/v1/people/Rob/password", {"password": "another horse"}),
        ("PATCH", "/api/v1/people/Rob", {"grants": []}),
        ("DELETE", "/api/v1/people/Rob", None),
    ],
)
def test_a_stream_ends_with_what_it_was_opened_by(tmp_path: Path, method: str, path: str, body: object):
    """And from the answer to whoever ends it on, nothing else is answered, either."""
    with running_guarded(tmp_path) as guarded:
        fields = (create(guarded, "watcher", "read"),) if "tokens" in path else guarded.carry("Rob")
        with connecting(guarded.service.url) as client, connecting(guarded.service.url) as kept:
            open_stream(client, *fields)
            kept.send(make("GET", READ, *fields, is_last=False))
            assert b"200 OK" in kept.read_answers(1, b"]}")
            change(guarded, method, path, body)
            changed_s = time.monotonic()
            kept.send(make("GET", READ, *fields))
            assert kept.read_to_end().startswith((b"HTTP/1.1 401", b"HTTP/1.1 403"))
            assert b"event: end" in client.read_to_end()
            assert time.monotonic() - changed_s < MAX_ENDING_S


def test_a_token_ends_at_its_second(guarded: Guarded):
    """Streams with it do, too."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    field = create(guarded, "short", "read", expires_at=end)
    with connecting(guarded.service.url) as client:
        open_stream(client, field)
        statuses = set()
        while datetime.now(UTC) < end + timedelta(seconds=0.2):
            before = datetime.now(UTC)
            status = guarded.ask("GET", READ, field)[0]
            after = datetime.now(UTC)
            if after < end or before >= end:
                statuses.add((before >= end, status))
        assert {(False, 200), (True, 401)} == statuses
        assert b"event: end" in client.read_to_end()


def test_grants_hold_from_the_answer_on(guarded: Guarded):
    """More of them and fewer."""
    field = create(guarded, "changing", "edit:in.")
    rules = [f"/api/v1/rules/{guarded.rules[name]}" for name in ("in.a", "out.a")]
    for number, (grants, expected) in enumerate(
        ((["edit:in."], [204, 403]), (["edit:out."], [403, 204]), (["read"], [403, 403]), (["edit"], [204, 204]))
    ):
        change(guarded, "PATCH", "/api/v1/tokens/changing", {"grants": grants})
        assert expected == [guarded.ask("PATCH", rule, field, body={"value": 100 + number})[0] for rule in rules]


@pytest.mark.parametrize(
    "take", [lambda name: ("DELETE", name, None), lambda name: ("PATCH", name, {"grants": ["declare:out."]})]
)
def test_a_body_that_comes_late_does_nothing_more(guarded: Guarded, take: Callable[[str], tuple[str, str, object]]):
    """Whoever begins to send it with a token, and ends when that is gone, or allows it no more."""
    field = create(guarded, "slow", "declare:in.")
    body = {"name": "in.slow", "configurable_features": ["user"], "type": "int", "default_value": 1}
    request = make("POST", DECLARE, field, body=body)
    with connecting(guarded.service.url) as client:
        client.send(request[:-20])
        # The service has the head by then, as it answers what comes later.
        assert 200 == guarded.ask("GET", READ, field)[0]
        change(guarded, *take("/api/v1/tokens/slow"))
        before = guarded.count_changes()
        client.send(request[-20:])
        assert client.read_to_end().startswith((b"HTTP/1.1 401", b"HTTP/1.1 403"))
    assert before == guarded.count_changes()
    if guarded.ask("GET", READ, field)[0] == 200:
        change(guarded, "DELETE", "/api/v1/tokens/slow")


def test_signing_in_begins_a_session_of_its_own(guarded: Guarded):
    """Nobody can have somebody else go on in a session that was there before; and after a new key all are void."""
    answers = [guarded.sign_in("Ada") for _ in range(2)]
    for answer in answers:
        assert [303] == answer.statuses
        assert b"; HttpOnly; SameSite=Lax\r\n" in answer.text
    change(guarded, "POST", "/api/v1/people/Ada/sign-out")
    cookies = [answer.text.partition(b"heksher=")[2].partition(b";")[0].decode() for answer in answers]
    assert [401, 401] == [guarded.ask("GET", READ, *_carry(cookie))[0] for cookie in cookies]
    cookie = guarded.sign_in("Ada").text.partition(b"heksher=")[2].partition(b";")[0].decode()
    assert 200 == guarded.ask("GET", READ, *_carry(cookie))[0]
    run_python(["-m", "heksher", "access", "rotate-key", "--db", str(guarded.database)])
    assert wait_until(lambda: guarded.ask("GET", READ, *_carry(cookie))[0] == 401, MAX_ENDING_S)


def test_passwords_cannot_be_tried_for_long(guarded: Guarded):
    """Of somebody who is there or is not, neither the answers nor their number tell which."""
    tried = {
        name: [guarded.sign_in(name, f"wrong {number}").statuses[0] for number in range(12)]
        for name in ("Eve", "Nobody")
    }
    assert [403] * 10 + [429] * 2 == tried["Eve"] == tried["Nobody"]


def _carry(cookie: str) -> tuple[str, str]:
    return f"Cookie: heksher={cookie}", "Sec-Fetch-Site: same-origin"
