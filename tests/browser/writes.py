"""One request for each route that writes, which stores something when a program sends it."""

from typing import NamedTuple
from urllib.parse import quote

from tests.support.service import HttpOperations

SETTING = {"configurable_features": ["user"], "type": "int", "default_value": 1}


class Write(NamedTuple):
    """A request that writes.

    Attributes:
        route: the path of its route.
        body: anything that JSON can say; ``None`` for no body.
        arguments: what the route's path is filled in with.
    """

    method: str
    route: str
    body: object = None
    arguments: dict[str, object] = {}  # noqa: RUF012 - nobody changes it

    @property
    def path(self) -> str:
        return quote(self.route.format(**self.arguments))


SETTING_ROUTE = "/api/v1/settings/{name}"
RULE_ROUTE = "/api/v1/rules/{rule_id}"
FEATURE_ROUTE = "/api/v1/context_features/{name}"
WEBHOOK_ROUTE = "/api/v1/webhooks/{name}"
# Refused to everybody where access is not checked, as it is in these tests; test_sign_in has pages where it is.
GUARDED_PATHS = ("/api/v1/tokens", "/api/v1/people", "/api/v1/policies")
# It sends a message, and stores nothing; tests/unit/server/asgi/test_entrance.py has it with all others.
SENDING_ROUTE = f"{WEBHOOK_ROUTE}/test"
PROPOSALS_ROUTE = "/api/v1/proposals"
# Nobody is known to be another person where access is not checked.
APPROVING_ROUTE = f"{PROPOSALS_ROUTE}/{{proposal_id}}/approve"
FEATURE_TO_TAKE = {"method": "POST", "path": "/api/v1/context_features", "body": {"context_feature": "taken"}}
FEATURE_TO_PROPOSE = {**FEATURE_TO_TAKE, "body": {"context_feature": "proposed"}}
# When ``fill`` has changed two settings that it has declared first.
CHANGES = {"turned": 5, "undone": 7}
ADDRESS = "https://hooks.invalid/"

WRITES = [
    Write("POST", "/api/v1/context_features", {"context_feature": "stolen"}),
    Write("PATCH", f"{FEATURE_ROUTE}/index", {"to_before": "user"}, {"name": "spare"}),
    Write("DELETE", FEATURE_ROUTE, None, {"name": "spare"}),
    Write("POST", "/api/v1/settings/declare", {"name": "stolen", **SETTING}),
    Write("POST", "/api/v1/settings/declare-many", [{"name": "stolen2", **SETTING}]),
    Write("PUT", f"{SETTING_ROUTE}/type", {"type": "float", "version": "2.0"}, {"name": "typed"}),
    Write("PUT", f"{SETTING_ROUTE}/name", {"name": "stolen3", "version": "2.0"}, {"name": "named"}),
    Write(
        "PUT", f"{SETTING_ROUTE}/configurable_features",
        {"configurable_features": ["user", "theme"], "version": "2.0"}, {"name": "featured"},
    ),
    Write("POST", f"{SETTING_ROUTE}/metadata", {"metadata": {"a": 2}, "version": "2.0"}, {"name": "posted"}),
    Write("PUT", f"{SETTING_ROUTE}/metadata", {"metadata": {"a": 2}, "version": "2.0"}, {"name": "put"}),
    Write("DELETE", f"{SETTING_ROUTE}/metadata", {"version": "2.0"}, {"name": "cleared"}),
    Write("PUT", f"{SETTING_ROUTE}/metadata/{{key}}", {"value": 2, "version": "2.0"}, {"name": "keyed", "key": "a"}),
    Write("DELETE", f"{SETTING_ROUTE}/metadata/{{key}}", {"version": "2.0"}, {"name": "unkeyed", "key": "a"}),
    Write("DELETE", SETTING_ROUTE, None, {"name": "doomed"}),
    Write("POST", f"{SETTING_ROUTE}/revert", {"to": CHANGES["turned"] - 1}, {"name": "turned"}),
    Write("POST", "/api/v1/changes/{revision}/revert", None, {"revision": CHANGES["undone"]}),
    Write("POST", "/api/v1/rules", {"setting": "ruled", "feature_values": {"user": "stolen"}, "value": 5}),
    Write("PUT", f"{RULE_ROUTE}/value", {"value": 6}, {"rule_id": 1}),
    Write("PATCH", RULE_ROUTE, {"value": 7}, {"rule_id": 2}),
    Write("POST", f"{RULE_ROUTE}/metadata", {"metadata": {"a": 2}}, {"rule_id": 3}),
    Write("PUT", f"{RULE_ROUTE}/metadata", {"metadata": {"a": 2}}, {"rule_id": 4}),
    Write("DELETE", f"{RULE_ROUTE}/metadata", None, {"rule_id": 5}),
    Write("PUT", f"{RULE_ROUTE}/metadata/{{key}}", {"value": 2}, {"rule_id": 6, "key": "a"}),
    Write("DELETE", f"{RULE_ROUTE}/metadata/{{key}}", None, {"rule_id": 7, "key": "a"}),
    Write("DELETE", RULE_ROUTE, None, {"rule_id": 8}),
    Write("POST", "/api/v1/webhooks", {"name": "stolen", "url": ADDRESS}),
    Write("PATCH", WEBHOOK_ROUTE, {"prefixes": ["a."]}, {"name": "changed"}),
    Write("POST", f"{WEBHOOK_ROUTE}/disable", None, {"name": "silenced"}),
    Write("POST", f"{WEBHOOK_ROUTE}/enable", {}, {"name": "silent"}),
    Write("DELETE", WEBHOOK_ROUTE, None, {"name": "dropped"}),
    Write("POST", "/api/v1/bulk", {"operations": [FEATURE_TO_TAKE]}),
    Write("POST", PROPOSALS_ROUTE, {"operations": [FEATURE_TO_PROPOSE]}),
    Write("POST", f"{PROPOSALS_ROUTE}/{{proposal_id}}/decline", {"reason": "stolen"}, {"proposal_id": 1}),
    Write("POST", f"{PROPOSALS_ROUTE}/{{proposal_id}}/withdraw", {}, {"proposal_id": 2}),
]  # fmt: skip


def fill(service: HttpOperations) -> None:
    """Give a service what each of the requests changes."""
    service.add_features("user", "theme", "spare")
    for name, revision in CHANGES.items():
        service.declare(name, configurable_features=["user"])
        change = {"metadata": {"a": 2}, "version": "1.1"}
        changed = service.http.put(f"/api/v1/settings/{name}/metadata", json=change).raise_for_status()
        assert str(revision) == changed.headers["Heksher-Revision"]
    named = [write.arguments.get("name") for write in WRITES if write.route.startswith(SETTING_ROUTE)]
    for name in ("ruled", *named):
        service.declare(name, configurable_features=["user"], metadata={"a": 1})
    for number in range(1, 9):
        body = {"setting": "ruled", "feature_values": {"user": f"u{number}"}, "value": number, "metadata": {"a": 1}}
        service.http.post("/api/v1/rules", json=body).raise_for_status()
    for name in ("changed", "silenced", "silent", "dropped"):
        service.http.post("/api/v1/webhooks", json={"name": name, "url": ADDRESS}).raise_for_status()
    service.http.post("/api/v1/webhooks/silent/disable").raise_for_status()
    for _ in ("declined", "withdrawn"):
        proposal = {"operations": [FEATURE_TO_PROPOSE], "at": "2999-01-01T00:00:00Z"}
        service.http.post(PROPOSALS_ROUTE, json=proposal).raise_for_status()
