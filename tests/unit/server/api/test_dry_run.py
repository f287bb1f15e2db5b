"""Writes that are only tried: what they are answered, and that nothing comes of them."""

import inspect

import pytest
from fastapi import Response

from heksher.server.access.grants import Role
from heksher.server.api.routing import ServiceRoute, StorageDependency, make_router
from heksher.server.asgi.access import writes
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.api import Api
from tests.support.catalogs import open_fragile
from tests.support.storages import see_access, see_everything
from tests.unit.server.api.test_routing_access import TABLE, ask, list_routes, may, seed

DRY = "?dry_run=true"
WRITES = sorted(
    f"{method} {route.path}"
    for route in list_routes()
    if isinstance(route, ServiceRoute) and route.write is not None
    for method in route.methods or ()
)


def see(api: Api) -> tuple[object, ...]:
    webhooks = api.storage.read(lambda reader: reader.webhooks())
    return see_everything(api.storage), see_access(api.storage), webhooks


@pytest.fixture
def loaded(ruled: Api) -> Api:
    """A service that has its settings in memory."""
    ruled.get("/api/v1/query")
    ruled.app.services.catalog.refresh()
    return ruled


def test_all_kinds_of_writes_are_there():
    """Those that are marked as writes, apart from signing in, and from what sends something to others."""
    assert {"POST /api/v1/bulk", "POST /api/v1/rules", "POST /api/v1/tokens", "POST /api/v1/webhooks"} < set(WRITES)
    assert set(WRITES) <= set(TABLE)


# There are no metadata to delete, there is the policy already, and what becomes of proposals is no change.
CHANGING_NOTHING = {
    "DELETE /api/v1/rules/{rule_id}/metadata",
    "DELETE /api/v1/rules/{rule_id}/metadata/{key}",
    "PUT /api/v1/policies/{prefix}",
    "POST /api/v1/proposals/{proposal_id}/decline",
    "POST /api/v1/proposals/{proposal_id}/withdraw",
}
# Of many declarations, those that are refused keep no other from being made.
REFUSING_IN_PARTS = {"POST /api/v1/settings/declare-many"}


@pytest.mark.parametrize("route", WRITES)
def test_any_write_can_be_tried(route: str):
    """By whoever may make it: it tells what would be changed, and changes nothing."""
    seeded = seed()
    before = see(seeded)
    for grant in ("read", TABLE[route].role):
        answer = ask(seeded, route, "in.a", grant, more="dry_run=true")
        is_allowed = may(grant, TABLE[route], "in.a")
        if not is_allowed and route not in REFUSING_IN_PARTS:
            assert 403 == answer.status_code
            continue
        assert 200 == answer.status_code, answer.text
        assert {"revision", "size", "changes", "effects", "has_more_effects"} == answer.json().keys()
        assert (is_allowed and route not in CHANGING_NOTHING) == bool(answer.json()["size"])
        assert answer.json()["size"] == len(answer.json()["changes"])
        assert "hks_" not in answer.text
    assert before == see(seeded)


@pytest.mark.storages
def test_a_new_rule_is_told(loaded: Api):
    """Without an id, which only the write gives; with each region in which the setting gets another value."""
    body = {"setting": "b", "feature_values": {"user": "ada"}, "value": 7}
    answer = loaded.post(f"/api/v1/rules{DRY}", json=body)
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    stronger = {"environment": "dev", "theme": "dark"}
    new = {"value": 7, "source": "rule", "rule_id": None}
    assert {
        "revision": loaded.revision(),
        "size": 1,
        "changes": [
            {
                "action": "add",
                "kind": "rule",
                "key": None,
                "setting": "b",
                "feature_values": [["user", "ada"]],
                "before": None,
                "after": {"setting": "b", "value": 7, "feature_values": [["user", "ada"]], "metadata": {}},
            }
        ],
        "effects": [
            {
                "setting": "b",
                "conditions": {"user": "ada"},
                "except": [stronger],
                "has_more_except": False,
                "before": {"value": 60, "source": "default", "rule_id": None},
                "after": new,
                "examples": [{"user": "ada"}],
                "has_more_examples": False,
            }
        ],
        "has_more_effects": False,
    } == answer.json()


