"""Each answer of each route of tokens and people (docs/reference/http-api.md, *Tokens and people*)."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from heksher.server.access.password import verify_password
from heksher.server.access.token import digest_token
from tests.support.access import CONFIG, give_token, make_guarded
from tests.support.api import FEATURES, Api
from tests.support.operations import read_last
from tests.support.principals import find_person, find_token

TOKENS = "/api/v1/tokens"
PEOPLE = "/api/v1/people"
PROBLEM = "application/problem+json"
PASSWORD = "correct horse"  # noqa: S105 - of nobody


def make_api() -> Api:
    """Return a service that checks who may do what, called by an admin."""
    api = Api(config=CONFIG)
    give_token(api.storage, "admin", name="root")
    api.app.services.catalog.refresh()
    api.headers["api_token"] = "hks_root"  # noqa: S105 - of a service in a test
    return api


@pytest.fixture
def api() -> Api:
    """One with three context features."""
    api = make_api()
    api.add_features(*FEATURES)
    return api


def create(api: Api, name: object = "ci", grants: object = ("read",), **more: object) -> httpx2.Response:
    return api.post(TOKENS, json={"name": name, "grants": grants, **more})


def add(api: Api, name: object = "bob", grants: object = ("read",), **more: object) -> httpx2.Response:
    return api.post(PEOPLE, json={"name": name, "grants": grants, **more})


def read_problem(response: httpx2.Response) -> dict:
    """Return problem details, after checking their form."""
    problem = response.json()
    assert (PROBLEM, response.status_code) == (response.headers["content-type"], problem["status"])
    assert {"type", "title", "status", "detail"} <= set(problem)
    assert isinstance(problem["detail"], str)
    return problem


@pytest.mark.storages
def test_a_token_is_created(api: Api):
    """The answer has it, is to be kept by nobody else, and says where it is now and since when."""
    response = create(api, "my ci", ["declare", "edit:frontend."])
    assert (201, "my ci") == (response.status_code, response.json()["name"])
    token = find_token(api.storage, "my ci")
    assert (digest_token(response.json()["token"]), ("declare", "edit:frontend.")) == (token.digest, token.grants)
    assert ("no-store", f"{TOKENS}/my%20ci", str(api.revision())) == tuple(
        response.headers[name] for name in ("cache-control", "location", "heksher-revision")
    )


def test_a_token_ends_in_a_year():
    """Unless its creator says otherwise."""
    api = make_api()
    create(api)
    assert abs(find_token(api.storage, "ci").expires_at - datetime.now(UTC) - timedelta(days=365)) < timedelta(
        minutes=1
    )


@pytest.mark.parametrize(
    ("expires_at", "expected"),
    [
        (None, None),
        ("2100-01-01T00:00:00Z", datetime(2100, 1, 1, tzinfo=UTC)),
        ("2100-01-01T02:00:00.5+02:00", datetime(2100, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_token_ends_when_its_creator_says(expires_at: str | None, expected: datetime | None):
    """With null never."""
    api = make_api()
    assert 201 == create(api, expires_at=expires_at).status_code
    assert expected == find_token(api.storage, "ci").expires_at


@pytest.mark.storages
def test_tokens_are_listed_without_what_is_secret(api: Api):
    """In pages, sorted by name."""
    made = [create(api, name, expires_at="2100-01-01T00:00:00Z").json()["token"] for name in "bac"]
    first = api.get(TOKENS, params={"limit": 2})
    assert (200, "no-store") == (first.status_code, first.headers["cache-control"])
    second = api.get(TOKENS, params={"cursor": first.json()["next_cursor"]})
    listed = [*first.json()["tokens"], *second.json()["tokens"]]
    assert (["a", "b", "c", "root"], None) == ([token["name"] for token in listed], second.json()["next_cursor"])
    text = first.text + second.text
    assert not any(token in text or digest_token(token) in text for token in made)
    created_at = find_token(api.storage, "a").created_at.isoformat()
    assert {
        "name": "a",
        "grants": ["read"],
        "creator": "root",
        "created_at": created_at,
        "expires_at": "2100-01-01T00:00:00+00:00",
        "last_used_at": None,
    } == listed[0]


def test_a_last_use_is_told_to_the_hour(api: Api):
    """As it is stored."""
    create(api)
    api.storage.note_token_uses({"ci": datetime(2026, 11, 28, 9, 30, tzinfo=UTC)})
    assert "2026-11-28T09:00:00+00:00" == api.get(TOKENS).json()["tokens"][0]["last_used_at"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=", "cursor=", "cursor=x", "limit=1&limit=2"]
)
def test_a_page_that_cannot_be_is_refused(query: str):
    """With the parameter that is wrong."""
    for path in (TOKENS, PEOPLE):
        response = make_api().get(f"{path}?{query}")
        assert 422 == response.status_code
        problem = read_problem(response)
        name = query.partition("=")[0]
        assert (["query", name], True) == (problem["errors"][0]["loc"], problem["detail"].startswith(f"query.{name}: "))


@pytest.mark.storages
def test_a_token_is_changed(api: Api):
    """What is left out stays."""
    create(api)
    before = find_token(api.storage, "ci")
    response = api.patch(f"{TOKENS}/ci", json={"grants": ["edit"]})
    assert (204, b"", str(api.revision())) == (
        response.status_code,
        response.content,
        response.headers["heksher-revision"],
    )
    changed = find_token(api.storage, "ci")
    assert (("edit",), before.expires_at, before.digest) == (changed.grants, changed.expires_at, changed.digest)
    assert 204 == api.patch(f"{TOKENS}/ci", json={"expires_at": None}).status_code
    assert (("edit",), None) == ((token := find_token(api.storage, "ci")).grants, token.expires_at)
    revision = api.revision()
    assert 204 == api.patch(f"{TOKENS}/ci", json={}).status_code
    assert revision == api.revision()


@pytest.mark.storages
def test_a_token_is_revoked(api: Api):
    """And can then be revoked no more."""
    create(api)
    assert 204 == api.delete(f"{TOKENS}/ci").status_code
    response = api.delete(f"{TOKENS}/ci")
    assert (404, "there is no token named 'ci'") == (response.status_code, read_problem(response)["detail"])


@pytest.mark.storages
def test_a_person_is_added_and_listed(api: Api):
    """Without the password, which only the person knows."""
    response = add(api, "Bob B", ["edit"], password=PASSWORD)
    assert (201, {"name": "Bob B"}, f"{PEOPLE}/Bob%20B", "no-store") == (
        response.status_code,
        response.json(),
        response.headers["location"],
        response.headers["cache-control"],
    )
    assert verify_password(find_person(api.storage, "Bob B").password_hash, PASSWORD)
    add(api, "ada", [])
    listed = api.get(PEOPLE)
    bob = {"name": "Bob B", "grants": ["edit"], "has_password": True, "issuer": None, "subject": None}
    ada = {"name": "ada", "grants": [], "has_password": False, "issuer": None, "subject": None}
    assert {"people": [bob, ada], "next_cursor": None} == listed.json()
    assert "argon2" not in listed.text


@pytest.mark.storages
def test_a_person_is_changed_and_removed(api: Api):
    """Grants, password, and being signed in, one after another; each is a change of its own."""
    add(api, password=PASSWORD)
    revision = api.revision()
    for method, path, body in (
        ("PATCH", "", {"grants": ["edit"]}),
        ("POST", "/password", {"password": "another horse"}),
        ("POST", "/sign-out", None),
    ):
        response = api.request(method, f"{PEOPLE}/bob{path}", json=body)
        revision += 1
        assert (204, str(revision)) == (response.status_code, response.headers["heksher-revision"])
    bob = find_person(api.storage, "bob")
    assert (("edit",), True) == (bob.grants, verify_password(bob.password_hash, "another horse"))
    assert (204, None) == (api.delete(f"{PEOPLE}/bob").status_code, find_person(api.storage, "bob"))


@pytest.mark.storages
def test_names_are_taken_once(api: Api):
    """By a token or a person."""
    for make, other, name in ((create, add, "x"), (add, create, "y")):
        assert 201 == make(api, name).status_code
        again = make(api, name)
        assert (409, True) == (again.status_code, f"{name!r} already" in read_problem(again)["detail"])
        assert 409 == other(api, name).status_code


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"{TOKENS}/x", {"grants": ["read"]}),
        ("DELETE", f"{TOKENS}/x%00", None),
        ("PATCH", f"{PEOPLE}/x", {"grants": []}),
        ("DELETE", f"{PEOPLE}/%ff", None),
        ("POST", f"{PEOPLE}/x/password", {"password": "correct horse"}),
        ("POST", f"{PEOPLE}/{'x' * 5000}/sign-out", None),
    ],
)
def test_who_and_what_is_unknown_is_not_found(method: str, path: str, body: object):
    """In words that are no longer for a longer name."""
    response = make_api().request(method, path, json=body)
    assert (404, True) == (response.status_code, len(response.content) < 500)
    assert "there is no" in read_problem(response)["detail"]


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        (TOKENS, {"grants": ["read"]}, "name"),
        (TOKENS, {"name": "", "grants": ["read"]}, "name"),
        (TOKENS, {"name": 5, "grants": ["read"]}, "name"),
        (TOKENS, {"name": "a/b", "grants": ["read"]}, "name"),
        (TOKENS, {"name": "a" * 101, "grants": ["read"]}, "name"),
        (TOKENS, {"name": "a", "grants": []}, "grants"),
        (TOKENS, {"name": "a", "grants": "read"}, "grants"),
        (TOKENS, {"name": "a", "grants": ["reads"]}, "grants"),
        (TOKENS, {"name": "a", "grants": ["read:in."]}, "grants"),
        (TOKENS, {"name": "a", "grants": [5]}, "grants"),
        (TOKENS, {"name": "a", "grants": ["edit:" + "a" * 300 + "."]}, "grants"),
        (TOKENS, {"name": "a", "grants": ["read"] * 101}, "grants"),
        (TOKENS, {"name": "a", "grants": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        (TOKENS, {"name": "a", "grants": ["read"], "expires_at": "2100-01-01T00:00:00"}, "expires_at"),
        (TOKENS, {"name": "a", "grants": ["read"], "expires_at": "never"}, "expires_at"),
        (TOKENS, {"name": "a", "grants": ["read"], "expires_at": 4_000_000_000}, "expires_at"),
        (TOKENS, {"name": "a", "grants": ["read"], "expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        (PEOPLE, {"name": "a"}, "grants"),
        (PEOPLE, {"name": " a", "grants": []}, "name"),
        (PEOPLE, {"name": "a", "grants": [], "password": "7 signs"}, "password"),
        (PEOPLE, {"name": "a", "grants": [], "password": 12345678}, "password"),
        (PEOPLE, {"name": "a", "grants": [], "password": "a" * 1001}, "password"),
    ],
)
def test_what_breaks_the_rules_is_refused(path: str, body: dict, place: str):
    """With a text and a list of the parts, and nothing of what was sent as a password."""
    response = make_api().post(path, json=body)
    assert 422 == response.status_code
    problem = read_problem(response)
    (error,) = problem["errors"]
    assert (["body", place], f"body.{place}: {error['msg']}") == (error["loc"], problem["detail"])
    assert "password" not in body or str(body["password"]) not in response.text


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("PUT", TOKENS, {}, 405),
        ("POST", TOKENS, {"content": b"{"}, 422),
        ("POST", TOKENS, {"content": b"a" * 5_000_000}, 413),
        ("POST", PEOPLE, {"json": {}, "headers": {"Content-Encoding": "gzip"}}, 415),
        ("POST", PEOPLE, {"json": {}, "headers": {"Heksher-Actor": "%"}}, 400),
        ("POST", PEOPLE, {"json": {}, "headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
    ],
)
def test_every_refusal_has_problem_details(method: str, path: str, arguments: dict, status: int):
    """Whichever step refuses."""
    response = make_api().request(method, path, **arguments)
    assert status == response.status_code
    assert status == read_problem(response)["status"]


def test_the_log_names_who_asks():
    """The person or the token, as proved."""
    api = make_api()
    add(api, "ada", ["admin"])
    guarded = make_guarded(api, grants=["admin"])
    response = create(guarded, headers={})
    assert 401 == response.status_code
    header = {"Authorization": "Bearer hks_with admin", "Heksher-Actor": "somebody"}
    created = guarded.post(TOKENS, json={"name": "ci", "grants": ["read"]}, headers=header)
    assert 201 == created.status_code
    origin = read_last(api.storage).origin
    assert ("with admin", "token", "with admin") == (
        origin.actor,
        origin.actor_kind,
        find_token(api.storage, "ci").creator,
    )


def test_a_token_that_is_created_is_taken_at_once_and_no_more_when_it_is_revoked():
    """By the process that has answered."""
    guarded = make_guarded(make_api(), grants=["admin"])
    admin = {"Authorization": "Bearer hks_with admin"}
    secret = guarded.post(TOKENS, json={"name": "ci", "grants": ["read"]}, headers=admin).json()["token"]
    header = {"Authorization": f"Bearer {secret}"}
    me = guarded.get("/api/v1/me", headers=header)
    assert (200, {"kind": "token", "name": "ci", "grants": ["read"]}) == (me.status_code, me.json())
    assert 204 == guarded.delete(f"{TOKENS}/ci", headers=admin).status_code
    assert 401 == guarded.get("/api/v1/me", headers=header).status_code


@pytest.mark.storages
def test_the_last_admin_cannot_go():
    """The answer says how it can."""
    api = make_api()
    secret = give_token(api.storage, "admin", name="root")
    guarded, admin = make_guarded(api), {"Authorization": f"Bearer {secret}"}
    for method, body in (("DELETE", None), ("PATCH", {"grants": ["read"]})):
        response = guarded.request(method, f"{TOKENS}/root", json=body, headers=admin)
        assert (409, True) == (response.status_code, "heksher access" in read_problem(response)["detail"])
    assert 200 == guarded.get(TOKENS, headers=admin).status_code


def test_anybody_is_nobody_who_may_do_everything_where_access_is_not_checked():
    """Who asks is told so."""
    response = Api().get("/api/v1/me")
    assert {"kind": "nobody", "name": "", "grants": ["admin"]} == response.json()
    assert "no-store" == response.headers["cache-control"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [TOKENS, PEOPLE, f"{TOKENS}/ci", f"{PEOPLE}/bob", f"{PEOPLE}/bob/password"])
def test_where_access_is_not_checked_nobody_makes_tokens(method: str, path: str):
    """They would still be valid, and allow everything, once it is."""
    api = Api()
    response = api.request(method, path, json={"name": "x", "grants": ["admin"]})
    assert response.status_code in {403, 405}
    if response.status_code == 403:
        assert "'heksher access' on the machine" in read_problem(response)["detail"]
    assert 0 == api.revision()


@pytest.mark.parametrize(
    ("method", "path", "body", "unknown"),
    [
        ("POST", TOKENS, {"name": "x", "grants": ["read"], "expires": None}, "expires"),
        ("PATCH", f"{TOKENS}/root", {"grant": ["read"]}, "grant"),
        ("POST", PEOPLE, {"name": "x", "grants": ["read"], "pasword": "correct horse"}, "pasword"),
        ("PATCH", f"{PEOPLE}/x", {"grants": ["read"], "name": "y"}, "name"),
        ("POST", f"{PEOPLE}/x/password", {"password": "correct horse", "old": "x"}, "old"),
    ],
)
def test_a_mistyped_field_does_not_look_as_if_it_was_heeded(method: str, path: str, body: dict, unknown: str):
    """It is named."""
    api = make_api()
    before = api.revision()
    response = api.request(method, path, json=body)
    assert (422, before) == (response.status_code, api.revision())
    assert unknown in read_problem(response)["detail"]


def test_the_last_admin_cannot_be_given_an_end():
    """By which it would be gone in a moment; an end is one where another admin is left."""
    api = make_api()
    change = {"expires_at": (datetime.now(UTC) + timedelta(seconds=5)).isoformat()}
    assert 409 == api.patch(f"{TOKENS}/root", json=change).status_code
    create(api, "other", ["admin"])
    assert 204 == api.patch(f"{TOKENS}/root", json=change).status_code
