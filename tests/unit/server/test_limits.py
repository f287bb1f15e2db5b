"""Every limit is answered with a 4xx that names it (trap 44)."""

import json

import pytest

from heksher.server import limits
from tests.support.access import make_guarded
from tests.support.api import Api

DECLARATION = {"name": "a", "configurable_features": ["user"], "type": "int", "default_value": 1}
DECLARE = "/api/v1/settings/declare"
METADATA = "/api/v1/rules/1/metadata"


def repeat(count: int, make=lambda number: f"k{number}") -> list[str]:
    return [make(number) for number in range(count)]


BEYOND = {
    "MAX_BODY_BYTES": ("POST", DECLARE, " " * (limits.MAX_BODY_BYTES + 1), 413),
    "MAX_JSON_NESTING": ("PUT", METADATA, '{"metadata": {"a": ' + "[" * 63 + "]" * 63 + "}}", 422),
    "MAX_INTEGER_DIGITS": ("PUT", METADATA, '{"metadata": {"a": 1' + "0" * 300 + "}}", 422),
    "MAX_NAME_CHARACTERS": ("POST", DECLARE, DECLARATION | {"name": "a" * 256}, 422),
    "MAX_VALUE_CHARACTERS": (
        "POST",
        "/api/v1/rules",
        {"setting": "a", "feature_values": {"user": "u" * 257}, "value": 1},
        422,
    ),
    "MAX_DECLARATIONS": ("POST", f"{DECLARE}-many", [DECLARATION] * 1001, 422),
    "MAX_VERSION_DIGITS": ("POST", DECLARE, DECLARATION | {"version": "1.0000000000"}, 422),
    "MAX_CONTEXT_FEATURES": ("POST", DECLARE, DECLARATION | {"configurable_features": repeat(257)}, 422),
    "MAX_METADATA_KEYS": ("PUT", METADATA, {"metadata": dict.fromkeys(repeat(1001))}, 422),
    "MAX_QUERY_SETTINGS": ("GET", f"/api/v1/query?settings={','.join(repeat(10_001))}", None, 422),
    "MAX_QUERY_FILTERS": ("GET", f"/api/v1/query?context_filters={','.join(repeat(1001, 'k{}:*'.format))}", None, 422),
    "MAX_VALUE_BYTES": ("PUT", "/api/v1/rules/1/value", {"value": "x" * 1_048_576}, 422),
    "MAX_ACCESS_NAME_CHARACTERS": ("POST", "/api/v1/tokens", {"name": "a" * 101, "grants": ["read"]}, 422),
    "MAX_GRANTS": ("POST", "/api/v1/tokens", {"name": "a", "grants": ["read"] * 101}, 422),
    "MAX_PASSWORD_CHARACTERS": (
        "POST",
        "/api/v1/people",
        {"name": "a", "grants": ["read"], "password": "x" * 1001},
        422,
    ),
    "MAX_WEBHOOK_URL_CHARACTERS": (
        "POST",
        "/api/v1/webhooks",
        {"name": "a", "url": f"https://hooks.example/{'x' * 2000}"},
        422,
    ),
    "MAX_PREFIXES": (
        "POST",
        "/api/v1/webhooks",
        {"name": "a", "url": "https://a.example", "prefixes": repeat(101)},
        422,
    ),
    "MAX_BULK_OPERATIONS": (
        "POST",
        "/api/v1/bulk",
        {"operations": [{"method": "DELETE", "path": "/api/v1/rules/1"}] * 10_001},
        422,
    ),
    "MAX_USAGE_DAYS": ("GET", "/api/v1/usage?unused_for_days=36501", None, 422),
    "MAX_PAGE_ITEMS": ("GET", "/api/v1/tokens?limit=1001", None, 422),
    "MAX_QUERY_VALUES": ("POST", "/api/v1/query", {"context_filters": {"user": repeat(100_001)}}, 422),
}
# They bound what the service says and keeps, not what it takes: test_error_handlers_full, test_webhook_routes,
# test_storage_usage and test_proposal_routes_refusals have the last five.
OF_ANSWERS = {
    "MAX_REPORTED_ERRORS", "MAX_CACHE_BYTES", "MAX_SETTINGS", "MAX_RULES", "MAX_WEBHOOKS", "MAX_CLIENTS",
    "MAX_OPEN_PROPOSALS",
}  # fmt: skip
# It is told where the features of a setting are known: test_value_limits has that.
OF_SETTINGS = {"MAX_LIMITS_BYTES"}
# They end connections: tests/unit/server/http has those.
OF_CONNECTIONS = {
    "MAX_HEAD_BYTES", "MAX_CONNECTIONS", "MAX_PENDING_BYTES", "MAX_HEAD_S", "MAX_BODY_S", "MAX_UNREAD_S",
}  # fmt: skip


def test_every_limit_is_tested():
    """A new one needs a test of its answer."""
    tested = BEYOND.keys() | OF_ANSWERS | OF_SETTINGS | OF_CONNECTIONS
    assert {name for name in vars(limits) if name.startswith("MAX_")} == tested


@pytest.mark.trap(44)
@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_a_limit_is_told_the_limit(name: str):
    """With the number, so that the client knows what to do."""
    method, path, body, status = BEYOND[name]
    featured = Api()
    featured.add_features("user")
    api = make_guarded(featured, grants=["admin"])
    content = body if isinstance(body, str | None) else json.dumps(body)
    response = api.request(method, path, content=content, headers={"api_token": "hks_with admin"})
    assert status == response.status_code
    assert str(getattr(limits, name)) in response.text.replace(",", "")


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ({"settings": repeat(10_001)}, 10_000),
        ({"settings": list(range(10_001))}, 10_000),
        ({"settings": ",".join(repeat(10_001))}, 10_000),
        ({"context_filters": dict.fromkeys(repeat(1001), "*")}, 1000),
        ({"context_filters": dict.fromkeys(repeat(1001), 1)}, 1000),
        ({"context_filters": ",".join(repeat(1001, "k{}:*".format))}, 1000),
        ({"context_filters": f"user:({','.join(repeat(100_001))})"}, 100_000),
        ({"context_filters": {"user": repeat(60_000), "environment": repeat(40_001)}}, 100_000),
        ({"context_filters": f"a:({','.join(repeat(60_000))}),b:({','.join(repeat(40_001))})"}, 100_000),
    ],
)
def test_the_limits_of_queries_are_those_of_posted_ones(body: dict, limit: int):
    """In each form of their parameters, whether what is counted is right or not."""
    response = Api().request("POST", "/api/v1/query", content=json.dumps(body))
    assert 422 == response.status_code
    [fault] = response.json()["detail"]
    assert ["body", *body] == fault["loc"]
    assert str(limit) in fault["msg"]