def test_what_a_write_is_refused_with_is_what_a_trial_is(loaded: Api):
    """In the form of its route."""
    for method, path, body in (
        ("POST", "/api/v1/rules", {"setting": "b", "feature_values": {"user": "guest"}, "value": 7}),
        ("DELETE", "/api/v1/rules/99", None),
        ("PUT", "/api/v1/rules/1/value", {"value": "x"}),
        ("PUT", "/api/v1/settings/b/name", {"name": "A", "version": "1.2"}),
        ("POST", "/api/v1/settings/declare", {"name": "b", "configurable_features": ["user"], "type": "int",
                                              "default_value": 60, "version": "1.1"}),
        ("POST", "/api/v1/bulk", {"operations": [{"method": "DELETE", "path": "/api/v1/rules/99"}]}),
        ("POST", "/api/v1/bulk", {}),
    ):  # fmt: skip
        tried, made = (loaded.request(method, path + dry, json=body) for dry in (DRY, ""))
        assert 400 <= made.status_code
        assert (made.status_code, made.content) == (tried.status_code, tried.content)


def test_what_changes_nothing_has_nothing_to_tell(loaded: Api):
    """A value that is there already, and a declaration that is up to date."""
    for method, path, body in (
        ("PUT", "/api/v1/rules/1/value", {"value": 1}),
        ("POST", "/api/v1/settings/declare", {"name": "A", "configurable_features": ["environment", "user"],
                                              "type": "int", "default_value": 0}),
    ):  # fmt: skip
        answer = loaded.request(method, path + DRY, json=body)
        assert (0, [], []) == tuple(answer.json()[name] for name in ("size", "changes", "effects"))


def test_writes_that_are_made_say_nothing_of_trials(loaded: Api):
    """Also where it is said that they are none."""
    assert 204 == loaded.put("/api/v1/rules/1/value?dry_run=false", json={"value": 5}).status_code
    assert {"value": 5} == {"value": loaded.get("/api/v1/rules/1").json()["value"]}
    assert 422 == loaded.put("/api/v1/rules/1/value?dry_run=perhaps", json={"value": 6}).status_code


def test_writes_are_tried_while_none_is_possible():
    """On what is in memory: the database is not asked, neither for a lock nor for anything else."""
    storage = open_fragile()
    api = Api(storage)
    api.get("/api/v1/query")
    storage.sickness = StorageUnavailableError("read-only", "read-only")
    assert 503 == api.delete("/api/v1/rules/1").status_code
    storage.is_away = True
    reads = storage.reads
    answer = api.delete(f"/api/v1/rules/1{DRY}")
    assert (200, 1, reads) == (answer.status_code, answer.json()["size"], storage.reads)


def test_a_service_without_settings_in_memory_has_nothing_to_try_on():
    """It says to come back, as for any read."""
    storage = open_fragile()
    storage.is_away = True
    assert 503 == Api(storage).delete(f"/api/v1/rules/1{DRY}").status_code


def test_a_handler_that_could_not_be_tried_is_a_fault():
    """It is found when the program starts: a dry run of it would write."""

    @writes(Role.ADMIN)
    def do(storage: StorageDependency) -> Response:
        return Response()

    with pytest.raises(TypeError, match="a dry run of do would not be one"):
        make_router("some").post("/a")(do)


def test_the_description_of_the_api_has_both_answers():
    """Of a write that is answered without a body, and of one that has one."""
    paths = Api().get("/openapi.json").json()["paths"]
    for path, method, others in (("/api/v1/rules", "post", 0), ("/api/v1/bulk", "post", 1)):
        described = paths[path][method]
        (parameter,) = (each for each in described["parameters"] if each["name"] == "dry_run")
        assert ("query", False) == (parameter["in"], parameter["required"])
        schema = described["responses"]["200"]["content"]["application/json"]["schema"]
        assert "DryRunAnswer" in str(schema)
        assert others == len(schema.get("anyOf", [None])) - 1


def test_the_framework_gives_what_a_trial_needs():
    """The handler of a write takes what it is to be tried with."""
    (route,) = (
        route
        for route in list_routes()
        if isinstance(route, ServiceRoute) and route.path == "/api/v1/rules" and route.write is not None
    )
    assert {"storage", "origin", "dry_run"} < inspect.signature(route.endpoint).parameters.keys()
