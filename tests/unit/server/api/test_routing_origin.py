"""Who the operations learn that a write comes from."""

import pytest

from heksher.server.storage.base import Origin
from tests.support.access import make_guarded
from tests.support.api import Api
from tests.support.operations import read_last

ORIGIN = {"Heksher-Actor": "Ada%20Lovelace", "Heksher-Reason": "needed%3A%204711"}
SETTING = "/api/v1/settings/old"
METADATA = {"metadata": {"key": 1}, "version": "1.1"}
# A request for each route that writes, in an order in which each changes something.
FEATURES = "/api/v1/context_features"
FEATURE = {"context_feature": "region"}
WRITES = [
    ("POST", FEATURES, FEATURE),
    ("PATCH", "/api/v1/context_features/region/index", {"to_before": "user"}),
    ("DELETE", "/api/v1/context_features/region", None),
    (
        "POST",
        "/api/v1/settings/declare",
        {"name": "old", "configurable_features": ["user", "theme"], "type": "int", "default_value": 0},
    ),
    (
        "POST",
        "/api/v1/settings/declare-many",
        [{"name": "one", "configurable_features": ["user"], "type": "int", "default_value": 0}],
    ),
    ("POST", "/api/v1/rules", {"setting": "old", "feature_values": {"user": "guest"}, "value": 1}),
    ("PUT", "/api/v1/rules/1/value", {"value": 2}),
    ("PATCH", "/api/v1/rules/1", {"value": 3}),
    ("POST", "/api/v1/rules/1/metadata", {"metadata": {"a": 1}}),
    ("PUT", "/api/v1/rules/1/metadata", {"metadata": {"b": 1}}),
    ("PUT", "/api/v1/rules/1/metadata/a", {"value": 2}),
    ("DELETE", "/api/v1/rules/1/metadata/a", None),
    ("DELETE", "/api/v1/rules/1/metadata", None),
    ("POST", f"{SETTING}/metadata", {"metadata": {"a": 1}, "version": "1.1"}),
    ("PUT", f"{SETTING}/metadata", {"metadata": {"b": 1}, "version": "1.2"}),
    ("PUT", f"{SETTING}/metadata/a", {"value": 2, "version": "1.3"}),
    ("DELETE", f"{SETTING}/metadata/a", {"version": "1.4"}),
    ("DELETE", f"{SETTING}/metadata", {"version": "1.5"}),
    ("PUT", f"{SETTING}/configurable_features", {"configurable_features": ["user"], "version": "2.0"}),
    ("PUT", f"{SETTING}/type", {"type": "float", "version": "3.0"}),
    ("PUT", f"{SETTING}/name", {"name": "new", "version": "3.1"}),
    ("DELETE", "/api/v1/rules/1", None),
    ("DELETE", SETTING, None),
    ("POST", f"{SETTING}/revert", {"to": 26}),
    ("POST", "/api/v1/changes/28/revert?force=true", None),
    ("POST", "/api/v1/tokens", {"name": "ci", "grants": ["read"]}),
    ("PATCH", "/api/v1/tokens/ci", {"grants": ["declare"]}),
    ("DELETE", "/api/v1/tokens/ci", None),
    ("POST", "/api/v1/people", {"name": "bob", "grants": ["read"]}),
    ("PATCH", "/api/v1/people/bob", {"grants": ["edit"]}),
    ("POST", "/api/v1/people/bob/password", {"password": "correct horse"}),
    ("POST", "/api/v1/people/bob/sign-out", None),
    ("DELETE", "/api/v1/people/bob", None),
    ("POST", "/api/v1/webhooks", {"name": "chat", "url": "https://example.com/hook"}),
    ("PATCH", "/api/v1/webhooks/chat", {"prefixes": ["shop."]}),
    ("POST", "/api/v1/webhooks/chat/disable", None),
    ("POST", "/api/v1/webhooks/chat/enable", {}),
    ("DELETE", "/api/v1/webhooks/chat", None),
    ("PUT", "/api/v1/policies/shop.", None),
    ("DELETE", "/api/v1/policies/shop.", None),
    ("POST", "/api/v1/bulk", {"operations": [{"method": "POST", "path": FEATURES, "body": FEATURE}]}),
]
# One sends a message, and stores nothing. What the others store is no change: test_proposal_routes says whose a change
# is that comes of it.
UNLOGGED = {
    ("POST", "/api/v1/webhooks/{name}/test"),
    ("POST", "/api/v1/proposals"),
    *(("POST", f"/api/v1/proposals/{{proposal_id}}/{how}") for how in ("approve", "decline", "withdraw")),
}


def list_writing_routes(api: Api) -> set[tuple[str, str]]:
    """Return method and path of each route that changes what is stored: all but those that only read or ask."""
    paths = api.get("/openapi.json").json()["paths"]
    asking = {("POST", "/api/v1/query"), ("POST", "/api/v1/stream"), ("POST", "/api/v1/evaluate")}
    return {(method.upper(), path) for path, item in paths.items() for method in item if method != "get"} - asking


def test_every_write_comes_from_the_actor_of_its_request(api: Api):
    """Whatever it writes, with the reason; that is nobody known, except where a token says who it is."""
    guarded = make_guarded(api, grants=["admin"])
    for method, path, body in WRITES:
        arguments = {} if body is None else {"json": body}
        is_guarded = path.startswith(("/api/v1/tokens", "/api/v1/people", "/api/v1/policies"))
        headers = {**ORIGIN, "api_token": "hks_with admin"}
        answer = (guarded if is_guarded else api).request(method, path, headers=headers, **arguments)
        assert answer.is_success, (method, path, answer.text)
        actor, kind = ("with admin", "token") if is_guarded else ("Ada Lovelace", "nobody")
        origin = Origin(actor, "needed: 4711", kind)
        expected = (int(answer.headers["heksher-revision"]), origin)
        entry = read_last(api.storage)
        assert expected == (entry.revision, entry.origin), (method, path)


def test_no_route_that_writes_is_forgotten(api: Api):
    """Each has a request in the test above."""
    assert len(WRITES) == len(list_writing_routes(api) - UNLOGGED)


@pytest.mark.parametrize("name", ["Heksher-Actor", "Heksher-Reason"])
def test_every_route_that_writes_describes_the_headers(api: Api, name: str):
    """As ones that need not be there, with what a malformed one is answered; no other route has them."""
    paths = api.get("/openapi.json").json()["paths"]
    described = set()
    for path, item in paths.items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "header" and parameter["name"] == name:
                    described.add((method.upper(), path))
                    assert (False, True) == (parameter["required"], "400" in operation["responses"]), (method, path)
    assert list_writing_routes(api) == described


def test_a_write_of_nobody_is_logged_as_that(api: Api):
    """Without the header nothing is claimed."""
    api.declare("old")
    assert Origin() == read_last(api.storage).origin


def test_a_malformed_actor_changes_nothing(api: Api):
    """It is refused before anything is looked at."""
    before = read_last(api.storage)
    for method, path, body in WRITES:
        arguments = {} if body is None else {"json": body}
        assert 400 == api.request(method, path, headers={"Heksher-Actor": "%"}, **arguments).status_code
    assert before == read_last(api.storage)
