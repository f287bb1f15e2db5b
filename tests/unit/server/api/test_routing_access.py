"""Which role each route needs: one row for each route, and each row tried by everybody, through HTTP.

A route without a row fails the first test, so that routes that are added later get theirs.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx2
import pytest
from starlette.routing import BaseRoute

from heksher.server.access.grants import NOTHING
from heksher.server.operations import people, policies, webhooks
from heksher.server.storage.base import NOBODY
from heksher.server.storage.proposal_records import ProposalContent, ProposalRecord
from tests.support.access import give_token, make_guarded
from tests.support.api import FEATURES, Api

# Everybody there is: nobody, and a token with each grant. Prefixes cover the settings that begin with ``in.``.
GRANTS = (
    "evaluate", "evaluate:in.", "read", "declare", "declare:in.", "edit", "edit:in.", "admin",
)  # fmt: skip
INCLUDED = {
    "evaluate": {"evaluate"},
    "read": {"evaluate", "read"},
    "declare": {"evaluate", "read", "declare"},
    "edit": {"evaluate", "read", "edit"},
    "admin": {"evaluate", "read", "declare", "edit", "admin"},
}


# The rule of each setting of ``seed``, and when it was added.
RULES = {"in.a": 1, "out.a": 2}
ADDED_AT = {"in.a": 6, "out.a": 15}

# Each grant has a proposal about each of these names; the rules of ``seed`` have one of somebody else each, with their
# ids.
NAMES = ("in.a", "out.a", "in.a.old", "out.a.old")
AUTHOR = "author"

# What the names of people end with: they cannot be those of tokens.
PERSON = " (person)"


class Row(NamedTuple):
    """What a route needs.

    Attributes:
        role: the role; ``""`` for none at all.
        body: its body, for a setting's name.
        query: its query string.
        is_limited: whether a grant to evaluate some settings is for those alone.
    """

    role: str
    body: Callable[[str], Any] | None = None
    query: str = ""
    is_limited: bool = False


def _declare(name: str) -> dict[str, Any]:
    return {"name": name, "configurable_features": ["user"], "type": "int", "default_value": 1, "version": "2.0"}


def _add_rule_in_bulk(name: str) -> dict[str, Any]:
    body = {"setting": name, "feature_values": {"user": "new"}, "value": 5}
    return {"operations": [{"method": "POST", "path": "/api/v1/rules", "body": body}]}


TABLE: dict[str, Row] = {
    "GET /openapi.json": Row(""),
    "GET /docs": Row(""),
    "GET /redoc": Row(""),
    "GET /docs/assets/{name}": Row(""),
    "GET /api/health": Row(""),
    "GET /healthz/live": Row(""),
    "GET /healthz/ready": Row(""),
    "GET /metrics": Row(""),
    "GET /api/v1/query": Row("read", query="settings="),
    "POST /api/v1/query": Row("read", lambda name: {"settings": [name]}),
    "GET /api/v1/stream": Row("read", query="settings="),
    "POST /api/v1/stream": Row("read", lambda name: {"settings": [name]}),
    "GET /api/v1/evaluate": Row("evaluate", query="settings={setting}", is_limited=True),
    "POST /api/v1/evaluate": Row("evaluate", lambda name: {"settings": [name]}, is_limited=True),
    "GET /api/v1/contexts": Row("read", query="feature=user"),
    "GET /api/v1/lint": Row("read", query="settings={setting}"),
    "GET /api/v1/context_features": Row("read"),
    "GET /api/v1/context_features/{name}": Row("read"),
    "POST /api/v1/context_features": Row("admin", lambda _: {"context_feature": "new"}),
    "PATCH /api/v1/context_features/{name}/index": Row("admin", lambda _: {"to_after": "theme"}),
    "DELETE /api/v1/context_features/{name}": Row("admin"),
    "GET /api/v1/usage": Row("read"),
    "GET /api/v1/clients": Row("read"),
    "GET /api/v1/settings": Row("read"),
    "GET /api/v1/settings/{name}": Row("read"),
    "DELETE /api/v1/settings/{name}": Row("admin"),
    "POST /api/v1/settings/declare": Row("declare", _declare),
    "POST /api/v1/settings/declare-many": Row("declare", lambda name: [_declare(name)]),
    "PUT /api/v1/settings/{name}/type": Row("declare", lambda _: {"type": "float", "version": "2.0"}),
    "PUT /api/v1/settings/{name}/name": Row("declare", lambda name: {"name": f"{name}2", "version": "2.0"}),
    "PUT /api/v1/settings/{name}/configurable_features": Row(
        "declare", lambda _: {"configurable_features": ["user", "theme"], "version": "2.0"}
    ),
    "GET /api/v1/settings/{name}/metadata": Row("read"),
    "POST /api/v1/settings/{name}/metadata": Row("declare", lambda _: {"metadata": {"a": 1}, "version": "2.0"}),
    "PUT /api/v1/settings/{name}/metadata": Row("declare", lambda _: {"metadata": {"a": 1}, "version": "2.0"}),
    "DELETE /api/v1/settings/{name}/metadata": Row("declare", lambda _: {"version": "2.0"}),
    "PUT /api/v1/settings/{name}/metadata/{key}": Row("declare", lambda _: {"value": 1, "version": "2.0"}),
    "DELETE /api/v1/settings/{name}/metadata/{key}": Row("declare", lambda _: {"version": "2.0"}),
    "POST /api/v1/rules": Row("edit", lambda name: {"setting": name, "feature_values": {"user": "new"}, "value": 5}),
    "GET /api/v1/rules/search": Row("read", query="setting={setting}&feature_values=user:a"),
    "GET /api/v1/rules/{rule_id}": Row("read"),
    "DELETE /api/v1/rules/{rule_id}": Row("edit"),
    "PATCH /api/v1/rules/{rule_id}": Row("edit", lambda _: {"value": 7}),
    "PUT /api/v1/rules/{rule_id}/value": Row("edit", lambda _: {"value": 7}),
    "GET /api/v1/rules/{rule_id}/metadata": Row("read"),
    "POST /api/v1/rules/{rule_id}/metadata": Row("edit", lambda _: {"metadata": {"a": 1}}),
    "PUT /api/v1/rules/{rule_id}/metadata": Row("edit", lambda _: {"metadata": {"a": 1}}),
    "DELETE /api/v1/rules/{rule_id}/metadata": Row("edit"),
    "PUT /api/v1/rules/{rule_id}/metadata/{key}": Row("edit", lambda _: {"value": 1}),
    "DELETE /api/v1/rules/{rule_id}/metadata/{key}": Row("edit"),
    "POST /api/v1/bulk": Row("edit", _add_rule_in_bulk),
    "GET /api/v1/proposals": Row("read", query="setting={setting}"),
    "POST /api/v1/proposals": Row("edit", _add_rule_in_bulk),
    "GET /api/v1/proposals/{proposal_id}": Row("read"),
    "POST /api/v1/proposals/{proposal_id}/approve": Row("edit"),
    "POST /api/v1/proposals/{proposal_id}/decline": Row("edit", lambda _: {"reason": "no"}),
    # Its author does it, who is whoever asks here.
    "POST /api/v1/proposals/{proposal_id}/withdraw": Row("read", lambda _: {}),
    "GET /api/v1/policies": Row("read"),
    "GET /api/v1/policies/{prefix}": Row("read"),
    "PUT /api/v1/policies/{prefix}": Row("admin"),
    "DELETE /api/v1/policies/{prefix}": Row("admin"),
    "GET /api/v1/changes": Row("read", query="setting={setting}"),
    "GET /api/v1/changes/{revision}": Row("read"),
    "GET /api/v1/settings/{name}/history/{revision}": Row("read"),
    # What they take back is the addition of a rule.
    "POST /api/v1/changes/{revision}/revert": Row("edit"),
    "POST /api/v1/settings/{name}/revert": Row("edit", lambda name: {"to": ADDED_AT[name.removesuffix(".old")] - 1}),
    "GET /api/v1/diff": Row("read", query="from=15&setting={setting}"),
    "GET /api/v1/me": Row("evaluate"),
    "GET /api/v1/tokens": Row("admin"),
    "POST /api/v1/tokens": Row("admin", lambda _: {"name": "new", "grants": ["read"]}),
    "PATCH /api/v1/tokens/{name}": Row("admin", lambda _: {"grants": ["edit"]}),
    "DELETE /api/v1/tokens/{name}": Row("admin"),
    "GET /api/v1/people": Row("admin"),
    "POST /api/v1/people": Row("admin", lambda _: {"name": "new", "grants": ["read"]}),
    "PATCH /api/v1/people/{name}": Row("admin", lambda _: {"grants": ["edit"]}),
    "DELETE /api/v1/people/{name}": Row("admin"),
    "POST /api/v1/people/{name}/password": Row("admin", lambda _: {"password": "correct horse"}),
    "POST /api/v1/people/{name}/sign-out": Row("admin"),
    "GET /api/v1/webhooks": Row("admin"),
    "POST /api/v1/webhooks": Row("admin", lambda _: {"name": "new", "url": "https://hooks.example/in"}),
    "GET /api/v1/webhooks/{name}": Row("admin"),
    "PATCH /api/v1/webhooks/{name}": Row("admin", lambda _: {"format": "slack"}),
    "DELETE /api/v1/webhooks/{name}": Row("admin"),
    "POST /api/v1/webhooks/{name}/disable": Row("admin"),
    "POST /api/v1/webhooks/{name}/enable": Row("admin", lambda _: {"skip_missed": True}),
    "POST /api/v1/webhooks/{name}/test": Row("admin"),
}


# Where people sign in and out, who has no credential is who they are for; what they answer, test_sign_in_routes says.
SIGN_IN = {
    "GET /sign-in", "POST /sign-in", "GET /sign-in/oidc", "GET /sign-in/oidc/callback", "POST /sign-out",
    "POST /sign-out-everywhere",
}  # fmt: skip


def seed() -> Api:
    """Make a service that checks who may do what, with settings inside and outside of the prefix, each with a rule."""
    return make_guarded(Api().begin_with(_add_nearly_the_same), grants=GRANTS)


def _add_nearly_the_same(api: Api) -> None:
    api.add_features(*FEATURES)
    for name in ("in.a", "out.a"):
        api.declare(f"{name}.old", configurable_features=["user"], default_value=1)
        api.declare(name, configurable_features=["user"], default_value=1, alias=f"{name}.old", version="1.1")
        assert RULES[name] == api.add_rule(name, {"user": "a"}, 2)
        assert ADDED_AT[name] == api.revision()
        # Tokens, people and webhooks of nearly the same names; to a loopback address nothing is sent.
        for called in (name, f"{name}.old"):
            webhooks.create(api.storage, called, "https://127.0.0.1/in", (), "standard", NOBODY)
            give_token(api.storage, "read", name=called)
            people.add(api.storage, called + PERSON, NOTHING, None, NOBODY)
    give_token(api.storage, "edit", name=AUTHOR)
    for rule_id in RULES.values():
        _propose(api, AUTHOR, rule_id)
    for grant in GRANTS:
        for name in NAMES:
            _propose(api, f"with {grant}", RULES[name.removesuffix(".old")])
    policies.put(api.storage, "unused.", NOBODY)


def _propose(api: Api, author: str, rule_id: int) -> None:
    record = ProposalRecord(
        0, "open", author, "token", "", datetime(2026, 11, 1, tzinfo=UTC), None, None, needs_approval=True, size=1
    )
    operation = {"method": "PUT", "path": f"/api/v1/rules/{rule_id}/value", "body": {"value": 7}}
    api.storage.note(lambda notes: notes.add_proposal(record, ProposalContent((operation,), ())))


def find_proposal_id(route: str, setting: str, grant: str | None) -> int:
    """Return the id of a proposal about a rule of a setting that a request may be about."""
    if grant is None or not route.endswith("/withdraw"):
        return RULES.get(setting.removesuffix(".old"), 0)
    return len(RULES) + len(NAMES) * GRANTS.index(grant) + NAMES.index(setting) + 1


def ask(seeded: Api, route: str, setting: str, grant: str | None, more: str = "") -> httpx2.Response:
    """Send a request of a row for a setting, with the token of a grant, or without one, and more parameters."""
    method, path = route.split()
    row = TABLE[route]
    name = "environment" if "context_features/" in path else "swagger-ui-5.35.0.css" if "assets" in path else setting
    name += PERSON if "people/" in path else ""
    called = setting.removesuffix(".old")
    path = path.format(name=name, rule_id=RULES.get(called, 0), key="a", revision=ADDED_AT.get(called, 0),
                       proposal_id=find_proposal_id(route, setting, grant), prefix="unused.")  # fmt: skip
    headers = {} if grant is None else {"Authorization": f"Bearer hks_with {grant}"}
    query = "&".join(filter(None, (row.query.format(setting=setting), more)))
    body = None if row.body is None else row.body(setting)
    path = f"{path}?{query}" if query else path
    if "stream" in path:
        return seeded.open_stream(method, path, body, headers)
    return seeded.request(method, path, json=body, headers=headers)


def list_routes() -> list[BaseRoute]:
    return Api().app.api.routes


def may(grant: str | None, row: Row, setting: str) -> bool:
    """Return whether a grant allows what a route needs, as the issue has it, and not as the program computes it."""
    if not row.role:
        return True
    granted, _, prefix = (grant or "").partition(":")
    if row.role not in INCLUDED.get(granted, set()):
        return False
    is_limited = row.is_limited and granted == "evaluate" if row.role == "evaluate" else row.role != "read"
    return not prefix or not is_limited or setting.startswith(prefix)


def find_status(response: httpx2.Response) -> int:
    """Return the status of an answer, or, of the only item of an answer to many declarations, its own."""
    if response.status_code == 200 and isinstance(content := _read_json(response), list):
        return content[0]["status"]
    return response.status_code


def _read_json(response: httpx2.Response) -> object:
    return response.json() if "json" in response.headers["content-type"] else None


def test_each_route_has_a_row():
    """And each row a route: what is added later says here what it needs."""
    assert sorted({*TABLE, *SIGN_IN}) == sorted(
        f"{method} {route.path}" for route in list_routes() for method in route.methods - {"HEAD"}
    )


@pytest.mark.parametrize("route", sorted(SIGN_IN))
def test_nobody_needs_a_grant_to_sign_in(route: str):
    """With none and with each they get the same answer, in HTML."""
    seeded = seed()
    method, path = route.split()
    answers = [
        seeded.request(method, path, headers={} if grant is None else {"Authorization": f"Bearer hks_with {grant}"})
        for grant in (None, *GRANTS)
    ]
    assert 1 == len({(answer.status_code, answer.headers.get("content-type"), answer.text) for answer in answers})
    assert 401 != answers[0].status_code


@pytest.mark.parametrize("route", TABLE)
def test_everybody_may_what_the_table_says(route: str):
    """With each grant or none; for a setting inside of the prefix, and one outside, also by their former names."""
    role = TABLE[route].role
    unchanged = seed()
    for setting in NAMES:
        for grant in (None, *GRANTS):
            is_allowed = may(grant, TABLE[route], setting)
            is_changing = is_allowed and role in {"declare", "edit", "admin"}
            status = find_status(ask(seed() if is_changing else unchanged, route, setting, grant))
            expected = "allowed" if is_allowed else 401 if grant is None else 403
            found = "allowed" if status // 100 in {2, 3} else status
            assert expected == found, (grant, setting, status)
