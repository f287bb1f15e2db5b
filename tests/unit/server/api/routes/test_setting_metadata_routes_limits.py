"""What is answered to writes that limits of values stand against (docs/reference/http-api.md, *Limits of values*)."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/settings/cache_ttl/metadata"
LIMITS = {"value-schema": {"minimum": 1, "maximum": 100}}
TIGHT = {"value-schema": {"maximum": 5}}
UNREADABLE = {"value-schema": {"$ref": "http://127.0.0.1/schema"}}


@pytest.fixture
def limited(api: Api) -> Api:
    """A service with a setting between 1 and 100, of the default 60, whose rule 1 has the value 50."""
    api.declare("cache_ttl", default_value=60, metadata=LIMITS)
    api.add_rule("cache_ttl", {"user": "a"}, 50)
    return api


@pytest.mark.storages
def test_values_of_rules(limited: Api):
    """400, as for one that is not of the type."""
    for response in (
        limited.try_add_rule("cache_ttl", {"user": "b"}, 101),
        limited.put("/api/v1/rules/1/value", json={"value": 101}),
        limited.patch("/api/v1/rules/1", json={"value": 101}),
    ):
        assert 400 == response.status_code
        detail = "101 is outside the limits of setting 'cache_ttl' (value-schema): 101 breaks \"maximum\": 100"
        assert {"detail": detail} == response.json()
    assert 204 == limited.put("/api/v1/rules/1/value", json={"value": 100}).status_code


@pytest.mark.storages
def test_declarations(limited: Api):
    """422 for what contradicts itself, 409 for what contradicts rules."""
    outside = limited.try_declare("cache_ttl", default_value=101, metadata=LIMITS, version="1.1")
    assert (422, [["body", "default_value"]]) == (outside.status_code, locations(outside))
    unreadable = limited.try_declare("other", metadata=UNREADABLE)
    assert (422, [["body", "metadata", "value-schema"]]) == (unreadable.status_code, locations(unreadable))
    rejected = limited.try_declare("cache_ttl", default_value=5, metadata=TIGHT, version="2.0")
    assert (409, "rejected") == (rejected.status_code, rejected.json()["outcome"])
    message = (
        'limits of values (value-schema) broken by the values of rules [1]; that of rule 1: 50 breaks "maximum": 5'
    )
    assert {"level": "mismatch", "message": message} == rejected.json()["differences"][-1]
    assert "1.0" == limited.get("/api/v1/settings/cache_ttl").json()["version"]


@pytest.mark.storages
@pytest.mark.parametrize("method", ["post", "put"])
def test_metadata(limited: Api, method: str):
    """422 for limits that cannot be read, 409 for those that present values break, with each reason."""
    write = getattr(limited, method)
    assert 422 == write(PATH, json={"metadata": UNREADABLE, "version": "1.1"}).status_code
    broken = write(PATH, json={"metadata": TIGHT, "version": "1.1"})
    assert (409, 2) == (broken.status_code, len(broken.json()["conflicts"]))
    assert 204 == write(PATH, json={"metadata": {"value-schema": {"minimum": 50}}, "version": "1.1"}).status_code


def test_one_key_of_metadata(limited: Api):
    """As when all are given; without limits everything goes."""
    path = f"{PATH}/value-schema"
    assert 422 == limited.put(path, json={"value": {"type": "int"}, "version": "1.1"}).status_code
    assert 409 == limited.put(path, json={"value": {"maximum": 5}, "version": "1.1"}).status_code
    assert 204 == limited.request("DELETE", path, json={"version": "1.1"}).status_code
    assert 204 == limited.put("/api/v1/rules/1/value", json={"value": 1_000}).status_code


def op(method: str, path: str, body: object) -> dict[str, object]:
    return {"method": method, "path": path, "body": body}


def widen(maximum: int) -> dict[str, object]:
    """Return an operation that replaces the limits."""
    metadata = {"value-schema": {"minimum": 1, "maximum": maximum}}
    return op("PUT", PATH, {"metadata": metadata, "version": f"1.{maximum}"})


@pytest.mark.storages
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize(
    ("operations", "status", "refused"),
    [
        ([op("PUT", "/api/v1/rules/1/value", {"value": 101})], 400, 0),
        ([op("PUT", "/api/v1/rules/1/value", {"value": 5}), widen(5)], 409, 1),
        ([op("PUT", "/api/v1/rules/1/value", {"value": 200}), widen(200)], 400, 0),
        ([widen(200), op("PUT", "/api/v1/rules/1/value", {"value": 200})], 200, None),
        ([widen(60), op("PUT", "/api/v1/rules/1/value", {"value": 61})], 400, 1),
        ([widen(60), op("DELETE", "/api/v1/rules/1", None), widen(59)], 409, 2),
        ([op("PUT", PATH, {"metadata": UNREADABLE, "version": "1.1"})], 422, 0),
    ],
)
def test_several_writes_together(limited: Api, operations: list, status: int, refused: int | None, query: str):
    """Each goes by the limits that those before it have left, also if all are only tried."""
    response = limited.post(f"/api/v1/bulk{query}", json={"operations": operations})
    assert (status, refused) == (response.status_code, response.json().get("operation"))


@pytest.mark.parametrize("method", ["post", "patch", "put"])
def test_values_that_are_only_tried(limited: Api, method: str):
    """They are refused as if they were written."""
    body = {"value": 101, "setting": "cache_ttl", "feature_values": {"user": "b"}}
    path = {"post": "/api/v1/rules", "patch": "/api/v1/rules/1", "put": "/api/v1/rules/1/value"}[method]
    wanted = body if method == "post" else {"value": 101}
    assert 400 == getattr(limited, method)(f"{path}?dry_run=true", json=wanted).status_code
