"""Who gets in: by which credential, to what."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.server.access.token import make_token
from heksher.server.app import Application
from heksher.server.asgi import gate
from heksher.server.config import Config
from tests.support.access import give_token, make_guarded, take_token
from tests.support.api import FEATURES, Api
from tests.support.asgi_call import send
from tests.support.catalogs import open_fragile
from tests.support.principals import find_token

QUERY = "/api/v1/query?settings="
SETTINGS = "/api/v1/settings"
FEATURE = {"context_feature": "new"}


@pytest.fixture
def api() -> Api:
    """A service that checks who may do what, with tokens for reading and for everything."""
    api = Api()
    api.add_features(*FEATURES)
    return make_guarded(api, grants=("read", "admin", "edit:a."))


def bear(grant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer hks_with {grant}"}


@pytest.mark.trap(46)
@pytest.mark.parametrize("path", [QUERY, SETTINGS, "/nothing", "/api/v1/settings/a"])
def test_nobody_gets_in_without_a_token(api: Api, path: str):
    """The answer says how to get one, in the form of RFC 9457."""
    refused = api.get(path)
    assert (401, "Bearer", "application/problem+json") == (
        refused.status_code,
        refused.headers["WWW-Authenticate"],
        refused.headers["Content-Type"],
    )
    problem = refused.json()
    assert {"type", "title", "status", "detail"} == problem.keys()
    assert "this needs a credential" in problem["detail"]
    assert "heksher access token create" in problem["detail"]


@pytest.mark.parametrize(
    "path", ["/api/health", "/healthz/live", "/healthz/ready", "/metrics", "/docs", "/openapi.json"]
)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, bear("read")])
def test_what_is_for_anybody(api: Api, path: str, headers: dict[str, str]):
    """Also for those who show a wrong token."""
    assert api.get(path, headers=headers).status_code in {200, 503}


@pytest.mark.parametrize(
    "headers",
    [
        bear("read"),
        {"Authorization": "hks_with read"},
        {"X-API-Key": "hks_with read"},
        {"api_token": "hks_with read"},
        {"api_token": "hks_with read", **bear("read")},
    ],
)
def test_a_token_lets_in(api: Api, headers: dict[str, str]):
    """In each header in which programs send it, to queries and all else."""
    assert [200] * 3 == [api.get(path, headers=headers).status_code for path in (QUERY, QUERY, SETTINGS)]


@pytest.mark.parametrize("token", ["", "hks_", "hks_with read ", "hks_with write", "Basic eDp5", "\u00e4"])
def test_a_wrong_token_does_not(api: Api, token: str):
    """Nor does it count as none: the answer says so, and not what it was."""
    for headers in ({"Authorization": f"Bearer {token}x".encode()}, {"api_token": f"{token}x".encode()}):
        refused = api.get(QUERY, headers=headers)
        assert 401 == refused.status_code
        assert "a token is hks_ and 43 characters" in refused.json()["detail"]
        assert "hks_with" not in refused.text


def test_who_has_a_token_is_told_why_it_does_not_count(api: Api):
    """That it has ended, to whoever has it; nobody is told whether there ever was another one."""
    ended, revoked, unknown = make_token(), make_token(), make_token()
    give_token(api.storage, "read", name="ended", secret=ended, expires_in=timedelta(seconds=-1))
    give_token(api.storage, "read", name="revoked", secret=revoked)
    take_token(api.storage, "revoked")
    api.app.services.catalog.refresh()
    end = find_token(api.storage, "ended").expires_at
    details = []
    for token in (ended, revoked, unknown):
        refused = api.get(QUERY, headers={"api_token": token})
        assert (401, 'Bearer error="invalid_token"') == (refused.status_code, refused.headers["WWW-Authenticate"])
        assert token[4:] not in refused.text
        details.append(refused.json()["detail"])
    assert f"this token has ended, at {end:%Y-%m-%dT%H:%M:%SZ};" in details[0]
    assert "was revoked, or is mistyped" in details[1]
    assert details[1] == details[2]


def test_two_tokens_are_refused(api: Api):
    """Whichever of them is right."""
    refused = api.get(QUERY, headers={**bear("read"), "api_token": "hks_with admin"})
    assert (400, 'Bearer error="invalid_request"') == (refused.status_code, refused.headers["WWW-Authenticate"])
    assert "two different tokens" in refused.json()["detail"]


def test_a_grant_that_is_missing_is_named(api: Api):
    """For the route; and for the setting, where that decides."""
    refused = api.post("/api/v1/context_features", json=FEATURE, headers=bear("read"))
    assert (403, "this needs the grant admin") == (refused.status_code, refused.json()["detail"].partition(":")[0])
    api.post("/api/v1/settings/declare", json=_declare("b.c"), headers=bear("admin"))
    rule = {"setting": "b.c", "feature_values": {"user": "x"}, "value": 1}
    refused = api.post("/api/v1/rules", json=rule, headers=bear("edit:a."))
    assert 403 == refused.status_code
    assert "edit for setting 'b.c' (edit, or edit:b.)" in refused.json()["detail"]


def _declare(name: str) -> dict:
    return {"name": name, "configurable_features": ["user"], "type": "int", "default_value": 1}


def test_the_log_says_whose_token_it_was(api: Api):
    """It is proved; a name in a header does not count beside it."""
    headers = {**bear("admin"), "Heksher-Actor": "Ada"}
    assert 204 == api.post("/api/v1/context_features", json=FEATURE, headers=headers).status_code
    origin = api.read_log()[-1].origin
    assert ("with admin", "token") == (origin.actor, origin.actor_kind)


def test_a_token_that_has_ended_lets_nobody_in(api: Api, monkeypatch: pytest.MonkeyPatch):
    """From that moment on, without anything being stored."""
    give_token(api.storage, "read", name="short", expires_in=timedelta(hours=1))
    api.app.services.catalog.refresh()
    headers = {"api_token": "hks_short"}
    assert 200 == api.get(QUERY, headers=headers).status_code
    later_s = (datetime.now(UTC) + timedelta(hours=1)).timestamp()
    monkeypatch.setattr(gate.time, "time", lambda: later_s)
    assert 401 == api.get(QUERY, headers=headers).status_code


def test_a_token_that_was_taken_back_lets_nobody_in(api: Api):
    """At once in the process that took it; also where the answer is in memory."""
    assert 200 == api.get(QUERY, headers=bear("read")).status_code
    take_token(api.storage, "with read")
    api.app.services.catalog.refresh()
    assert 401 == api.get(QUERY, headers=bear("read")).status_code
    assert 200 == api.get(QUERY, headers=bear("admin")).status_code


def test_a_token_that_was_narrowed_allows_no_more(api: Api):
    """At once, however often it was used before."""
    for _ in range(3):
        assert 200 == api.get(QUERY, headers=bear("read")).status_code
    give_token(api.storage, "evaluate", name="with read")
    api.app.services.catalog.refresh()
    assert [403] * 2 == [api.get(QUERY, headers=bear("read")).status_code for _ in range(2)]


def test_a_known_token_is_not_taken_for_another(api: Api):
    """Whatever came before: another header makes another token of the same value, and a second token is still one."""
    for _ in range(2):
        assert 200 == api.get(QUERY, headers=bear("read")).status_code
        assert 200 == api.get(QUERY, headers={"api_token": "hks_with read"}).status_code
    for header in ("api_token", "X-API-Key"):
        assert 401 == api.get(QUERY, headers={header: "Bearer hks_with read"}).status_code
        assert 400 == api.get(QUERY, headers={**bear("read"), header: "hks_with admin"}).status_code


def test_one_token_takes_the_memory_of_one(api: Api):
    """In however many ways it is written."""
    for blanks in range(1, 50):
        headers = {"Authorization": f"Bearer{' ' * blanks}hks_with read"}
        assert [200] * 2 == [api.get(QUERY, headers=headers).status_code for _ in range(2)]
    state = api.app.services.catalog.state
    assert state is not None
    assert 1 == len(state.picture.access.forms)


def test_a_use_is_noted_in_each_hour(api: Api, monkeypatch: pytest.MonkeyPatch):
    """Also of a token that is known from the hour before."""
    start_s = datetime(2026, 11, 28, 9, 59, tzinfo=UTC).timestamp()
    uses = []
    for later_s in (0, 59, 60, 61):
        monkeypatch.setattr(gate.time, "time", lambda now_s=start_s + later_s: now_s)
        assert 200 == api.get(QUERY, headers=bear("read")).status_code
        api.app.services.token_uses.store()
        uses.append(find_token(api.storage, "with read").last_used_at.hour)
    assert [9, 9, 10, 10] == uses


def test_the_end_of_a_token_is_told_for_its_last_days(api: Api):
    """On each answer, whoever gives it."""
    for name, days in (("soon", 29), ("late", 31)):
        give_token(api.storage, "read", name=name, expires_in=timedelta(days=days))
    api.app.services.catalog.refresh()
    for path in (QUERY, QUERY, SETTINGS, "/nothing"):
        told = [api.get(path, headers={"api_token": f"hks_{name}"}).headers for name in ("soon", "late")]
        at = datetime.fromisoformat(told[0]["Heksher-Token-Expires"])
        assert timedelta(days=28) < at - datetime.now(UTC) < timedelta(days=29)
        assert "Heksher-Token-Expires" not in told[1]


def test_other_caches_keep_no_answer_that_needs_a_token(api: Api):
    """They know of Authorization, and not of the other headers. Without access control they may, as before."""
    for path in (QUERY, QUERY, SETTINGS, "/api/v1/settings/unknown"):
        assert "private, no-cache" == api.get(path, headers=bear("read")).headers["Cache-Control"]
    # More than that is not taken back, and what is for anybody is no secret.
    assert "no-store" == api.get("/api/v1/me", headers=bear("read")).headers["Cache-Control"]
    assert "Cache-Control" not in api.get("/openapi.json", headers=bear("read")).headers
    assert "no-cache" == Api(api.storage).get(QUERY).headers["Cache-Control"]
    assert "Cache-Control" not in Api(api.storage).get(SETTINGS).headers


def test_before_the_database_was_reached_nobody_gets_in():
    """Who it is cannot be told; what is for anybody is answered."""
    storage = open_fragile()
    app = Application(Config("unused", has_access=True), storage)
    refused = send(app, "GET", QUERY, [(b"api_token", b"hks_x")])
    assert (503, b"1") == (refused.status, refused.headers[b"retry-after"])
    assert 200 == send(app, "GET", "/healthz/live").status


@pytest.mark.parametrize(
    "field",
    [
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-User",
    ],
)
def test_without_access_control_nobody_comes_through_a_proxy(field: str):
    """Except where the operator has said so, and to what is for anybody."""
    api, headers = Api(), {field: "x"}
    refused = api.get(QUERY, headers=headers)
    assert 403 == refused.status_code
    assert "--access" in refused.json()["detail"]
    assert "--insecure" in refused.json()["detail"]
    assert 403 == api.post("/api/v1/context_features", json=FEATURE, headers=headers).status_code
    assert 200 == api.get("/healthz/live", headers=headers).status_code
    assert 200 == Api(config=Config("unused", is_insecure=True)).get(QUERY, headers=headers).status_code
    assert 200 == make_guarded(api, grants=["read"]).get(QUERY, headers={**headers, **bear("read")}).status_code


def test_what_only_begins_like_a_proxys_header_comes_from_none():
    """Programs may have header fields of their own."""
    assert 200 == Api().get(QUERY, headers={"X-Forwarded-Trace": "x", "Via-Nothing": "x"}).status_code


def test_without_access_control_uses_of_tokens_are_noted():
    """So that one can see which programs send theirs, before it is switched on."""
    api = Api()
    for name in ("sent", "ended", "unsent"):
        give_token(api.storage, "read", name=name, expires_in=timedelta(days=-1 if name == "ended" else 9))
    api.app.services.catalog.refresh()
    for token in ("hks_sent", "hks_ended", "hks_unknown"):
        assert (
            204
            == api.post(
                "/api/v1/context_features", json={"context_feature": token}, headers={"api_token": token}
            ).status_code
        )
    assert 200 == api.get("/api/v1/context_features", headers={"api_token": "a", "X-API-Key": "b"}).status_code
    api.app.services.token_uses.store()
    tokens = api.storage.read(lambda reader: reader.access()).tokens
    assert ["sent"] == [token.name for token in tokens if token.last_used_at is not None]
